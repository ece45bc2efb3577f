//! A store with one fault, such as a host may make. Apart from it, it is the memory store.

use std::collections::HashMap;
use std::hash::Hash;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use grantwell::model::{
    AccessToken, ActiveAccessToken, ActiveRefreshToken, Authorization, AuthorizationCode, Client, ClientId, Consent,
    Issued, Issuer, Record as _, RefreshHandle, RefreshToken, SigningKey, Subject,
};
use grantwell::storage::{
    AccessTokenStore, AuthorizationCodeStore, AuthorizationStore, ClientRegistry, ClientStore, CodeState, ConsentStore,
    KeyStore, PurgeStore, Redeemed, RefreshTokenStore, ReplayStore, RevocationStore, Rotated, Selector, TokenStore,
};
use grantwell::stores::MemoryStore;
use grantwell::{Clock as _, Digest, StorageError, SystemClock, Timestamp};
use tokio::task::yield_now;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Reads a code, then consumes it.
    ConsumesAfterReading,
    /// Forgets a code when it is consumed.
    ForgetsConsumedCodes,
    /// Keeps a code without what extensions kept with it.
    DropsExtensions,
    /// Saves a token with its authorization, as if that had never been revoked.
    RevivesAuthorizations,
    /// Reads a family, then replaces it.
    RotatesAfterReading,
    /// Looks whether there is a claim, then claims.
    ClaimsAfterLooking,
    /// The same without waiting, busy with something else in between.
    ClaimsInTwoSteps,
    /// Puts a signing key in the place of the one of its generation.
    ReplacesSigningKeys,
    /// The same after it looked whether there is one.
    SavesSigningKeysAfterLooking,
    /// Finds clients, codes, consents and signing keys by identifiers in any case.
    IgnoresCase,
    /// Counts what a selector names, revoked before or not.
    CountsTheRevoked,
    /// Is a second ahead when it purges.
    PurgesEarly,
    /// Panics when it is asked for a consent.
    Panics,
    /// Forgets what has expired, by the system's clock. That is no fault.
    Expires,
    /// The same a second early.
    ExpiresEarly,
}

pub(crate) struct Planted {
    store: MemoryStore,
    fault: Fault,
    /// Tokens as they were saved.
    revived: Table<Digest, ActiveAccessToken>,
    /// Who claimed what, until when.
    claims: Table<Digest, Timestamp>,
    /// Identifiers as they were last written, by their lower case.
    names: Table<String, String>,
}

type Table<K, V> = Mutex<HashMap<K, V>>;

fn get<K: Hash + Eq, V: Clone>(table: &Table<K, V>, key: &K) -> Option<V> {
    table.lock().unwrap().get(key).cloned()
}

fn put<K: Hash + Eq, V>(table: &Table<K, V>, key: K, value: V) {
    table.lock().unwrap().insert(key, value);
}

impl Planted {
    pub(crate) fn new(fault: Fault) -> Arc<Self> {
        let (revived, claims, names) = Default::default();
        Arc::new(Self { store: MemoryStore::new(), fault, revived, claims, names })
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    /// The store, after it forgot what it forgets by itself.
    async fn store(&self) -> &MemoryStore {
        let ahead = match self.fault {
            Fault::Expires => 0,
            Fault::ExpiresEarly => 1,
            _ => return &self.store,
        };
        self.store.purge(SystemClock.now().plus(ahead), usize::MAX).await.unwrap();
        &self.store
    }

    /// Whether the code was consumed and is no longer known for it.
    async fn is_forgotten(&self, code: &Digest) -> Result<bool, StorageError> {
        let found = self.store.query_authorization_code(code).await?;
        Ok(self.has(Fault::ForgetsConsumedCodes) && matches!(found, Some(CodeState::Consumed(_))))
    }

    fn note(&self, name: &str) {
        if self.has(Fault::IgnoresCase) {
            put(&self.names, name.to_lowercase(), name.to_owned());
        }
    }

    fn noted(&self, name: &str) -> String {
        get(&self.names, &name.to_lowercase()).unwrap_or(name.to_owned())
    }
}

#[async_trait]
impl ClientStore for Planted {
    async fn query_client(&self, client_id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        self.store().await.query_client(&self.noted(client_id.as_str()).into()).await
    }
}

#[async_trait]
impl ClientRegistry for Planted {
    async fn save_client(&self, client: &Client) -> Result<(), StorageError> {
        self.note(client.id().as_str());
        self.store().await.save_client(client).await
    }

