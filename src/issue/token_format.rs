use async_trait::async_trait;

use super::Approved;
use crate::clock::Timestamp;
use crate::context::Context;
use crate::error::Error;
use crate::model::Client;
use crate::secret::Secret;

/// How access tokens are made. Whatever their form, they are stored and found by their digest.
#[async_trait]
pub trait TokenFormat: Send + Sync + 'static {
    /// Mints a token that says `claims`.
    ///
    /// # Errors
    /// The token cannot be made, for example because a signer does not answer.
    async fn mint(&self, context: &Context, claims: &Claims<'_>) -> Result<Secret, Error>;

    /// Whom a token is for that is approved for no named resource; `None`: its audience stays empty. A
    /// [`ResourcePolicy`](crate::extensions::ResourcePolicy) must know it.
    fn default_audience(&self) -> Option<&str> {
        None
    }

    /// The most seconds that a token may live; `None`: as long as the client's policy or the server says.
    fn longest_lifetime(&self, _: &Context) -> Option<u64> {
        None
    }
}

/// What an access token is to say.
#[non_exhaustive]
pub struct Claims<'a> {
    /// Whom it is issued to.
    pub client: &'a Client,
    /// What it allows, and under which authorization.
    pub approved: &'a Approved,
    /// When it is issued.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// The default: 256 random bits, which mean nothing without the store.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opaque;

#[async_trait]
impl TokenFormat for Opaque {
    async fn mint(&self, context: &Context, _: &Claims<'_>) -> Result<Secret, Error> {
        Ok(Secret::encode(&context.random::<32>()))
    }
}
