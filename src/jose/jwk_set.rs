use serde_json::Value;

use super::jwk::holds_secret;
use super::{Algorithm, InvalidJwk, Jwk, json};

/// The most keys of one set.
const MAX_KEYS: usize = 100;

/// A set of public keys (RFC 7517 section 5).
#[derive(Clone, Debug, Default)]
pub struct JwkSet {
    /// The keys.
    pub keys: Vec<Jwk>,
}

impl JwkSet {
    /// Reads a set. A key of a kind that is not known, or not for signatures, is left out (RFC 7517 section 5).
    ///
    /// # Errors
    /// It is no JWK Set, has more than 100 keys, or one is private or symmetric: whoever publishes such a key has none that
    /// can be trusted.
    pub fn parse(json: &[u8]) -> Result<Self, InvalidJwk> {
        let json::Strict(set) = json::parse(json).ok_or(InvalidJwk("no JSON, or a member is there twice"))?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or(InvalidJwk("no JWK Set"))?;
        if keys.len() > MAX_KEYS {
            return Err(InvalidJwk("more than 100 keys"));
        }
        if !keys.iter().all(Value::is_object) {
            return Err(InvalidJwk("a key is no JSON object"));
        }
        if keys.iter().filter_map(Value::as_object).any(holds_secret) {
            return Err(InvalidJwk("a private or symmetric key is published"));
        }
        Ok(Self { keys: keys.iter().filter_map(|key| Jwk::parse(key).ok()).collect() })
    }

    /// The keys that may have made a signature: of that `kid`, or, where the header has none, all that allow the algorithm.
    pub fn candidates<'a>(&'a self, kid: Option<&'a str>, algorithm: Algorithm) -> impl Iterator<Item = &'a Jwk> {
        let fits = move |key: &&Jwk| (kid.is_none() || key.kid() == kid) && key.allows(algorithm);
        self.keys.iter().filter(fits)
    }
}
