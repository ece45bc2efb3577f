mod index;

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use index::Index;

use crate::clock::Timestamp;
use crate::error::StorageError;
use crate::model::{
    AccessToken, ActiveAccessToken, ActiveRefreshToken, Authorization, AuthorizationCode, AuthorizationId, Client,
    ClientId, Consent, Issued, Issuer, Record as _, RefreshHandle, RefreshToken, SessionDigest, SigningKey, Subject,
};
use crate::secret::Digest;
use crate::storage::{
    AccessTokenStore, AuthorizationCodeStore, AuthorizationStore, ClientRegistry, ClientStore, CodeState, ConsentStore,
    KeyStore, PurgeStore, Redeemed, RefreshTokenStore, ReplayStore, RevocationStore, Rotated, Selector, TokenStore,
};

/// The reference store: everything in memory, every promise kept under one lock, which is held for as long as the
/// records that a call touches are looked up. It forgets everything when the process ends, and grows until it is
/// purged ([`PurgeStore`]).
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    clients: HashMap<ClientId, Arc<Client>>,
    authorizations: HashMap<AuthorizationId, Revocable<Authorization>>,
    codes: HashMap<Digest, Code>,
    access_tokens: HashMap<Digest, Revocable<AccessToken>>,
    refresh_tokens: HashMap<RefreshHandle, RefreshToken>,
    consents: HashMap<(Subject, ClientId), HashMap<String, Consent>>,
    claims: HashSet<Digest>,
    /// By the identifiers of their rows.
    signing_keys: HashMap<String, SigningKey>,
    by_subject: Index<Subject, AuthorizationId>,
    by_client: Index<ClientId, AuthorizationId>,
    by_session: Index<SessionDigest, AuthorizationId>,
    /// Access tokens without an authorization, which are found by their client.
    own_tokens: Index<ClientId, Digest>,
    expiries: BinaryHeap<Reverse<(Timestamp, Key)>>,
}

#[derive(Debug)]
struct Revocable<R> {
    record: R,
    is_revoked: bool,
}

#[derive(Debug)]
struct Code {
    record: AuthorizationCode,
    is_consumed: bool,
}

/// What expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Authorization(AuthorizationId),
    Code(Digest),
    AccessToken(Digest),
    RefreshToken(RefreshHandle),
    Claim(Digest),
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a client, in the place of one with the same identifier.
    pub fn insert_client(&self, client: Client) {
        self.tables().clients.insert(client.id().clone(), Arc::new(client));
    }

    /// Removes a client; `true` if there was one. Its tokens live on until
    /// [`RevocationStore::revoke_authorizations`] is called for it.
    pub fn remove_client(&self, client_id: &ClientId) -> bool {
        self.tables().clients.remove(client_id).is_some()
    }

    /// No method leaves the tables half changed, so a panic elsewhere does no harm to them.
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn standing(&self, id: &AuthorizationId) -> Option<&Authorization> {
        self.authorizations.get(id).filter(|entry| !entry.is_revoked).map(|entry| &entry.record)
    }

    fn insert_authorization(&mut self, authorization: &Authorization) {
        let id = authorization.id;
        if self.authorizations.contains_key(&id) {
            return;
        }
        self.by_subject.insert(&authorization.subject, id);
        self.by_client.insert(&authorization.client_id, id);
        if let Some(session) = authorization.ending_session() {
            self.by_session.insert(&session, id);
        }
        self.expiries.push(Reverse((authorization.expires_at, Key::Authorization(id))));
        self.authorizations.insert(id, Revocable { record: authorization.clone(), is_revoked: false });
    }

    fn remove_authorization(&mut self, id: &AuthorizationId) {
        let Some(Revocable { record, .. }) = self.authorizations.remove(id) else { return };
        self.by_subject.remove(&record.subject, id);
        self.by_client.remove(&record.client_id, id);
        if let Some(session) = record.ending_session() {
            self.by_session.remove(&session, id);
        }
    }

    /// Refuses a collision before anything is changed.
    fn check_new(&self, token: &AccessToken) -> Result<(), StorageError> {
        if self.access_tokens.contains_key(&token.token) {
            return Err(StorageError::new("an access token of that digest exists"));
        }
        Ok(())
    }

    fn insert_access_token(&mut self, token: &AccessToken) {
        if token.authorization.is_none() {
            self.own_tokens.insert(&token.client_id, token.token);
        }
        self.expiries.push(Reverse((token.expires_at, Key::AccessToken(token.token))));
        self.access_tokens.insert(token.token, Revocable { record: token.clone(), is_revoked: false });
    }

    fn remove_access_token(&mut self, token: &Digest) {
        let Some(Revocable { record, .. }) = self.access_tokens.remove(token) else { return };
        if record.authorization.is_none() {
            self.own_tokens.remove(&record.client_id, token);
        }
    }

    fn save(&mut self, issued: &Issued) -> Result<(), StorageError> {
        self.check_new(&issued.access_token)?;
        if let Some(family) = &issued.refresh_token {
            if self.refresh_tokens.contains_key(&family.handle) {
                return Err(StorageError::new("a refresh token of that handle exists"));
            }
            self.expiries.push(Reverse((family.expires_at, Key::RefreshToken(family.handle))));
            self.refresh_tokens.insert(family.handle, family.clone());
        }
        if let Some(authorization) = &issued.authorization {
            self.insert_authorization(authorization);
        }
        self.insert_access_token(&issued.access_token);
        Ok(())
    }

    /// Consumes a code; `true` for one caller.
    fn consume(&mut self, code: &Digest) -> bool {
        self.codes.get_mut(code).is_some_and(|code| !std::mem::replace(&mut code.is_consumed, true))
    }

    fn selected(&self, selector: &Selector) -> Vec<AuthorizationId> {
        let of = |id: &AuthorizationId| self.authorizations.get(id).map(|entry| &entry.record);
        match selector {
            Selector::Authorization(id) => vec![*id],
            Selector::Client(client_id) => self.by_client.get(client_id),
            Selector::Subject(subject) => self.by_subject.get(subject),
            Selector::SubjectAtClient(subject, client_id) => {
                let mut ids = self.by_subject.get(subject);
                ids.retain(|id| of(id).is_some_and(|authorization| authorization.client_id == *client_id));
                ids
            }
            Selector::Session(sessions) => sessions.iter().flat_map(|session| self.by_session.get(session)).collect(),
        }
    }
}

