//! What the server asks of the host's database: small traits, each method one atomic promise.
//!
//! With the five hooks of [`ClientStore`], [`TokenStore`] and [`AuthorizationCodeStore`] a host has the authorization
//! code and the client credentials grants. Every further trait is asked for by the part that needs it, by the
//! compiler. A store never sees a secret: codes and tokens arrive as digests.
//!
//! Every method may fail with a [`StorageError`]; the client is then told to try again, never that it was wrong.
//!
//! `storage::testing` (the feature `test-util`) checks whether a store keeps the promises.

#[cfg(feature = "test-util")]
pub mod testing;

use std::sync::Arc;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::error::StorageError;
use crate::model::{
    AccessToken, ActiveAccessToken, ActiveRefreshToken, Authorization, AuthorizationCode, AuthorizationId, Client,
    ClientId, Consent, Issued, Issuer, RefreshHandle, RefreshToken, SessionDigest, SigningKey, Subject,
};
use crate::secret::Digest;

/// The registered clients. They often live in a table of the host's own.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` holds no clients",
    label = "the first store given to `builder` is asked for clients",
    note = "implement `grantwell::storage::ClientStore` (the hook `query_client`) for `{Self}`"
)]
pub trait ClientStore: Send + Sync + 'static {
    /// The client of that identifier; `None` when it is unknown, disabled or deleted.
    async fn query_client(&self, client_id: &ClientId) -> Result<Option<Arc<Client>>, StorageError>;
}

/// Clients that are registered, changed and removed at run time.
#[async_trait]
pub trait ClientRegistry: ClientStore {
    /// Saves the client in the place of the one with the same identifier. A store that writes clients down refuses one
    /// whose secret the host checks ([`ClientSecret::Verifier`](crate::model::ClientSecret)) with an error.
    async fn save_client(&self, client: &Client) -> Result<(), StorageError>;

    /// Removes the client; `true` if there was one. Its tokens live on until
    /// [`revoke_authorizations`](RevocationStore::revoke_authorizations) is called for it.
    async fn delete_client(&self, client_id: &ClientId) -> Result<bool, StorageError>;
}

/// Where issued tokens are saved; every grant needs it.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot save tokens",
    label = "a grant needs a store that saves the tokens it issues",
    note = "implement `grantwell::storage::TokenStore` (the hook `save_token`) for `{Self}`"
)]
pub trait TokenStore: Send + Sync + 'static {
    /// Saves all of `issued` in one transaction: the authorization is inserted if it is absent and otherwise left as
    /// it is, so that one that was revoked stays revoked and the tokens are born dead.
    ///
    /// An access token or refresh token whose key is already there is refused with an error.
    async fn save_token(&self, issued: &Issued) -> Result<(), StorageError>;
}

/// A code as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeState {
    /// Not redeemed yet. It may have expired.
    Active(AuthorizationCode),
    /// Redeemed before. Answered until [`AuthorizationCode::retain_until`].
    Consumed(AuthorizationCode),
}

/// What came of redeeming a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redeemed {
    /// The code is consumed and everything issued is saved.
    Saved,
    /// Another request consumed the code before; nothing was saved.
    Lost,
}

/// Authorization codes; the `authorization_code` grant needs it.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot hold authorization codes",
    label = "the authorization_code grant needs a store for its codes",
    note = "implement `grantwell::storage::AuthorizationCodeStore` (the hooks `save_authorization_code`, \
            `query_authorization_code`, `delete_authorization_code`) for `{Self}`"
)]
pub trait AuthorizationCodeStore: TokenStore {
    /// Inserts the code and, if it is absent, its authorization. `false`, and nothing changes, when there is a record
    /// of that code already, whatever its state.
    async fn save_authorization_code(&self, code: &AuthorizationCode) -> Result<bool, StorageError>;

    /// The code of that digest; `None` when it is unknown or its authorization was revoked.
    async fn query_authorization_code(&self, code: &Digest) -> Result<Option<CodeState>, StorageError>;

