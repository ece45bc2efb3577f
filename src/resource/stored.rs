use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Access, TokenSource};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::model::{ActiveAccessToken, Issuer};
use crate::secret::Digest;
use crate::storage::AccessTokenStore;

/// The tokens of an authorization server whose store this API shares; it need not be in the same process.
///
/// Whatever their form, tokens are found by their digest, so that revocation counts at once for JWTs too.
pub struct StoredTokens {
    issuer: Issuer,
    tokens: Arc<dyn AccessTokenStore>,
}

impl StoredTokens {
    /// The tokens that `issuer` issued into `tokens`. Needs [`AccessTokenStore`].
    pub fn new<S: AccessTokenStore>(issuer: impl Into<Issuer>, tokens: Arc<S>) -> Self {
        Self { issuer: issuer.into(), tokens }
    }
}

#[async_trait]
impl TokenSource for StoredTokens {
    fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    async fn access(&self, token: &str, now: Timestamp) -> Result<Option<Access>, Error> {
        let found = self.tokens.query_token(&Digest::of(token)).await?;
        Ok(found.filter(|found| found.is_active(&self.issuer, now)).map(Access::from))
    }
}

impl From<ActiveAccessToken> for Access {
    fn from(ActiveAccessToken { token, authorization }: ActiveAccessToken) -> Self {
        let mut access = Self {
            scope: token.scope,
            audience: token.audience,
            issued_at: Some(token.issued_at),
            expires_at: Some(token.expires_at),
            authorization: token.authorization,
            ..Self::new(token.issuer, token.client_id)
        };
        if let Some(authorization) = authorization {
            access.subject = Some(authorization.subject);
            access.auth_time = Some(authorization.auth_time);
            access.acr = authorization.acr;
            access.amr = authorization.amr;
        }
        access
    }
}

impl fmt::Debug for StoredTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredTokens").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