#[async_trait]
impl ClientStore for MemoryStore {
    async fn query_client(&self, client_id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        Ok(self.tables().clients.get(client_id).cloned())
    }
}

#[async_trait]
impl ClientRegistry for MemoryStore {
    async fn save_client(&self, client: &Client) -> Result<(), StorageError> {
        self.insert_client(client.clone());
        Ok(())
    }

    async fn delete_client(&self, client_id: &ClientId) -> Result<bool, StorageError> {
        Ok(self.remove_client(client_id))
    }
}

#[async_trait]
impl TokenStore for MemoryStore {
    async fn save_token(&self, issued: &Issued) -> Result<(), StorageError> {
        self.tables().save(issued)
    }
}

#[async_trait]
impl AuthorizationCodeStore for MemoryStore {
    async fn save_authorization_code(&self, code: &AuthorizationCode) -> Result<bool, StorageError> {
        let mut tables = self.tables();
        if tables.codes.contains_key(&code.code) {
            return Ok(false);
        }
        tables.insert_authorization(&code.authorization);
        tables.expiries.push(Reverse((code.retain_until, Key::Code(code.code))));
        tables.codes.insert(code.code, Code { record: code.clone(), is_consumed: false });
        Ok(true)
    }

    async fn query_authorization_code(&self, code: &Digest) -> Result<Option<CodeState>, StorageError> {
        let tables = self.tables();
        let Some(code) = tables.codes.get(code) else { return Ok(None) };
        let record = code.record.clone();
        let state = if code.is_consumed { CodeState::Consumed(record) } else { CodeState::Active(record) };
        Ok(tables.standing(&code.record.authorization.id).map(|_| state))
    }

    async fn delete_authorization_code(&self, code: &Digest) -> Result<bool, StorageError> {
        Ok(self.tables().consume(code))
    }

    async fn redeem_authorization_code(&self, code: &Digest, issued: &Issued) -> Result<Redeemed, StorageError> {
        let mut tables = self.tables();
        if tables.codes.get(code).is_none_or(|code| code.is_consumed) {
            return Ok(Redeemed::Lost);
        }
        tables.save(issued)?;
        tables.consume(code);
        Ok(Redeemed::Saved)
    }
}

#[async_trait]
impl AccessTokenStore for MemoryStore {
    async fn query_token(&self, token: &Digest) -> Result<Option<ActiveAccessToken>, StorageError> {
        let tables = self.tables();
        let Some(entry) = tables.access_tokens.get(token).filter(|entry| !entry.is_revoked) else { return Ok(None) };
        let token = entry.record.clone();
        let Some(id) = token.authorization else { return Ok(Some(ActiveAccessToken { token, authorization: None })) };
        let authorization = tables.standing(&id).cloned();
        Ok(authorization.map(|authorization| ActiveAccessToken { token, authorization: Some(authorization) }))
    }
}

#[async_trait]
impl RevocationStore for MemoryStore {
    async fn revoke_token(&self, token: &Digest) -> Result<(), StorageError> {
        if let Some(entry) = self.tables().access_tokens.get_mut(token) {
            entry.is_revoked = true;
        }
        Ok(())
    }

