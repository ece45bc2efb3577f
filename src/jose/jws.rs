use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Map;

use super::json::{self, Strict, insert, once};
use super::{Algorithm, JwkSet, SharedSecret};

/// The longest token, in bytes.
const MAX_TOKEN: usize = 16 * 1024;

/// The parts of a JWS header (RFC 7515 section 4.1) that are acted on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are RFC 7515's")]
#[non_exhaustive]
pub struct Header {
    pub alg: Algorithm,
    pub kid: Option<String>,
    pub typ: Option<String>,
}

/// Why a JWS is refused. It repeats nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidJws(pub(super) &'static str);

/// A JWS in compact form (RFC 7515 section 7.1) whose signature nobody has checked.
pub struct Jws<'a> {
    header: Header,
    /// What is signed: the header and the payload as they were sent.
    message: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Jws<'a> {
    /// Takes the parts apart; at most 16 KiB.
    ///
    /// # Errors
    /// It is no JWS in compact form, or its header asks for something that is not understood.
    pub fn parse(token: &'a str) -> Result<Self, InvalidJws> {
        if token.len() > MAX_TOKEN {
            return Err(InvalidJws("longer than 16 KiB"));
        }
        let (message, signature) = token.rsplit_once('.').ok_or(NOT_COMPACT)?;
        let (header, payload) = message.split_once('.').ok_or(NOT_COMPACT)?;
        if payload.contains('.') {
            return Err(NOT_COMPACT);
        }
        Ok(Self { header: Header::parse(header)?, message, payload, signature })
    }

    /// The header, which is as little proven as the rest.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The payload, unproven: good for nothing but finding out whose keys to verify with.
    ///
    /// # Errors
    /// It is no base64url.
    pub fn unverified_payload(&self) -> Result<Vec<u8>, InvalidJws> {
        decode(self.payload)
    }

    /// The payload, if a key of `keys` signed it by one of `algorithms`.
    ///
    /// # Errors
    /// The algorithm is not one of them, no key fits, or the signature is wrong.
    pub fn verify(&self, keys: &JwkSet, algorithms: &[Algorithm]) -> Result<Vec<u8>, InvalidJws> {
        self.verify_by(algorithms, |algorithm, message, signature| {
            let mut candidates = keys.candidates(self.header.kid.as_deref(), algorithm);
            candidates.any(|key| key.verifies(algorithm, message, signature))
        })
    }

    /// The payload, if `secret` authenticates it by one of `algorithms`.
    ///
    /// # Errors
    /// The algorithm is not one of them, or the MAC is wrong.
    pub fn verify_with_secret(&self, secret: &SharedSecret, algorithms: &[Algorithm]) -> Result<Vec<u8>, InvalidJws> {
        self.verify_by(algorithms, |algorithm, message, mac| secret.verifies(algorithm, message, mac))
    }

    fn verify_by(
        &self,
        algorithms: &[Algorithm],
        is_right: impl FnOnce(Algorithm, &[u8], &[u8]) -> bool,
    ) -> Result<Vec<u8>, InvalidJws> {
        self.check_algorithm(algorithms)?;
        if !is_right(self.header.alg, self.message.as_bytes(), &decode(self.signature)?) {
            return Err(InvalidJws("no key that fits made the signature"));
        }
        self.unverified_payload()
    }

    pub(super) fn check_algorithm(&self, algorithms: &[Algorithm]) -> Result<(), InvalidJws> {
        let is_allowed = algorithms.contains(&self.header.alg);
        is_allowed.then_some(()).ok_or(InvalidJws("alg is not one that is accepted here"))
    }
}

const NOT_COMPACT: InvalidJws = InvalidJws("not three parts");

fn decode(part: &str) -> Result<Vec<u8>, InvalidJws> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| InvalidJws("a part is no base64url"))
}

impl Header {
    fn parse(part: &str) -> Result<Self, InvalidJws> {
        let members: Members = json::parse(&decode(part)?)
            .ok_or(InvalidJws("the header is no JSON object, has a member twice, or one of the wrong type"))?;
        if members.asks_too_much {
            return Err(InvalidJws("the header asks for something that is not understood"));
        }
        let alg =
            members.alg.as_deref().and_then(Algorithm::parse).ok_or(InvalidJws("alg is not one that is known"))?;
        Ok(Self { alg, kid: members.kid, typ: members.typ })
    }
}

/// A header as it is read.
#[derive(Default)]
struct Members {
    alg: Option<String>,
    kid: Option<String>,
    typ: Option<String>,
    asks_too_much: bool,
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Name {
    Alg,
    Kid,
    Typ,
    Other(String),
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Members, A::Error> {
        let mut header = Members::default();
        let mut other = Map::new();
        while let Some(name) = members.next_key()? {
            match name {
                Name::Alg => once(&mut header.alg, members.next_value()?)?,
                Name::Kid => once(&mut header.kid, members.next_value()?)?,
                Name::Typ => once(&mut header.typ, members.next_value()?)?,
                Name::Other(name) => {
                    header.asks_too_much |= is_refused(&name);
                    insert(&mut other, name, members.next_value::<Strict>()?.0)?;
                }
            }
        }
        Ok(header)
    }
}

/// Members that change what the signature means (RFC 7515 section 4.1.11, RFC 7797), bring a key along (section 4.1.2 ff.)
/// or belong to encryption.
fn is_refused(name: &str) -> bool {
    matches!(name, "crit" | "b64" | "zip" | "enc" | "jwk" | "jku" | "x5u" | "x5c")
}
