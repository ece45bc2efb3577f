use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;

use crate::clock::Timestamp;
use crate::jose::{Algorithm, Jwk, JwkSet, Signer};

/// A key that may sign from some moment on.
#[derive(Clone)]
pub(super) struct Usable {
    pub(super) algorithm: Algorithm,
    pub(super) signs_from: Timestamp,
    /// `None`: its turn has come, but it cannot be opened.
    pub(super) signer: Option<Arc<dyn Signer>>,
}

/// The keys as they are known at one moment.
pub(super) struct View {
    /// By algorithm in the order of the configuration, then the newest first.
    usable: Vec<Usable>,
    pub(super) jwk_set: Arc<JwkSet>,
    pub(super) json: Bytes,
}

impl View {
    pub(super) fn new(usable: Vec<Usable>, published: Vec<Jwk>) -> Self {
        let keys: Vec<_> = published.iter().map(Jwk::to_value).collect();
        let json = json!({ "keys": keys }).to_string().into();
        Self { usable, jwk_set: Arc::new(JwkSet { keys: published }), json }
    }

    /// The newest key of the algorithm whose turn has come.
    pub(super) fn signer(&self, algorithm: Option<Algorithm>, now: Timestamp) -> Option<Arc<dyn Signer>> {
        let algorithm = algorithm.or(self.usable.first().map(|first| first.algorithm))?;
        let mut own = self.usable.iter().filter(|key| key.algorithm == algorithm);
        own.find(|key| key.signs_from <= now)?.signer.clone()
    }

    /// What is wrong with keys that the host gives, if anything.
    pub(super) fn contradiction(&self) -> Option<&'static str> {
        let mut names = std::collections::HashSet::new();
        let keys = &self.jwk_set.keys;
        if self.usable.is_empty() {
            Some("there is no signing key")
        } else if keys.iter().any(|key| key.alg().is_none() || key.kid().is_none()) {
            Some("a signing key has no `alg` or no `kid`")
        } else if !keys.iter().all(|key| names.insert(key.kid())) {
            Some("two signing keys have the same `kid`")
        } else {
            None
        }
    }
}
