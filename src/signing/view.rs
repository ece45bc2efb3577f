use std::collections::HashSet;
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
    /// `None`: it cannot be opened.
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

    /// The key that signs by `algorithm`; where it is `None`, by the first one whose turn has come.
    pub(super) fn signer(&self, algorithm: Option<Algorithm>, now: Timestamp) -> Option<Arc<dyn Signer>> {
        let begun = || self.usable.iter().find(|key| key.signs_from <= now).or(self.usable.first());
        let algorithm = algorithm.or_else(|| begun().map(|key| key.algorithm))?;
        self.current(algorithm, now)?.signer.clone()
    }

    /// The newest key of the algorithm whose turn has come; by a clock that is behind, the first one of all.
    fn current(&self, algorithm: Algorithm, now: Timestamp) -> Option<&Usable> {
        let mut own = self.usable.iter().filter(|key| key.algorithm == algorithm);
        let oldest = own.clone().next_back();
        own.find(|key| key.signs_from <= now).or(oldest)
    }

    pub(super) fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.usable.iter().map(|key| key.algorithm)
    }

    /// Whether every key that others may sign with by now is there.
    pub(super) fn is_complete(&self, now: Timestamp) -> bool {
        self.usable.iter().all(|key| self.current(key.algorithm, now).is_some_and(|current| current.signer.is_some()))
    }

    /// What is wrong with keys that the host gives, if anything.
    pub(super) fn contradiction(&self) -> Option<&'static str> {
        let mut names = HashSet::new();
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
