use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::Algorithm;
use super::public_key::PublicKey;

/// A public key (RFC 7517), checked and ready to verify. Cheap to clone.
#[derive(Clone)]
pub struct Jwk {
    kid: Option<Arc<str>>,
    alg: Option<Algorithm>,
    key: Arc<PublicKey>,
}

/// Why a JWK cannot be used. It repeats nothing of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidJwk(pub(super) &'static str);

impl Jwk {
    /// Reads a public key. Numbers are written in their one right way: a coordinate in its full length (RFC 7518 section
    /// 6.2.1.2), the RSA numbers without a leading zero (section 2, Base64urlUInt).
    ///
    /// # Errors
    /// It is private or symmetric, not for signatures, of an unknown kind, too small (RSA under 2048 bits) or no point of
    /// its curve; `alg` is not one the key can have. An Ed25519 key that is no point is taken, and verifies nothing.
    pub fn parse(jwk: &Value) -> Result<Self, InvalidJwk> {
        let members = jwk.as_object().ok_or(InvalidJwk("no JSON object"))?;
        if holds_secret(members) {
            return Err(InvalidJwk("a private or symmetric key"));
        }
        if !is_for_verification(members) {
            return Err(InvalidJwk("not a key to verify signatures with"));
        }
        let alg = text(members, "alg")?
            .map(|name| Algorithm::parse(name).ok_or(InvalidJwk("alg is not one that is known")))
            .transpose()?;
        let kid = text(members, "kid")?.map(Arc::from);
        Ok(Self { kid, alg, key: Arc::new(PublicKey::from_members(members, alg)?) })
    }

    pub(super) fn new(key: PublicKey, alg: Algorithm) -> Self {
        Self { kid: None, alg: Some(alg), key: Arc::new(key) }
    }

    /// `kid`.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// `alg`.
    pub fn alg(&self) -> Option<Algorithm> {
        self.alg
    }

    /// The same key under the name `kid`.
    #[must_use]
    pub fn with_kid(self, kid: impl Into<String>) -> Self {
        Self { kid: Some(kid.into().into()), ..self }
    }

    /// Whether the key can verify signatures of `algorithm`: its type fits, and its `alg`, if it has one, is the same.
    pub fn allows(&self, algorithm: Algorithm) -> bool {
        self.key.allows(algorithm)
    }

    /// The SHA-256 thumbprint (RFC 7638, RFC 8037 section 2), as base64url.
    pub fn thumbprint(&self) -> String {
        self.key.thumbprint()
    }

    /// The public members, with `use`, `alg` and `kid` where they are known.
    pub fn to_value(&self) -> Value {
        let mut members = self.key.members();
        members.insert("use".to_owned(), "sig".into());
        if let Some(alg) = self.alg {
            members.insert("alg".to_owned(), alg.as_str().into());
        }
        if let Some(kid) = self.kid() {
            members.insert("kid".to_owned(), kid.into());
        }
        Value::Object(members)
    }

    /// Whether `signature` is this key's over `message`; never for an algorithm that the key does not allow.
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.key.verifies(algorithm, message, signature)
    }
}

impl fmt::Debug for Jwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwk").field("kid", &self.kid).field("alg", &self.alg).finish_non_exhaustive()
    }
}

/// Whether the members of a private key (RFC 7518 sections 6.2.2 and 6.3.2, RFC 8037 section 2) or of a symmetric one
/// (section 6.4) are among them.
pub(super) fn holds_secret(members: &Map<String, Value>) -> bool {
    let is_secret = |name: &&str| members.contains_key(*name);
    ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().any(is_secret) || members.get("kty") == Some(&"oct".into())
}

/// RFC 7517 sections 4.2 and 4.3.
fn is_for_verification(members: &Map<String, Value>) -> bool {
    let allows_verify = |operations: &Value| operations.as_array().is_some_and(|all| all.contains(&"verify".into()));
    members.get("use").is_none_or(|usage| usage == "sig") && members.get("key_ops").is_none_or(allows_verify)
}

/// A member that is text if it is there.
pub(super) fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, InvalidJwk> {
    let text = |value: &'a Value| value.as_str().ok_or(InvalidJwk("a member is not of its type"));
    members.get(name).map(text).transpose()
}