    /// Consumes the code: `true` for exactly one caller, ever.
    ///
    /// The row is marked, not removed: until [`AuthorizationCode::retain_until`] the code is still answered as
    /// [`CodeState::Consumed`] and cannot be saved again. Were it forgotten, going back to the consent page could make
    /// the same code a second time.
    async fn delete_authorization_code(&self, code: &Digest) -> Result<bool, StorageError>;

    /// Consumes the code and saves what it bought.
    ///
    /// The default does one after the other, so that a crash in between loses the code (never redeems it twice). A
    /// store with transactions overrides it with one.
    async fn redeem_authorization_code(&self, code: &Digest, issued: &Issued) -> Result<Redeemed, StorageError> {
        if !self.delete_authorization_code(code).await? {
            return Ok(Redeemed::Lost);
        }
        self.save_token(issued).await?;
        Ok(Redeemed::Saved)
    }
}

/// Looks up access tokens; introspection, revocation and
/// [`StoredTokens`](crate::resource::StoredTokens) need it.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot look up access tokens",
    label = "this needs a store that finds an access token by its digest",
    note = "implement `grantwell::storage::AccessTokenStore` (the hook `query_token`) for `{Self}`"
)]
pub trait AccessTokenStore: TokenStore {
    /// The access token of that digest with its authorization, in one consistent read. `None` when the token is
    /// unknown or revoked, or when it has an authorization that is missing or revoked. Expiry is not looked at.
    async fn query_token(&self, token: &Digest) -> Result<Option<ActiveAccessToken>, StorageError>;
}

/// Which authorizations to revoke. Only [`Selector::SubjectAtClient`] forgets remembered consents too.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selector {
    /// One.
    Authorization(AuthorizationId),
    /// All of a client, and the tokens it has for itself at this moment. Make the client unknown first, so that it gets
    /// no further ones.
    Client(ClientId),
    /// All of a subject.
    Subject(Subject),
    /// All of a subject at one client, with the consents remembered between them ("disconnect").
    SubjectAtClient(Subject, ClientId),
    /// All given in a session, known by any of these digests; those whose scope has `offline_access` are spared.
    Session(Vec<SessionDigest>),
}

/// Revokes; the revocation endpoint and the `refresh_token` grant need it.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot revoke",
    label = "this needs a store that revokes tokens and authorizations",
    note = "implement `grantwell::storage::RevocationStore` (the hooks `revoke_token`, `revoke_authorizations`) for \
            `{Self}`"
)]
pub trait RevocationStore: Send + Sync + 'static {
    /// Revokes one access token, for good.
    async fn revoke_token(&self, token: &Digest) -> Result<(), StorageError>;

    /// Revokes every authorization that `selector` names, for good, and so the codes and tokens under them, also those
    /// that are saved later. Answers how many authorizations stood until now.
    async fn revoke_authorizations(&self, selector: &Selector) -> Result<usize, StorageError>;
}

/// What came of rotating a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// The new state and the access token are saved.
    Saved,
    /// The family was not at the expected generation, or is gone; nothing was saved. With its state, if it has one.
    Lost(Option<RefreshToken>),
}

/// Refresh tokens; the `refresh_token` grant needs it. [`TokenStore::save_token`] inserts the first generation.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot hold refresh tokens",
    label = "the refresh_token grant needs a store for its tokens",
    note = "implement `grantwell::storage::RefreshTokenStore` (the hooks `query_refresh_token`, \
            `rotate_refresh_token`) for `{Self}`"
)]
pub trait RefreshTokenStore: TokenStore + RevocationStore {
    /// The family of that handle with its authorization, in one consistent read; `None` when it is unknown or its
    /// authorization is missing or revoked. Expiry is not looked at.
    async fn query_refresh_token(&self, handle: &RefreshHandle) -> Result<Option<ActiveRefreshToken>, StorageError>;

