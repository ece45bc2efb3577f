use std::fmt;

use aws_lc_rs::hmac;

use super::Algorithm;
use super::algorithm::Kind;

/// A secret that both sides have, for HS256, HS384 and HS512. `Debug` does not show it.
pub struct SharedSecret(Vec<(Algorithm, hmac::Key)>);

impl SharedSecret {
    /// Takes the bytes of the secret.
    pub fn new(secret: &[u8]) -> Self {
        let key = |algorithm: Algorithm| match algorithm.kind() {
            Kind::Hmac(hash) if secret.len() >= hash.tag_len() => Some((algorithm, hmac::Key::new(hash, secret))),
            _ => None,
        };
        Self(Algorithm::SYMMETRIC.into_iter().filter_map(key).collect())
    }

    /// The MAC over `message`; `None` for an algorithm that is not symmetric, or a secret shorter than its hash (RFC 7518
    /// section 3.2).
    pub fn authenticate(&self, algorithm: Algorithm, message: &[u8]) -> Option<Vec<u8>> {
        Some(hmac::sign(self.key(algorithm)?, message).as_ref().to_vec())
    }

    /// Whether `mac` is the secret's over `message`; constant time.
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], mac: &[u8]) -> bool {
        self.key(algorithm).is_some_and(|key| hmac::verify(key, message, mac).is_ok())
    }

    fn key(&self, algorithm: Algorithm) -> Option<&hmac::Key> {
        self.0.iter().find(|(of, _)| *of == algorithm).map(|(_, key)| key)
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}