    async fn revoke_authorizations(&self, selector: &Selector) -> Result<usize, StorageError> {
        let mut tables = self.tables();
        let mut count = 0;
        for id in tables.selected(selector) {
            if let Some(entry) = tables.authorizations.get_mut(&id) {
                count += usize::from(!std::mem::replace(&mut entry.is_revoked, true));
            }
        }
        if let Selector::Client(client_id) = selector {
            for token in tables.own_tokens.get(client_id) {
                if let Some(entry) = tables.access_tokens.get_mut(&token) {
                    entry.is_revoked = true;
                }
            }
        }
        if let Selector::SubjectAtClient(subject, client_id) = selector {
            tables.consents.remove(&(subject.clone(), client_id.clone()));
        }
        Ok(count)
    }
}

#[async_trait]
impl RefreshTokenStore for MemoryStore {
    async fn query_refresh_token(&self, handle: &RefreshHandle) -> Result<Option<ActiveRefreshToken>, StorageError> {
        let tables = self.tables();
        let Some(token) = tables.refresh_tokens.get(handle).cloned() else { return Ok(None) };
        let authorization = tables.standing(&token.authorization).cloned();
        Ok(authorization.map(|authorization| ActiveRefreshToken { token, authorization }))
    }

    async fn rotate_refresh_token(
        &self,
        expected: u64,
        next: &RefreshToken,
        access_token: &AccessToken,
    ) -> Result<Rotated, StorageError> {
        let mut tables = self.tables();
        match tables.refresh_tokens.get(&next.handle) {
            Some(current) if current.generation == expected => {}
            current => return Ok(Rotated::Lost(current.cloned())),
        }
        tables.check_new(access_token)?;
        tables.refresh_tokens.insert(next.handle, next.clone());
        tables.insert_access_token(access_token);
        Ok(Rotated::Saved)
    }
}

#[async_trait]
impl ConsentStore for MemoryStore {
    async fn query_consent(
        &self,
        subject: &Subject,
        client_id: &ClientId,
        redirect_uri: &str,
    ) -> Result<Option<Consent>, StorageError> {
        let tables = self.tables();
        let consents = tables.consents.get(&(subject.clone(), client_id.clone()));
        Ok(consents.and_then(|consents| consents.get(redirect_uri)).cloned())
    }

    async fn save_consent(&self, consent: &Consent) -> Result<(), StorageError> {
        let key = (consent.subject.clone(), consent.client_id.clone());
        let mut tables = self.tables();
        tables.consents.entry(key).or_default().insert(consent.redirect_uri.clone(), consent.clone());
        Ok(())
    }
}

#[async_trait]
impl AuthorizationStore for MemoryStore {
    async fn list_authorizations(&self, subject: &Subject, now: Timestamp) -> Result<Vec<Authorization>, StorageError> {
        let tables = self.tables();
        let standing = |id: &AuthorizationId| tables.standing(id).filter(|own| now < own.expires_at).cloned();
        let mut found: Vec<_> = tables.by_subject.get(subject).iter().filter_map(standing).collect();
        found.sort_by_key(|authorization| Reverse((authorization.created_at, authorization.id)));
        Ok(found)
    }
}

#[async_trait]
impl ReplayStore for MemoryStore {
    async fn claim(&self, id: &Digest, expires_at: Timestamp) -> Result<bool, StorageError> {
        let mut tables = self.tables();
        let is_first = tables.claims.insert(*id);
        if is_first {
            tables.expiries.push(Reverse((expires_at, Key::Claim(*id))));
        }
        Ok(is_first)
    }
}

#[async_trait]
impl KeyStore for MemoryStore {
    async fn query_signing_keys(&self, issuer: &Issuer) -> Result<Vec<SigningKey>, StorageError> {
        let tables = self.tables();
        Ok(tables.signing_keys.values().filter(|key| key.issuer == *issuer).cloned().collect())
    }

    async fn save_signing_key(&self, key: &SigningKey) -> Result<bool, StorageError> {
        let mut tables = self.tables();
        let Entry::Vacant(place) = tables.signing_keys.entry(key.index().id) else { return Ok(false) };
        place.insert(key.clone());
        Ok(true)
    }

    async fn delete_signing_key(&self, key: &SigningKey) -> Result<(), StorageError> {
        self.tables().signing_keys.remove(&key.index().id);
        Ok(())
    }
}

#[async_trait]
impl PurgeStore for MemoryStore {
    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StorageError> {
        let mut tables = self.tables();
        for count in 0..limit {
            match tables.expiries.peek() {
                Some(Reverse((expires_at, _))) if *expires_at <= now => {}
                _ => return Ok(count),
            }
            match tables.expiries.pop().map(|Reverse((_, key))| key) {
                Some(Key::Authorization(id)) => tables.remove_authorization(&id),
                Some(Key::Code(code)) => drop(tables.codes.remove(&code)),
                Some(Key::AccessToken(token)) => tables.remove_access_token(&token),
                Some(Key::RefreshToken(handle)) => drop(tables.refresh_tokens.remove(&handle)),
                Some(Key::Claim(id)) => drop(tables.claims.remove(&id)),
                None => return Ok(count),
            }
        }
        Ok(limit)
    }
}
