//! The keys that replicas share through their store, as this one last saw them.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Mutex;

use super::change::Change;
use super::rotation::Rotation;
use super::vault::SealedKeys;
use super::view::{Usable, View};
use super::{KeyVault, RotatingKeys, Surroundings};
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, ErrorCode};
use crate::jose::Signer;
use crate::model::{Issuer, SigningKey};
use crate::storage::KeyStore;

pub(super) struct SharedKeys {
    pub(super) config: RotatingKeys,
    pub(super) store: Arc<dyn KeyStore>,
    pub(super) vault: Arc<dyn KeyVault>,
    pub(super) issuer: Issuer,
    clock: Arc<dyn Clock>,
    known: RwLock<Option<Known>>,
    /// The Unix second in which the store was last asked, whether it answered or not.
    asked_at: AtomicU64,
    /// Held by whoever asks.
    asking: Mutex<()>,
}

/// What was last found in the store.
#[derive(Clone)]
struct Known {
    opened: Arc<ByAlgorithm>,
    view: Arc<View>,
    seen_at: Timestamp,
}

/// The keys of each algorithm, the newest first.
pub(super) type ByAlgorithm = BTreeMap<String, Vec<Opened>>;

/// A stored key, and its signer if that could be had.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) key: SigningKey,
    pub(super) signer: Option<Arc<dyn Signer>>,
}

const UNKNOWN: &str = "the signing keys cannot be looked up now";

impl SharedKeys {
    pub(super) fn new(config: RotatingKeys, store: Arc<dyn KeyStore>, surroundings: Surroundings) -> Self {
        let Surroundings { issuer, keys, clock, randomness } = surroundings;
        let vault = config.vault.clone().unwrap_or_else(|| Arc::new(SealedKeys { keys, randomness }));
        let (known, asked_at, asking) = (RwLock::new(None), AtomicU64::new(0), Mutex::new(()));
        Self { config, store, vault, issuer, clock, known, asked_at, asking }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The keys, looked up again from time to time. Whoever finds that somebody else does uses what is known.
    ///
    /// # Errors
    /// Nothing is known that may still be used, and the store cannot be asked.
    pub(super) async fn view(&self) -> Result<Arc<View>, Error> {
        if let Some(known) = self.known() {
            let now = self.now();
            // Whoever could not open a key tries again soon.
            let reload_after = if known.view.is_complete(now) { self.config.reload_after() } else { 1 };
            let is_tried = now.is_within(reload_after, known.seen_at) || self.was_asked_within(reload_after);
            if now.is_within(self.config.usable_for(), known.seen_at) {
                let asking = if is_tried { None } else { self.asking.try_lock().ok() };
                return Ok(if asking.is_some() { self.ask_or(known.view).await } else { known.view });
            }
        }
        let _asking = self.asking.lock().await;
        match self.known() {
            Some(known) if self.now().is_within(self.config.reload_after(), known.seen_at) => Ok(known.view),
            _ if self.was_asked_within(1) => Err(Error::new(ErrorCode::TemporarilyUnavailable, UNKNOWN)),
            _ => self.ask(Rotation::Scheduled).await,
        }
    }

    async fn ask_or(&self, known: Arc<View>) -> Arc<View> {
        self.ask(Rotation::Scheduled).await.unwrap_or_else(|error| {
            tracing::error!(%error, cause = error.source(), "the signing keys cannot be looked up");
            known
        })
    }

    /// Looks into the store once more, but not twice in a second.
    pub(super) async fn look_again(&self) -> Result<(), Error> {
        let _asking = self.asking.lock().await;
        if !self.was_asked_within(1) {
            self.ask(Rotation::Scheduled).await?;
        }
        Ok(())
    }

    pub(super) async fn change(&self, rotation: Rotation) -> Result<(), Error> {
        let _asking = self.asking.lock().await;
        self.ask(rotation).await.map(drop)
    }

    fn known(&self) -> Option<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn was_asked_within(&self, seconds: u64) -> bool {
        self.now().is_within(seconds, Timestamp::from_unix(self.asked_at.load(Ordering::Relaxed)))
    }

    async fn ask(&self, rotation: Rotation) -> Result<Arc<View>, Error> {
        // Before as well, for a request that is dropped while it waits.
        self.asked_at.store(self.now().as_unix(), Ordering::Relaxed);
        let answer = self.learn(rotation).await;
        self.asked_at.store(self.now().as_unix(), Ordering::Relaxed);
        answer
    }

    async fn learn(&self, rotation: Rotation) -> Result<Arc<View>, Error> {
        let opened = self.query().await?;
        let (has_keys, mut change) = (!opened.is_empty(), Change::new(self, rotation, opened));
        match change.carry_out(self.now()).await {
            // What cannot be made or deleted now stops nobody who has a key.
            Err(error) if rotation == Rotation::Scheduled && has_keys => {
                tracing::error!(%error, cause = error.source(), "the signing keys cannot be rotated");
            }
            outcome => outcome?,
        }
        let opened = change.opened;
        let view = Arc::new(self.view_of(&opened));
        let known = Known { opened: Arc::new(opened), view: view.clone(), seen_at: self.now() };
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
        Ok(view)
    }

    pub(super) async fn query(&self) -> Result<ByAlgorithm, Error> {
        let mut keys = self.store.query_signing_keys(&self.issuer).await?;
        keys.retain(|key| key.issuer == self.issuer);
        keys.sort_by_key(|key| u64::MAX - key.generation);
        let mut opened = ByAlgorithm::new();
        for key in keys {
            let signer = match self.opened_before(&key) {
                Some(signer) => Some(signer),
                None => self.open(&key).await,
            };
            opened.entry(key.algorithm.clone()).or_default().push(Opened { key, signer });
        }
        Ok(opened)
    }

    fn opened_before(&self, key: &SigningKey) -> Option<Arc<dyn Signer>> {
        let known = self.known()?;
        known.opened.get(&key.algorithm)?.iter().find(|before| before.key == *key)?.signer.clone()
    }

    async fn open(&self, key: &SigningKey) -> Option<Arc<dyn Signer>> {
        let (algorithm, generation) = (&key.algorithm, key.generation);
        match self.vault.open(key).await {
            Ok(signer) if signer.jwk().alg().is_some_and(|alg| alg.as_str() == algorithm) => Some(signer),
            Ok(_) => {
                tracing::error!(algorithm, generation, "a signing key is of another algorithm than its record says");
                None
            }
            Err(error) => {
                tracing::error!(algorithm, generation, cause = error.source(), "a signing key cannot be opened");
                None
            }
        }
    }

    /// Only keys that could be opened are published: what is in the store alone proves nothing.
    fn view_of(&self, opened: &ByAlgorithm) -> View {
        let configured = self.config.algorithms.iter();
        let own = configured.filter_map(|algorithm| Some((*algorithm, opened.get(algorithm.as_str())?)));
        let usable = own.flat_map(|(algorithm, keys)| {
            keys.iter().map(move |own| Usable { algorithm, signs_from: own.key.signs_from, signer: own.signer.clone() })
        });
        let published = opened.values().flatten().filter_map(|own| Some(own.signer.as_ref()?.jwk().clone()));
        View::new(usable.collect(), published.collect())
    }
}
