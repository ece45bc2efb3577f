//! The keys that sign tokens: which one now, which one next, and which are still published.
//!
//! A key is published before it signs, and until the last token it signed has expired. Which key signs follows from the
//! stored keys and the time alone, so replicas that share a store agree without talking to each other.

mod change;
mod fixed;
mod rotating;
mod rotation;
mod shared;
mod vault;
mod view;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

pub use fixed::FixedKeys;
pub use rotating::RotatingKeys;
pub use vault::KeyVault;

use self::rotation::Rotation;
use self::shared::SharedKeys;
use self::view::View;
use crate::clock::{Clock, Randomness, Timestamp};
use crate::error::{Error, ErrorCode};
use crate::jose::{Algorithm, JwkSet, PublicKeys, Signer, SigningError};
use crate::model::Issuer;
use crate::secret_keys::KeyRing;
use crate::storage::KeyStore;

/// Where a server's signing keys come from: [`RotatingKeys`], which need a store `S`, or [`FixedKeys`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` are no signing keys over the store `{S}`",
    note = "`RotatingKeys` need a store that implements `grantwell::storage::KeyStore`; `FixedKeys` need none"
)]
pub trait KeySource<S> {
    /// Binds the keys to the store.
    fn bind(self, store: &Arc<S>) -> BoundKeys;
}

/// Signing keys that are bound to a store, for the builder.
pub struct BoundKeys(Source);

enum Source {
    Fixed(View),
    Rotating(RotatingKeys, Arc<dyn KeyStore>),
}

/// What the keys need of the server.
pub(crate) struct Surroundings {
    pub(crate) issuer: Issuer,
    pub(crate) keys: KeyRing,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) randomness: Arc<dyn Randomness>,
}

impl BoundKeys {
    /// What they can sign by.
    pub(crate) fn algorithms(&self) -> Vec<Algorithm> {
        match &self.0 {
            Source::Fixed(view) => view.algorithms().collect(),
            Source::Rotating(config, _) => config.algorithms.clone(),
        }
    }

    /// What is wrong with the configuration, if anything.
    pub(crate) fn contradiction(&self, keys: &KeyRing) -> Option<&'static str> {
        match &self.0 {
            Source::Fixed(view) => view.contradiction(),
            Source::Rotating(config, _) => config.contradiction(keys),
        }
    }

    pub(crate) fn start(self, surroundings: Surroundings) -> SigningKeys {
        SigningKeys(Arc::new(match self.0 {
            Source::Fixed(view) => Keys::Fixed(Arc::new(view), surroundings.clock),
            Source::Rotating(config, store) => Keys::Rotating(SharedKeys::new(config, store, surroundings)),
        }))
    }
}

enum Keys {
    Fixed(Arc<View>, Arc<dyn Clock>),
    Rotating(SharedKeys),
}

/// The signing keys of a server. Cheap to clone.
#[derive(Clone)]
pub struct SigningKeys(Arc<Keys>);

impl SigningKeys {
    async fn view(&self) -> Result<(Arc<View>, Timestamp), Error> {
        match &*self.0 {
            Keys::Fixed(view, clock) => Ok((view.clone(), clock.now())),
            Keys::Rotating(rotating) => Ok((rotating.view().await?, rotating.now())),
        }
    }

    /// The keys to publish: all, or none that others would take for all.
    async fn complete(&self) -> Result<Arc<View>, Error> {
        let (view, now) = self.view().await?;
        if view.is_complete(now) { Ok(view) } else { Err(Error::new(ErrorCode::TemporarilyUnavailable, CLOSED)) }
    }

    /// The key that signs by `algorithm` now; where it is `None`, by the first algorithm whose key may sign.
    ///
    /// # Errors
    /// There is none, or it cannot be had now.
    pub async fn signer(&self, algorithm: Option<Algorithm>) -> Result<Arc<dyn Signer>, Error> {
        let (view, now) = self.view().await?;
        view.signer(algorithm, now).ok_or(Error::new(ErrorCode::TemporarilyUnavailable, CLOSED))
    }

    /// The JWK Set (RFC 7517 section 5) to publish, as JSON.
    ///
    /// # Errors
    /// See [`Self::signer`].
    pub async fn published(&self) -> Result<Bytes, Error> {
        Ok(self.complete().await?.json.clone())
    }

    /// Seconds for which others may keep what is published.
    pub(crate) fn max_age(&self) -> u64 {
        match &*self.0 {
            Keys::Fixed(..) => rotating::LONGEST_MAX_AGE,
            Keys::Rotating(rotating) => rotating.config.max_age(),
        }
    }

    /// The most seconds a token may live that these keys sign; `None`: no limit.
    pub(crate) fn longest_token(&self) -> Option<u64> {
        match &*self.0 {
            Keys::Fixed(..) => None,
            Keys::Rotating(rotating) => Some(rotating.config.longest_token),
        }
    }

    /// Makes the keys that are due, and deletes those that have ended. Requests do the same from time to time; a host
    /// that calls this every minute or so spares them the wait.
    ///
    /// # Errors
    /// The store or the vault cannot be reached; nothing is lost.
    pub async fn maintain(&self) -> Result<(), Error> {
        match &*self.0 {
            Keys::Fixed(..) => Ok(()),
            Keys::Rotating(rotating) => rotating.change(Rotation::Scheduled).await,
        }
    }

    /// Begins the rotation now, ahead of schedule: the next key of each algorithm is published, and signs when it has been
    /// for long enough. Where there is a next key already, it stays.
    ///
    /// # Errors
    /// See [`Self::maintain`]; and fixed keys cannot be rotated.
    pub async fn rotate(&self) -> Result<(), Error> {
        self.rotating()?.change(Rotation::Early).await
    }

    /// Replaces every key at once, for when one has leaked: the tokens signed so far no longer verify once others have
    /// fetched the JWK Set again (by default within five minutes; `RemoteKeys` keeps it for an hour more while it cannot be
    /// fetched). Other replicas follow within a minute, and what they sign until then does not verify either.
    ///
    /// # Errors
    /// See [`Self::rotate`].
    pub async fn replace(&self) -> Result<(), Error> {
        self.rotating()?.change(Rotation::AtOnce).await
    }

    fn rotating(&self) -> Result<&SharedKeys, Error> {
        match &*self.0 {
            Keys::Fixed(..) => Err(Error::new(ErrorCode::ServerError, "fixed keys are the host's to rotate")),
            Keys::Rotating(rotating) => Ok(rotating),
        }
    }
}

#[async_trait]
impl PublicKeys for SigningKeys {
    async fn jwk_set(&self) -> Result<Arc<JwkSet>, Error> {
        Ok(self.complete().await?.jwk_set.clone())
    }

    async fn refreshed(&self) -> Result<Arc<JwkSet>, Error> {
        if let Keys::Rotating(rotating) = &*self.0 {
            rotating.look_again().await?;
        }
        self.jwk_set().await
    }
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKeys(..)")
    }
}

const CLOSED: &str = "the server cannot use its signing keys now";

/// A signer that does not answer is "not now".
pub(crate) fn cannot_sign(cause: SigningError) -> Error {
    Error::new(ErrorCode::TemporarilyUnavailable, "the server cannot sign now").caused_by(cause)
}
