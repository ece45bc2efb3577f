use std::collections::HashSet;
use std::fmt;

use percent_encoding::percent_decode;

use super::{MAX_PARAMS, MAX_VALUE};
use crate::error::{Error, ErrorCode};

/// Parameters that may be repeated: RFC 8707 section 2, RFC 8693 section 2.1.
const REPEATABLE: [&str; 2] = ["resource", "audience"];

/// The parameters of one request, `application/x-www-form-urlencoded` (RFC 6749 appendix B), in their order.
///
/// A parameter without a value counts as omitted (RFC 6749 section 3.1).
#[derive(Clone, Default)]
pub struct Params {
    pairs: Vec<(String, String)>,
}

impl Params {
    /// Parses a query or the body of a form.
    ///
    /// # Errors
    /// `invalid_request`: more than 256 parameters, a value over 8 KiB, a broken escape, or text that is not UTF-8.
    pub fn parse(form: &[u8]) -> Result<Self, Error> {
        parse_form([form])
    }

    /// The parameter's value, unless it is missing or empty. Of a repeated one, the first.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of a parameter that may be repeated.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str())
    }

    /// The parameter's value.
    ///
    /// # Errors
    /// `invalid_request` that names the parameter when it is missing.
    pub fn require(&self, name: &'static str) -> Result<&str, Error> {
        self.get(name).ok_or(Error::missing(name))
    }

    /// Whether the parameter is there more than once, empty or not.
    pub fn is_repeated(&self, name: &str) -> bool {
        self.pairs.iter().filter(|(n, _)| n == name).nth(1).is_some()
    }

    /// Refuses repetition (RFC 6749 sections 3.1 and 3.2), except of the parameters defined as repeatable.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn refuse_repeated(&self) -> Result<(), Error> {
        let mut seen = HashSet::with_capacity(self.pairs.len());
        for (name, _) in &self.pairs {
            if !seen.insert(name.as_str()) && !REPEATABLE.contains(&name.as_str()) {
                return Err(Error::new(ErrorCode::InvalidRequest, "a parameter is repeated"));
            }
        }
        Ok(())
    }

    /// All pairs, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Names only: the values hold codes, tokens and secrets.
impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.pairs.iter().map(|(name, _)| name)).finish()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Params {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self { pairs: pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }
}

/// Parses `parts`, each an `application/x-www-form-urlencoded` string, as one list of parameters.
///
/// # Errors
/// `invalid_request`: too many parameters, one too long, a broken escape, or text that is not UTF-8.
pub(crate) fn parse_form<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Result<Params, Error> {
    let mut pairs = Vec::with_capacity(8);
    let fields = parts.into_iter().flat_map(|part| part.split(|byte| *byte == b'&'));
    for field in fields.filter(|field| !field.is_empty()) {
        if pairs.len() == MAX_PARAMS {
            return Err(Error::new(ErrorCode::InvalidRequest, "too many parameters"));
        }
        let mut halves = field.splitn(2, |byte| *byte == b'=');
        let name = decode(halves.next().unwrap_or_default())?;
        let value = decode(halves.next().unwrap_or_default())?;
        pairs.push((name, value));
    }
    Ok(Params { pairs })
}

/// Decodes one name or value: `+` is a space, `%` begins an escape.
pub(super) fn decode(encoded: &[u8]) -> Result<String, Error> {
    let malformed = || Error::new(ErrorCode::InvalidRequest, "a parameter is not well-formed");
    let text = |decoded: Vec<u8>| match decoded.len() {
        0..=MAX_VALUE => String::from_utf8(decoded).map_err(|_| malformed()),
        _ => Err(Error::new(ErrorCode::InvalidRequest, "a parameter is too long")),
    };
    if !encoded.iter().any(|byte| matches!(byte, b'+' | b'%')) {
        return text(encoded.to_vec());
    }
    if !escapes_are_complete(encoded) {
        return Err(malformed());
    }
    let spaced: Vec<u8> = encoded.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    text(percent_decode(&spaced).collect())
}

fn escapes_are_complete(encoded: &[u8]) -> bool {
    encoded
        .split(|byte| *byte == b'%')
        .skip(1)
        .all(|rest| matches!(rest, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Params, Error> {
        parse_form([text.as_bytes()])
    }

    #[test]
    fn decodes_once_and_treats_empty_as_omitted() {
        let params = parse("a=%2541+b&c=&d&&e=1=2").unwrap();
        assert_eq!(params.get("a"), Some("%41 b"));
        assert_eq!(params.get("c"), None);
        assert_eq!(params.get("d"), None);
        assert_eq!(params.get("e"), Some("1=2"));
    }

    #[test]
    fn refuses_what_is_malformed_or_too_much() {
        for bad in ["a=%", "a=%4", "a=%zz", "%f=1", "a=%ff", "%c0%80=1"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&"a=1&".repeat(MAX_PARAMS)).is_ok());
        assert!(parse(&"a=1&".repeat(MAX_PARAMS + 1)).is_err());
        assert!(parse(&format!("a={}", "x".repeat(MAX_VALUE))).is_ok());
        assert!(parse(&format!("a={}", "x".repeat(MAX_VALUE + 1))).is_err());
    }

    #[test]
    fn repetition_is_found_also_when_empty() {
        assert!(parse("a=1&a=").unwrap().refuse_repeated().is_err());
        assert!(parse("resource=1&resource=2").unwrap().refuse_repeated().is_ok());
    }
}
