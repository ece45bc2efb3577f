use std::collections::HashSet;
use std::sync::Arc;

use super::{BoundKeys, KeySource, KeyVault, Source};
use crate::jose::Algorithm;
use crate::secret_keys::KeyRing;
use crate::storage::KeyStore;

/// The most seconds for which others may keep the JWK Set.
pub(super) const LONGEST_MAX_AGE: u64 = 300;
/// The most seconds between two looks into the store.
const LONGEST_RELOAD: u64 = 60;

/// Others need not read more keys than that.
const MAX_PUBLISHED: u64 = 50;

/// Signing keys in the store, made by the server itself. Needs [`KeyStore`], and secret keys unless there is a
/// [`KeyVault`].
///
/// By default a key signs for 90 days, is published for one hour before, and tokens live one day at most.
#[derive(Clone)]
pub struct RotatingKeys {
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) vault: Option<Arc<dyn KeyVault>>,
    pub(super) every: u64,
    pub(super) publish_ahead: u64,
    pub(super) longest_token: u64,
}

impl RotatingKeys {
    /// A key for each of the algorithms. The first one signs where none is asked for.
    pub fn new(algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        Self {
            algorithms: algorithms.into_iter().collect(),
            vault: None,
            every: 90 * 24 * 3600,
            publish_ahead: 3600,
            longest_token: 24 * 3600,
        }
    }

    /// The seconds for which a key signs, at least `publish_ahead`.
    #[must_use]
    pub const fn every(mut self, seconds: u64) -> Self {
        self.every = seconds;
        self
    }

    /// The seconds for which a key is published before it signs, at least four. Whoever keeps the JWK Set, other replicas
    /// included, looks at it four times in that time.
    #[must_use]
    pub const fn publish_ahead(mut self, seconds: u64) -> Self {
        self.publish_ahead = seconds;
        self
    }

    /// The most seconds that a signed token may live, whatever a client's policy says: for that long, a key that was
    /// replaced is still published.
    #[must_use]
    pub const fn longest_token(mut self, seconds: u64) -> Self {
        self.longest_token = seconds;
        self
    }

    /// Makes and keeps private keys elsewhere than in the store.
    #[must_use]
    pub fn vault(mut self, vault: impl KeyVault) -> Self {
        self.vault = Some(Arc::new(vault));
        self
    }

    pub(super) fn contradiction(&self, keys: &KeyRing) -> Option<&'static str> {
        if self.algorithms.is_empty() {
            Some("there is no signing key")
        } else if self.algorithms.iter().any(|algorithm| algorithm.is_symmetric()) {
            Some("a signing key that rotates is published: it cannot be symmetric")
        } else if self.algorithms.iter().collect::<HashSet<_>>().len() < self.algorithms.len() {
            Some("an algorithm of the signing keys is there twice")
        } else if self.publish_ahead < 4 || self.every < self.publish_ahead {
            Some("`publish_ahead` of the signing keys is at least four seconds, and `every` at least `publish_ahead`")
        } else if self.longest_token == 0 {
            Some("the longest life of a signed token is zero")
        } else if self.most_published() > MAX_PUBLISHED {
            Some(
                "signing keys rotate so often that too many are published: lengthen `every`, or shorten `longest_token`",
            )
        } else if self.vault.is_none() && keys.is_empty() {
            Some("signing keys are stored encrypted under secret keys: call `secret_keys`")
        } else {
            None
        }
    }

    fn most_published(&self) -> u64 {
        let of_each = (self.longest_token / self.every.max(1)).saturating_add(3);
        of_each.saturating_mul(self.algorithms.len() as u64)
    }

    /// So short that everyone sees a new key before it signs.
    pub(super) fn max_age(&self) -> u64 {
        (self.publish_ahead / 4).min(LONGEST_MAX_AGE)
    }

    pub(super) fn reload_after(&self) -> u64 {
        (self.publish_ahead / 4).min(LONGEST_RELOAD)
    }

    /// For how many seconds what is known may be used while the store cannot be asked: until then it holds every key that
    /// others sign with, and so do those who keep what was published last.
    pub(super) fn usable_for(&self) -> u64 {
        self.publish_ahead / 2
    }
}

impl<S: KeyStore> KeySource<S> for RotatingKeys {
    fn bind(self, store: &Arc<S>) -> BoundKeys {
        BoundKeys(Source::Rotating(self, store.clone()))
    }
}

impl std::fmt::Debug for RotatingKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RotatingKeys").field("algorithms", &self.algorithms).finish_non_exhaustive()
    }
}