    /// Replaces the family's state by `next` and saves the access token, in one transaction, if and only if the
    /// family's generation is `expected`. The authorization exists; it is left as it is. An access token whose key is
    /// already there is refused with an error, and the family stays.
    ///
    /// Where tokens are kept and not rotated, the new generation is the same as the old: count the rows that were
    /// matched, not those that were changed.
    async fn rotate_refresh_token(
        &self,
        expected: u64,
        next: &RefreshToken,
        access_token: &AccessToken,
    ) -> Result<Rotated, StorageError>;
}

/// Consents that users gave for good; [`remember_consent`](crate::Builder::remember_consent) needs it.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot remember consent",
    label = "this needs a store for consents",
    note = "implement `grantwell::storage::ConsentStore` (the hooks `query_consent`, `save_consent`) for `{Self}`"
)]
pub trait ConsentStore: Send + Sync + 'static {
    /// The consent the subject gave the client for that redirect URI (as [`Consent::redirect_uri`] has it).
    async fn query_consent(
        &self,
        subject: &Subject,
        client_id: &ClientId,
        redirect_uri: &str,
    ) -> Result<Option<Consent>, StorageError>;

    /// Saves the consent in the place of the one with the same subject, client and redirect URI.
    async fn save_consent(&self, consent: &Consent) -> Result<(), StorageError>;
}

/// Lists what a user has allowed, for the page where they disconnect clients.
#[async_trait]
pub trait AuthorizationStore: Send + Sync + 'static {
    /// The subject's authorizations that stand and have not ended at `now`, newest first; of those of one second, the
    /// one with the greater identifier first.
    async fn list_authorizations(&self, subject: &Subject, now: Timestamp) -> Result<Vec<Authorization>, StorageError>;
}

/// Remembers what may be used once: the `jti` of a JWT, a nonce.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot tell a replay",
    label = "this needs a store that remembers what was used",
    note = "implement `grantwell::storage::ReplayStore` (the hook `claim`) for `{Self}`"
)]
pub trait ReplayStore: Send + Sync + 'static {
    /// Claims `id`: `true` for the first caller, `false` for every later one until the claim is purged, which is not
    /// before `expires_at`.
    async fn claim(&self, id: &Digest, expires_at: Timestamp) -> Result<bool, StorageError>;
}

/// The keys that sign tokens; `RotatingKeys` need it.
///
/// A private key arrives encrypted, or as the name by which the host's vault knows it. A key that ends is deleted by the
/// server itself, not purged.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot hold signing keys",
    label = "keys that rotate need a store that all replicas share",
    note = "implement `grantwell::storage::KeyStore` (the hooks `query_signing_keys`, `save_signing_key`, \
            `delete_signing_key`) for `{Self}`"
)]
pub trait KeyStore: Send + Sync + 'static {
    /// All signing keys of the issuer, in any order.
    async fn query_signing_keys(&self, issuer: &Issuer) -> Result<Vec<SigningKey>, StorageError>;

    /// Inserts the key. `false`, and nothing changes, when there is one of that issuer, algorithm and generation: of
    /// the replicas that make a successor at the same time, one wins.
    async fn save_signing_key(&self, key: &SigningKey) -> Result<bool, StorageError>;

    /// Deletes the key of that issuer, algorithm and generation, if it is there.
    async fn delete_signing_key(&self, key: &SigningKey) -> Result<(), StorageError>;
}

/// Forgets what has expired; the host calls it from time to time.
#[async_trait]
pub trait PurgeStore: Send + Sync + 'static {
    /// Deletes at most `limit` records that expired at `now` or before, and answers how many. A record is expired when
    /// its [`Row::expires_at`](crate::model::Row) is reached; a revoked authorization is kept until then.
    ///
    /// Where several processes share the store, `now` should be earlier than any of their clocks: what is purged too
    /// early can no longer be told from what never was.
    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StorageError>;
}
