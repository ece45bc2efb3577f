use async_trait::async_trait;

use super::{Approved, TokenRequest};
use crate::context::Context;
use crate::error::Error;
use crate::secret::Secret;

/// How access tokens are made. Whatever their form, they are stored and found by their digest.
#[async_trait]
pub trait TokenFormat: Send + Sync + 'static {
    /// Mints a token for what was approved, to live `lifetime` seconds.
    ///
    /// # Errors
    /// The token cannot be made, for example because a signer does not answer.
    async fn mint(
        &self,
        context: &Context,
        request: &TokenRequest<'_>,
        approved: &Approved,
        lifetime: u64,
    ) -> Result<Secret, Error>;
}

/// The default: 256 random bits, which mean nothing without the store.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opaque;

#[async_trait]
impl TokenFormat for Opaque {
    async fn mint(&self, context: &Context, _: &TokenRequest<'_>, _: &Approved, _: u64) -> Result<Secret, Error> {
        Ok(Secret::encode(&context.random::<32>()))
    }
}
