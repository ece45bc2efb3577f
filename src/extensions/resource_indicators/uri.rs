use std::fmt;
use std::str::FromStr;

/// The most bytes of a resource's URI.
const MAX_BYTES: usize = 512;

/// The absolute URI of a resource (RFC 8707 section 2, RFC 3986 section 4.3), without a fragment and of at most 512
/// bytes. The text is kept to the byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResourceUri(String);

/// Text that names no resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an absolute URI without a fragment, of at most 512 bytes")]
pub struct InvalidResourceUri;

impl ResourceUri {
    /// The URI, byte for byte.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both are the same, where an empty path is the path `/` (RFC 3986 section 6.2.3).
    pub(super) fn names_the_same_as(&self, other: &Self) -> bool {
        self.without_root() == other.without_root()
    }

    /// Whether it is one of `resources`, to the byte.
    pub(super) fn is_in(&self, resources: &[String]) -> bool {
        resources.contains(&self.0)
    }

    /// The text without the slash of a path that is nothing else.
    fn without_root(&self) -> &str {
        let is_authority = |rest: &str| !rest.contains(['/', '?']);
        match self.0.strip_suffix('/') {
            Some(short) if short.split_once("://").is_some_and(|(_, rest)| is_authority(rest)) => short,
            _ => &self.0,
        }
    }
}

impl FromStr for ResourceUri {
    type Err = InvalidResourceUri;

    fn from_str(text: &str) -> Result<Self, InvalidResourceUri> {
        let (scheme, rest) = text.split_once(':').ok_or(InvalidResourceUri)?;
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(is_of_scheme);
        let is_rest = !rest.is_empty() && rest.bytes().all(is_of_uri) && rest.split('%').skip(1).all(is_escape);
        let is_resource = is_scheme && is_rest && text.len() <= MAX_BYTES;
        is_resource.then(|| Self(text.to_owned())).ok_or(InvalidResourceUri)
    }
}

const fn is_of_scheme(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// RFC 3986 section 2, without `#`.
const fn is_of_uri(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'#' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

/// Whether the text behind a `%` completes an escape.
fn is_escape(after: &str) -> bool {
    matches!(after.as_bytes(), [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}

impl fmt::Display for ResourceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<ResourceUri> for String {
    fn from(uri: ResourceUri) -> Self {
        uri.0
    }
}
