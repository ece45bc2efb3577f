use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Issuer;
use crate::clock::Timestamp;
use crate::secret::Digest;

/// A key pair that signs an issuer's tokens, as a store keeps it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKey {
    /// The server whose tokens it signs.
    pub issuer: Issuer,
    /// What it signs by (RFC 7518 section 3.1, `alg`).
    pub algorithm: String,
    /// Counts the issuer's keys for the algorithm.
    pub generation: u64,
    /// The public key (RFC 7517), with its `kid`.
    pub jwk: Value,
    /// The private key, encrypted, or the name by which whoever keeps it knows it.
    pub private_key: String,
    /// When it was made; it is published from then on.
    pub created_at: Timestamp,
    /// From when it signs, in the place of the generation before.
    pub signs_from: Timestamp,
    /// Until when it signs, by the schedule it was made under.
    pub signs_until: Timestamp,
    /// The most seconds that a token of its may live, by the same.
    pub longest_token: u64,
}

impl SigningKey {
    /// The [`Row::id`](super::Row::id) of the issuer's key for the algorithm of that generation.
    pub fn row_id(issuer: &Issuer, algorithm: &str, generation: u64) -> String {
        let key = serde_json::json!([issuer, algorithm, generation]);
        Digest::of(&key.to_string()).to_string()
    }
}

/// Without what the private key is found by: what a host's vault says there may be a secret.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { issuer, algorithm, generation, signs_from, .. } = self;
        let mut key = f.debug_struct("SigningKey");
        key.field("issuer", issuer).field("algorithm", algorithm).field("generation", generation);
        key.field("signs_from", signs_from).finish_non_exhaustive()
    }
}
