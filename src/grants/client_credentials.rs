use std::sync::Arc;

use async_trait::async_trait;

use super::{BoundGrant, Grant, SaveToken, TokenGrant};
use crate::config::Config;
use crate::context::{Abilities, Context};
use crate::error::{Error, ErrorCode};
use crate::issue::{Approved, TokenRequest};
use crate::storage::TokenStore;

/// The client credentials grant (RFC 6749 section 4.4): a client acts for itself. Needs [`TokenStore`].
///
/// Only clients that authenticate may use it, and they get no refresh token (section 4.4.3).
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientCredentials(());

impl ClientCredentials {
    /// The grant.
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S: TokenStore> Grant<S> for ClientCredentials {
    fn bind(self, store: &Arc<S>, _: &mut Config, _: &mut Abilities) -> BoundGrant {
        BoundGrant { token: Some(Box::new(ActForItself { tokens: store.clone() })), ..BoundGrant::default() }
    }
}

struct ActForItself {
    tokens: Arc<dyn TokenStore>,
}

#[async_trait]
impl TokenGrant for ActForItself {
    fn grant_type(&self) -> &str {
        "client_credentials"
    }

    async fn approve(&self, _: &Context, request: &TokenRequest<'_>) -> Result<Approved, Error> {
        if request.client.is_public() {
            return Err(Error::new(ErrorCode::UnauthorizedClient, "only for clients that authenticate"));
        }
        let scope = request.scope_within(&request.client.metadata().scope)?;
        Ok(Approved::for_itself(scope, Box::new(SaveToken(self.tokens.clone()))))
    }
}
