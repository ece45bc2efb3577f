//! A time limit for every call of a store: a database that hangs must not hang requests.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use grantwell::model::{
    AccessToken, ActiveAccessToken, ActiveRefreshToken, AuthorizationCode, ClientId, Consent, Issued, Issuer,
    RefreshHandle, RefreshToken, SigningKey, Subject,
};
use grantwell::storage::{
    AccessTokenStore, AuthorizationCodeStore, CodeState, ConsentStore, KeyStore, Redeemed, RefreshTokenStore,
    RevocationStore, Rotated, Selector, TokenStore,
};
use grantwell::{Digest, StorageError};
use tokio::time::timeout;

/// How long a store may take to answer.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);

/// The answer, or a fault when the time is up.
pub(crate) async fn within<T>(call: impl Future<Output = Result<T, StorageError>>) -> Result<T, StorageError> {
    let late = || StorageError::new(format!("the store did not answer within {} seconds", LIMIT.as_secs()));
    timeout(LIMIT, call).await.unwrap_or_else(|_| Err(late()))
}

/// What the server's parts ask of the store of their state.
pub(crate) trait StateStore:
    AuthorizationCodeStore + AccessTokenStore + RefreshTokenStore + ConsentStore + KeyStore
{
}

impl<S: AuthorizationCodeStore + AccessTokenStore + RefreshTokenStore + ConsentStore + KeyStore> StateStore for S {}

/// A store, each of whose answers is awaited [`within`] the limit.
pub(crate) struct Bounded<S>(pub(crate) Arc<S>);

#[async_trait]
impl<S: TokenStore> TokenStore for Bounded<S> {
    async fn save_token(&self, issued: &Issued) -> Result<(), StorageError> {
        within(self.0.save_token(issued)).await
    }
}

#[async_trait]
impl<S: AuthorizationCodeStore> AuthorizationCodeStore for Bounded<S> {
    async fn save_authorization_code(&self, code: &AuthorizationCode) -> Result<bool, StorageError> {
        within(self.0.save_authorization_code(code)).await
    }

    async fn query_authorization_code(&self, code: &Digest) -> Result<Option<CodeState>, StorageError> {
        within(self.0.query_authorization_code(code)).await
    }

    async fn delete_authorization_code(&self, code: &Digest) -> Result<bool, StorageError> {
        within(self.0.delete_authorization_code(code)).await
    }

    async fn redeem_authorization_code(&self, code: &Digest, issued: &Issued) -> Result<Redeemed, StorageError> {
        within(self.0.redeem_authorization_code(code, issued)).await
    }
}

#[async_trait]
impl<S: AccessTokenStore> AccessTokenStore for Bounded<S> {
    async fn query_token(&self, token: &Digest) -> Result<Option<ActiveAccessToken>, StorageError> {
        within(self.0.query_token(token)).await
    }
}

#[async_trait]
impl<S: RevocationStore> RevocationStore for Bounded<S> {
    async fn revoke_token(&self, token: &Digest) -> Result<(), StorageError> {
        within(self.0.revoke_token(token)).await
    }

    async fn revoke_authorizations(&self, selector: &Selector) -> Result<usize, StorageError> {
        within(self.0.revoke_authorizations(selector)).await
    }
}

#[async_trait]
impl<S: RefreshTokenStore> RefreshTokenStore for Bounded<S> {
    async fn query_refresh_token(&self, handle: &RefreshHandle) -> Result<Option<ActiveRefreshToken>, StorageError> {
        within(self.0.query_refresh_token(handle)).await
    }

    async fn rotate_refresh_token(
        &self,
        expected: u64,
        next: &RefreshToken,
        access_token: &AccessToken,
    ) -> Result<Rotated, StorageError> {
        within(self.0.rotate_refresh_token(expected, next, access_token)).await
    }
}

#[async_trait]
impl<S: ConsentStore> ConsentStore for Bounded<S> {
    async fn query_consent(
        &self,
        subject: &Subject,
        client_id: &ClientId,
        redirect_uri: &str,
    ) -> Result<Option<Consent>, StorageError> {
        within(self.0.query_consent(subject, client_id, redirect_uri)).await
    }

    async fn save_consent(&self, consent: &Consent) -> Result<(), StorageError> {
        within(self.0.save_consent(consent)).await
    }
}

#[async_trait]
impl<S: KeyStore> KeyStore for Bounded<S> {
    async fn query_signing_keys(&self, issuer: &Issuer) -> Result<Vec<SigningKey>, StorageError> {
        within(self.0.query_signing_keys(issuer)).await
    }

    async fn save_signing_key(&self, key: &SigningKey) -> Result<bool, StorageError> {
        within(self.0.save_signing_key(key)).await
    }

    async fn delete_signing_key(&self, key: &SigningKey) -> Result<(), StorageError> {
        within(self.0.delete_signing_key(key)).await
    }
}