    async fn delete_client(&self, client_id: &ClientId) -> Result<bool, StorageError> {
        self.store().await.delete_client(client_id).await
    }
}

#[async_trait]
impl TokenStore for Planted {
    async fn save_token(&self, issued: &Issued) -> Result<(), StorageError> {
        self.store().await.save_token(issued).await?;
        if self.has(Fault::RevivesAuthorizations) && issued.authorization.is_some() {
            let (token, authorization) = (issued.access_token.clone(), issued.authorization.clone());
            if self.query_token(&token.token).await?.is_none() {
                put(&self.revived, token.token, ActiveAccessToken { token, authorization });
            }
        }
        Ok(())
    }
}

#[async_trait]
impl AuthorizationCodeStore for Planted {
    async fn save_authorization_code(&self, code: &AuthorizationCode) -> Result<bool, StorageError> {
        let mut code = code.clone();
        if self.has(Fault::DropsExtensions) {
            code.extensions.clear();
        }
        self.note(&code.code.to_string());
        let is_new = self.store().await.save_authorization_code(&code).await?;
        Ok(is_new || self.is_forgotten(&code.code).await?)
    }

    async fn query_authorization_code(&self, code: &Digest) -> Result<Option<CodeState>, StorageError> {
        if self.is_forgotten(code).await? {
            return Ok(None);
        }
        self.store().await.query_authorization_code(&self.noted(&code.to_string()).parse()?).await
    }

    async fn delete_authorization_code(&self, code: &Digest) -> Result<bool, StorageError> {
        if !self.has(Fault::ConsumesAfterReading) {
            return self.store().await.delete_authorization_code(code).await;
        }
        let is_active = matches!(self.store.query_authorization_code(code).await?, Some(CodeState::Active(_)));
        yield_now().await;
        if is_active {
            self.store.delete_authorization_code(code).await?;
        }
        Ok(is_active)
    }

    async fn redeem_authorization_code(&self, code: &Digest, issued: &Issued) -> Result<Redeemed, StorageError> {
        if !self.has(Fault::ConsumesAfterReading) {
            return self.store().await.redeem_authorization_code(code, issued).await;
        }
        let is_active = matches!(self.store.query_authorization_code(code).await?, Some(CodeState::Active(_)));
        yield_now().await;
        if !is_active {
            return Ok(Redeemed::Lost);
        }
        self.store.save_token(issued).await?;
        self.store.delete_authorization_code(code).await?;
        Ok(Redeemed::Saved)
    }
}

#[async_trait]
impl AccessTokenStore for Planted {
    async fn query_token(&self, token: &Digest) -> Result<Option<ActiveAccessToken>, StorageError> {
        let found = self.store().await.query_token(token).await?;
        Ok(found.or_else(|| get(&self.revived, token)))
    }
}

#[async_trait]
impl RevocationStore for Planted {
    async fn revoke_token(&self, token: &Digest) -> Result<(), StorageError> {
        self.store().await.revoke_token(token).await
    }

    async fn revoke_authorizations(&self, selector: &Selector) -> Result<usize, StorageError> {
        let count = self.store().await.revoke_authorizations(selector).await?;
        match selector {
            Selector::Authorization(_) if self.has(Fault::CountsTheRevoked) => Ok(1),
            _ => Ok(count),
        }
    }
}

#[async_trait]
impl RefreshTokenStore for Planted {
    async fn query_refresh_token(&self, handle: &RefreshHandle) -> Result<Option<ActiveRefreshToken>, StorageError> {
        self.store().await.query_refresh_token(handle).await
    }

