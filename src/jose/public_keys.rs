use std::sync::Arc;

use async_trait::async_trait;

use super::{Algorithm, InvalidJws, JwkSet, Jws};
use crate::error::Error;

/// Where the public keys of an issuer or client are found: in this process, or behind a URL.
#[async_trait]
pub trait PublicKeys: Send + Sync + 'static {
    /// The keys as they are known.
    ///
    /// # Errors
    /// They cannot be had now.
    async fn jwk_set(&self) -> Result<Arc<JwkSet>, Error>;

    /// The keys, looked up again because the known ones do not have a `kid`, as far as the source's rate allows; it may
    /// answer with the same set.
    ///
    /// # Errors
    /// They cannot be had now.
    async fn refreshed(&self) -> Result<Arc<JwkSet>, Error> {
        self.jwk_set().await
    }
}

#[async_trait]
impl PublicKeys for JwkSet {
    async fn jwk_set(&self) -> Result<Arc<JwkSet>, Error> {
        Ok(Arc::new(self.clone()))
    }
}

/// The payload of `jws`, if one of the keys signed it by one of `algorithms`. A `kid` that is not known makes the keys be
/// looked up again.
///
/// # Errors
/// The keys cannot be had. Inside: the signature is not theirs.
pub async fn verify(
    jws: &Jws<'_>,
    keys: &dyn PublicKeys,
    algorithms: &[Algorithm],
) -> Result<Result<Vec<u8>, InvalidJws>, Error> {
    if let Err(refused) = jws.check_algorithm(algorithms) {
        return Ok(Err(refused));
    }
    let header = jws.header();
    let mut set = keys.jwk_set().await?;
    if set.candidates(header.kid.as_deref(), header.alg).next().is_none() {
        set = keys.refreshed().await?;
    }
    Ok(jws.verify(&set, algorithms))
}
