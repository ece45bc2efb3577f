//! The keys that replicas share through their store, as this one last saw them.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Mutex;

use super::rotation::{Newest, Plan, Rotation, abandoned};
use super::vault::SealedKeys;
use super::view::{Usable, View};
use super::{KeyVault, RotatingKeys, Surroundings, cannot_sign};
use crate::clock::{Clock, Timestamp};
use crate::error::Error;
use crate::jose::{Algorithm, Signer};
use crate::model::{Issuer, SigningKey};
use crate::storage::KeyStore;

pub(super) struct SharedKeys {
    pub(super) config: RotatingKeys,
    store: Arc<dyn KeyStore>,
    vault: Arc<dyn KeyVault>,
    issuer: Issuer,
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
}

/// The keys of each algorithm, the newest first.
type ByAlgorithm = BTreeMap<String, Vec<Opened>>;

/// A stored key, and its signer if that could be had.
#[derive(Clone)]
struct Opened {
    key: SigningKey,
    signer: Option<Arc<dyn Signer>>,
}

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

    /// The keys, looked up again from time to time. Whoever finds another request asking uses what is known, unless that
    /// is too old.
    pub(super) async fn view(&self) -> Result<Arc<View>, Error> {
        let reload_after = self.config.reload_after();
        let known = self.known();
        let _asking = match &known {
            Some(known) if self.was_asked_within(reload_after) => return Ok(known.view.clone()),
            Some(known) if self.was_asked_within(2 * reload_after) => match self.asking.try_lock() {
                Ok(asking) => asking,
                Err(_) => return Ok(known.view.clone()),
            },
            _ => self.asking.lock().await,
        };
        match self.known() {
            Some(known) if self.was_asked_within(reload_after) => Ok(known.view),
            Some(known) => Ok(self.ask(Rotation::Scheduled).await.unwrap_or_else(|error| {
                tracing::error!(%error, cause = error.source(), "the signing keys cannot be looked up");
                known.view
            })),
            None => self.ask(Rotation::Scheduled).await,
        }
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

    /// False, too, when the clock was put back since.
    fn was_asked_within(&self, seconds: u64) -> bool {
        let asked_at = Timestamp::from_unix(self.asked_at.load(Ordering::Relaxed));
        (asked_at..asked_at.plus(seconds)).contains(&self.now())
    }

    async fn ask(&self, rotation: Rotation) -> Result<Arc<View>, Error> {
        let now = self.now();
        let answer = self.learn(rotation, now).await;
        self.asked_at.store(now.as_unix(), Ordering::Relaxed);
        answer
    }

    async fn learn(&self, rotation: Rotation, now: Timestamp) -> Result<Arc<View>, Error> {
        let mut opened = self.query().await?;
        if self.carry_out(rotation, &opened, now).await? {
            opened = self.query().await?;
        }
        let view = Arc::new(self.view_of(&opened));
        let known = Known { opened: Arc::new(opened), view: view.clone() };
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
        Ok(view)
    }

    async fn query(&self) -> Result<ByAlgorithm, Error> {
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

    /// Brings the store to what the rotation demands; answers whether anything was changed there, by anyone.
    async fn carry_out(&self, rotation: Rotation, opened: &ByAlgorithm, now: Timestamp) -> Result<bool, Error> {
        let keys_of = |opened: &[Opened]| opened.iter().map(|own| own.key.clone()).collect::<Vec<_>>();
        let mut is_changed = false;
        for algorithm in &self.config.algorithms {
            let own = opened.get(algorithm.as_str()).map(Vec::as_slice).unwrap_or_default();
            let keys = keys_of(own);
            let Plan { make, delete } = rotation.plan(&self.config, &keys, self.state(own.first()), now);
            if let Some(signs_from) = make {
                let generation = keys.first().map_or(0, |newest| newest.generation.saturating_add(1));
                self.make(*algorithm, generation, signs_from).await?;
                is_changed = true;
            }
            is_changed |= self.delete(&keys, &delete).await?;
        }
        let is_configured = |name: &str| self.config.algorithms.iter().any(|own| own.as_str() == name);
        for (_, own) in opened.iter().filter(|(name, _)| !is_configured(name)) {
            let keys = keys_of(own);
            is_changed |= self.delete(&keys, &abandoned(&self.config, &keys, now)).await?;
        }
        Ok(is_changed)
    }

    fn state(&self, newest: Option<&Opened>) -> Newest {
        match newest {
            Some(Opened { signer: None, .. }) => Newest::Closed,
            Some(Opened { key, .. }) if self.vault.is_outdated(key) => Newest::Outdated,
            _ => Newest::Good,
        }
    }

    /// Of the replicas that make the same generation, one wins; the others find it when they look.
    async fn make(&self, algorithm: Algorithm, generation: u64, signs_from: Timestamp) -> Result<(), Error> {
        let (jwk, private_key) = self.vault.generate(algorithm).await.map_err(cannot_sign)?;
        let key = SigningKey {
            issuer: self.issuer.clone(),
            algorithm: algorithm.as_str().to_owned(),
            generation,
            jwk: jwk.to_value(),
            private_key,
            created_at: self.now(),
            signs_from,
        };
        if self.store.save_signing_key(&key).await? {
            let signs_from = signs_from.as_unix();
            tracing::info!(
                algorithm = key.algorithm,
                generation,
                kid = jwk.kid(),
                signs_from,
                "a signing key is published"
            );
        }
        Ok(())
    }

    async fn delete(&self, keys: &[SigningKey], generations: &[u64]) -> Result<bool, Error> {
        for key in keys.iter().filter(|key| generations.contains(&key.generation)) {
            self.store.delete_signing_key(key).await?;
            tracing::info!(algorithm = key.algorithm, generation = key.generation, "a signing key has ended");
        }
        Ok(!generations.is_empty())
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