    async fn rotate_refresh_token(
        &self,
        expected: u64,
        next: &RefreshToken,
        access_token: &AccessToken,
    ) -> Result<Rotated, StorageError> {
        let found = self.store().await.query_refresh_token(&next.handle).await?;
        if !self.has(Fault::RotatesAfterReading) || found.is_none_or(|found| found.token.generation != expected) {
            return self.store.rotate_refresh_token(expected, next, access_token).await;
        }
        yield_now().await;
        match self.store.rotate_refresh_token(expected, next, access_token).await? {
            Rotated::Lost(Some(current)) => {
                self.store.rotate_refresh_token(current.generation, next, access_token).await
            }
            rotated => Ok(rotated),
        }
    }
}

#[async_trait]
impl ConsentStore for Planted {
    async fn query_consent(
        &self,
        subject: &Subject,
        client_id: &ClientId,
        redirect_uri: &str,
    ) -> Result<Option<Consent>, StorageError> {
        if self.has(Fault::Panics) {
            // Without a report of the panic on the terminal.
            resume_unwind(Box::new("a planted panic"));
        }
        let [subject, client_id, redirect_uri] =
            [subject.as_str(), client_id.as_str(), redirect_uri].map(|name| self.noted(name));
        self.store().await.query_consent(&subject.into(), &client_id.into(), &redirect_uri).await
    }

    async fn save_consent(&self, consent: &Consent) -> Result<(), StorageError> {
        for name in [consent.subject.as_str(), consent.client_id.as_str(), &consent.redirect_uri] {
            self.note(name);
        }
        self.store().await.save_consent(consent).await
    }
}

#[async_trait]
impl AuthorizationStore for Planted {
    async fn list_authorizations(&self, subject: &Subject, now: Timestamp) -> Result<Vec<Authorization>, StorageError> {
        self.store().await.list_authorizations(subject, now).await
    }
}

#[async_trait]
impl ReplayStore for Planted {
    async fn claim(&self, id: &Digest, expires_at: Timestamp) -> Result<bool, StorageError> {
        let is_first = get(&self.claims, id).is_none();
        match self.fault {
            Fault::ClaimsAfterLooking => yield_now().await,
            // A step that takes its time, also where the machine is busy with other things.
            Fault::ClaimsInTwoSteps => std::thread::sleep(Duration::from_micros(500)),
            _ => return self.store().await.claim(id, expires_at).await,
        }
        if is_first {
            put(&self.claims, *id, expires_at);
        }
        Ok(is_first)
    }
}

#[async_trait]
impl KeyStore for Planted {
    async fn query_signing_keys(&self, issuer: &Issuer) -> Result<Vec<SigningKey>, StorageError> {
        self.store().await.query_signing_keys(&self.noted(issuer.as_str()).into()).await
    }

    async fn save_signing_key(&self, key: &SigningKey) -> Result<bool, StorageError> {
        self.note(key.issuer.as_str());
        match self.fault {
            Fault::ReplacesSigningKeys => {}
            Fault::SavesSigningKeysAfterLooking => {
                let found = self.store.query_signing_keys(&key.issuer).await?;
                yield_now().await;
                if found.iter().any(|own| own.index().id == key.index().id) {
                    return Ok(false);
                }
            }
            _ => return self.store().await.save_signing_key(key).await,
        }
        self.store.delete_signing_key(key).await?;
        self.store.save_signing_key(key).await?;
        Ok(true)
    }

    async fn delete_signing_key(&self, key: &SigningKey) -> Result<(), StorageError> {
        self.store().await.delete_signing_key(key).await
    }
}

#[async_trait]
impl PurgeStore for Planted {
    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StorageError> {
        let mut claims = 0;
        self.claims.lock().unwrap().retain(|_, expires_at| {
            let is_kept = *expires_at > now || claims == limit;
            claims += usize::from(!is_kept);
            is_kept
        });
        let now = if self.has(Fault::PurgesEarly) { now.plus(1) } else { now };
        Ok(claims + self.store.purge(now, limit - claims).await?)
    }
}
