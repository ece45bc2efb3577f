use super::cannot_sign;
use super::rotation::{Plan, Rotation, Standing, abandoned};
use super::shared::{ByAlgorithm, Opened, SharedKeys};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorCode};
use crate::jose::{Algorithm, SigningError};
use crate::model::SigningKey;

/// How often a plan is made anew because another replica was faster.
const TRIES: u32 = 3;

/// Brings the store to what a rotation demands.
pub(super) struct Change<'a> {
    shared: &'a SharedKeys,
    rotation: Rotation,
    /// What is in the store, as far as it was seen.
    pub(super) opened: ByAlgorithm,
    /// How it stands with an algorithm that has no key.
    absent: Standing,
}

impl<'a> Change<'a> {
    pub(super) fn new(shared: &'a SharedKeys, rotation: Rotation, opened: ByAlgorithm) -> Self {
        let absent = if opened.is_empty() { Standing::First } else { Standing::Added };
        Self { shared, rotation, opened, absent }
    }

    pub(super) async fn carry_out(&mut self, now: Timestamp) -> Result<(), Error> {
        let config = &self.shared.config;
        for algorithm in &config.algorithms {
            self.rotate(*algorithm, now).await?;
        }
        let is_configured = |name: &str| config.algorithms.iter().any(|own| own.as_str() == name);
        let others: Vec<_> =
            self.opened.iter().filter(|(name, _)| !is_configured(name)).map(|(_, own)| keys_of(own)).collect();
        for keys in others {
            let delete = match self.rotation {
                Rotation::AtOnce => keys.iter().map(|key| key.generation).collect(),
                _ => abandoned(config, &keys, now),
            };
            if !delete.is_empty() {
                self.delete(&keys, &delete).await?;
                self.opened = self.shared.query().await?;
            }
        }
        Ok(())
    }

    async fn rotate(&mut self, algorithm: Algorithm, now: Timestamp) -> Result<(), Error> {
        for _ in 0..TRIES {
            let is_done = self.try_to_rotate(algorithm, now).await?;
            if is_done {
                return Ok(());
            }
            self.opened = self.shared.query().await?;
        }
        Err(Error::new(ErrorCode::TemporarilyUnavailable, "other replicas change the signing keys"))
    }

    /// Carries out the plan for one algorithm; `false` where another replica was faster and the plan has to be made anew.
    async fn try_to_rotate(&mut self, algorithm: Algorithm, now: Timestamp) -> Result<bool, Error> {
        let own = self.opened.get(algorithm.as_str()).map(Vec::as_slice).unwrap_or_default();
        let keys = keys_of(own);
        let Plan { make, delete } = self.rotation.plan(&self.shared.config, &keys, self.standing(own.first()), now);
        if let Some(signs_from) = make {
            let generation = keys.first().map_or(0, |newest| newest.generation.saturating_add(1));
            if !self.make(algorithm, generation, signs_from).await? {
                return Ok(false);
            }
        }
        self.delete(&keys, &delete).await?;
        if make.is_some() || !delete.is_empty() {
            self.opened = self.shared.query().await?;
        }
        Ok(true)
    }

    fn standing(&self, newest: Option<&Opened>) -> Standing {
        match newest {
            None => self.absent,
            Some(Opened { signer: None, .. }) => Standing::Closed,
            Some(Opened { key, .. }) if self.shared.vault.is_outdated(key) => Standing::Outdated,
            Some(_) => Standing::Good,
        }
    }

    /// Of the replicas that make the same generation, one wins; the answer is whether it is this one.
    async fn make(&self, algorithm: Algorithm, generation: u64, signs_from: Timestamp) -> Result<bool, Error> {
        let SharedKeys { config, issuer, .. } = self.shared;
        let (jwk, private_key) = self.shared.vault.generate(algorithm).await.map_err(cannot_sign)?;
        if jwk.alg() != Some(algorithm) || jwk.kid().is_none() {
            return Err(cannot_sign(SigningError::new("the vault made a key of another algorithm, or without a kid")));
        }
        let key = SigningKey {
            issuer: issuer.clone(),
            algorithm: algorithm.as_str().to_owned(),
            generation,
            jwk: jwk.to_value(),
            private_key,
            created_at: self.shared.now(),
            signs_from,
            signs_until: signs_from.plus(config.every),
            longest_token: config.longest_token,
        };
        let is_saved = self.shared.store.save_signing_key(&key).await?;
        if is_saved {
            let signs_from = signs_from.as_unix();
            tracing::info!(
                algorithm = key.algorithm,
                generation,
                kid = jwk.kid(),
                signs_from,
                "a signing key is published"
            );
        }
        Ok(is_saved)
    }

    async fn delete(&self, keys: &[SigningKey], generations: &[u64]) -> Result<(), Error> {
        for key in keys.iter().filter(|key| generations.contains(&key.generation)) {
            self.shared.store.delete_signing_key(key).await?;
            tracing::info!(algorithm = key.algorithm, generation = key.generation, "a signing key has ended");
        }
        Ok(())
    }
}

fn keys_of(opened: &[Opened]) -> Vec<SigningKey> {
    opened.iter().map(|own| own.key.clone()).collect()
}
