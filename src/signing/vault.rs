use std::sync::Arc;

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::clock::Randomness;
use crate::jose::{Algorithm, Jwk, PrivateKey, Signer, SigningError};
use crate::model::SigningKey;
use crate::secret_keys::KeyRing;

/// Where private keys are made and kept, when it is not the store: a KMS, an HSM.
#[async_trait]
pub trait KeyVault: Send + Sync + 'static {
    /// Makes a key pair: its public key, with `alg` and `kid`, and the name by which [`Self::open`] finds it, which the
    /// store keeps as [`SigningKey::private_key`].
    ///
    /// # Errors
    /// None can be made now.
    async fn generate(&self, algorithm: Algorithm) -> Result<(Jwk, String), SigningError>;

    /// The key pair that [`Self::generate`] made. What is published is [`Signer::jwk`] of it, not what the store says, so
    /// that whoever can write to the store cannot add a key.
    ///
    /// # Errors
    /// It cannot be had now, or is none of this vault's.
    async fn open(&self, key: &SigningKey) -> Result<Arc<dyn Signer>, SigningError>;

    /// Whether the key should be replaced ahead of schedule.
    fn is_outdated(&self, _key: &SigningKey) -> bool {
        false
    }
}

const PURPOSE: &str = "signing key";

/// The default: private keys stand in the store, encrypted under the server's secret keys.
pub(super) struct SealedKeys {
    pub(super) keys: KeyRing,
    pub(super) randomness: Arc<dyn Randomness>,
}

#[async_trait]
impl KeyVault for SealedKeys {
    async fn generate(&self, algorithm: Algorithm) -> Result<(Jwk, String), SigningError> {
        let key = PrivateKey::generate(algorithm).map_err(SigningError::new)?;
        let sealed = self.keys.seal(PURPOSE, &key.to_pkcs8(), &*self.randomness);
        let sealed = sealed.ok_or(SigningError::new("there is no secret key"))?;
        Ok((key.jwk().clone(), sealed))
    }

    async fn open(&self, key: &SigningKey) -> Result<Arc<dyn Signer>, SigningError> {
        let algorithm = Algorithm::parse(&key.algorithm).ok_or(SigningError::new("the algorithm is not known"))?;
        let der = self.keys.open(PURPOSE, &key.private_key).map(Zeroizing::new);
        let der = der.ok_or(SigningError::new("it was not encrypted under one of the server's secret keys"))?;
        let opened = PrivateKey::from_pkcs8(algorithm, &der).map_err(SigningError::new)?;
        Ok(Arc::new(opened))
    }

    /// Encrypted under a previous secret key, which can be dropped when the last token of this key has expired.
    fn is_outdated(&self, key: &SigningKey) -> bool {
        KeyRing::sealed_by(&key.private_key) != self.keys.current_id()
    }
}
