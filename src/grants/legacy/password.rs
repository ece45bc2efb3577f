use std::sync::Arc;

use async_trait::async_trait;

use crate::config::Config;
use crate::context::{Abilities, Context};
use crate::error::{Error, StorageError};
use crate::grants::{BoundGrant, Grant, SaveToken, TokenGrant};
use crate::hooks::Attempt;
use crate::interaction::Login;
use crate::issue::{Approved, RefreshTokenAnswer, TokenRequest};
use crate::model::Client;
use crate::secret::Secret;
use crate::storage::TokenStore;

/// The resource owner password credentials grant (RFC 6749 section 4.3): the client sees the user's password. There is
/// no consent, no second factor and no single sign-on. Needs [`TokenStore`].
///
/// A client has it by the grant type `password`.
pub struct Password<V> {
    verifier: V,
}

/// A host's own check of a user's password.
#[async_trait]
pub trait PasswordVerifier: Send + Sync + 'static {
    /// Who it is, if the password is right; `None` otherwise, after the same time whether such a user exists or not.
    /// The login has no session unless the host began one.
    ///
    /// # Errors
    /// The host cannot tell now; answered as 503.
    async fn verify(&self, username: &str, password: &Secret, client: &Client) -> Result<Option<Login>, StorageError>;
}

impl<V: PasswordVerifier> Password<V> {
    /// The grant; `verifier` checks the passwords. The rate limiter is asked before, with
    /// [`Attempt::Login`](crate::hooks::Attempt).
    pub const fn new(verifier: V) -> Self {
        Self { verifier }
    }
}

impl<S: TokenStore, V: PasswordVerifier> Grant<S> for Password<V> {
    fn bind(self, store: &Arc<S>, _: &mut Config, _: &mut Abilities) -> BoundGrant {
        let exchange = ExchangePassword { tokens: store.clone(), verifier: self.verifier };
        BoundGrant { token: Some(Box::new(exchange)), response_type: None }
    }
}

struct ExchangePassword<V> {
    tokens: Arc<dyn TokenStore>,
    verifier: V,
}

#[async_trait]
impl<V: PasswordVerifier> TokenGrant for ExchangePassword<V> {
    fn grant_type(&self) -> &str {
        "password"
    }

    async fn approve(&self, context: &Context, request: &TokenRequest<'_>) -> Result<Approved, Error> {
        let scope = request.scope_within(&request.client.metadata().scope)?;
        let login = self.login(context, request).await?;
        let authorization = context.new_authorization(&request.client, &login, scope, request.now);
        let scope = context.standing_scope(&authorization, &request.client).await?;
        Ok(Approved {
            makes_authorization: true,
            refresh_token: RefreshTokenAnswer::New,
            ..Approved::under(authorization, scope, Box::new(SaveToken(self.tokens.clone())))
        })
    }
}

impl<V: PasswordVerifier> ExchangePassword<V> {
    async fn login(&self, context: &Context, request: &TokenRequest<'_>) -> Result<Login, Error> {
        let username = request.params.require("username")?;
        let password = Secret::new(request.params.require("password")?);
        let attempt = Attempt::Login { user_id: username, address: request.address };
        if let Some(limiter) = &context.rate_limiter {
            limiter.check(&attempt).await.map_err(Error::rate_limited)?;
        }
        let login = self.verifier.verify(username, &password, &request.client).await?;
        if let Some(limiter) = &context.rate_limiter {
            match login {
                Some(_) => limiter.succeeded(&attempt).await,
                None => limiter.failed(&attempt).await,
            }
        }
        login.ok_or(Error::invalid_grant("the username or password is wrong"))
    }
}
