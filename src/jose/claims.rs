use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::json::{self, Strict, insert, once};
use crate::clock::Timestamp;

/// The claims set of a JWT (RFC 7519 section 4), strictly read: no member twice, dates are numbers, `aud` is a string or an
/// array of strings. Nothing about their values is checked.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the names are RFC 7519's")]
#[non_exhaustive]
pub struct JwtClaims {
    pub iss: Option<String>,
    pub sub: Option<String>,
    /// Empty: there is none.
    pub aud: Vec<String>,
    pub exp: Option<Timestamp>,
    pub nbf: Option<Timestamp>,
    pub iat: Option<Timestamp>,
    pub jti: Option<String>,
    /// Every other claim.
    pub other: Map<String, Value>,
}

/// A payload that is no claims set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidClaims(pub(super) &'static str);

impl JwtClaims {
    /// Reads a payload.
    ///
    /// # Errors
    /// It is no JSON object, has a member twice, or a claim is of the wrong type.
    pub fn parse(payload: &[u8]) -> Result<Self, InvalidClaims> {
        json::parse(payload).ok_or(InvalidClaims("no JSON object, a member twice, or a claim of the wrong type"))
    }
}

impl<'de> Deserialize<'de> for JwtClaims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ClaimsVisitor)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Name {
    Iss,
    Sub,
    Aud,
    Exp,
    Nbf,
    Iat,
    Jti,
    Other(String),
}

struct ClaimsVisitor;

impl<'de> Visitor<'de> for ClaimsVisitor {
    type Value = JwtClaims;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a claims set")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<JwtClaims, A::Error> {
        let mut claims = JwtClaims::default();
        let mut aud = None;
        while let Some(name) = members.next_key()? {
            match name {
                Name::Iss => once(&mut claims.iss, members.next_value()?)?,
                Name::Sub => once(&mut claims.sub, members.next_value()?)?,
                Name::Aud => once(&mut aud, members.next_value::<Audience>()?)?,
                Name::Exp => once(&mut claims.exp, members.next_value::<NumericDate>()?.0)?,
                Name::Nbf => once(&mut claims.nbf, members.next_value::<NumericDate>()?.0)?,
                Name::Iat => once(&mut claims.iat, members.next_value::<NumericDate>()?.0)?,
                Name::Jti => once(&mut claims.jti, members.next_value()?)?,
                Name::Other(name) => insert(&mut claims.other, name, members.next_value::<Strict>()?.0)?,
            }
        }
        claims.aud = aud.map(|Audience(aud)| aud).unwrap_or_default();
        Ok(claims)
    }
}

/// RFC 7519 section 2: seconds, perhaps with a fraction, which is cut off.
struct NumericDate(Timestamp);

/// 2^53, from where on readers of JSON do not agree on a number (RFC 7493 section 2.2).
const END_OF_TIME: f64 = 9_007_199_254_740_992.0;

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A string is none for `f64`.
        let seconds = f64::deserialize(deserializer)?;
        if !(0.0..END_OF_TIME).contains(&seconds) {
            return Err(de::Error::custom("no date"));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in the range of both")]
        Ok(Self(Timestamp::from_unix(seconds as u64)))
    }
}

/// RFC 7519 section 4.1.3: a string, or an array of strings.
struct Audience(Vec<String>);

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AudienceVisitor)
    }
}

struct AudienceVisitor;

impl<'de> Visitor<'de> for AudienceVisitor {
    type Value = Audience;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of strings")
    }

    fn visit_str<E>(self, value: &str) -> Result<Audience, E> {
        Ok(Audience(vec![value.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Audience, A::Error> {
        let mut aud = Vec::new();
        while let Some(one) = elements.next_element()? {
            aud.push(one);
        }
        Ok(Audience(aud))
    }
}
