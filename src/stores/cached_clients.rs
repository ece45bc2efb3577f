use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::clock::{Clock, SystemClock, Timestamp};
use crate::error::StorageError;
use crate::model::{Client, ClientId};
use crate::storage::{ClientRegistry, ClientStore};

/// A bounded cache with a time to live in front of a store of clients, told of the changes that are made through it.
///
/// Nearly every request looks a client up; with this most of them do not ask the database for it.
///
/// A change made through it ([`ClientRegistry`], [`forget`](Self::forget)) is seen by the next request. One that is made
/// past it, by another process or by the host's own SQL, or that failed here and took effect afterwards, is seen when the
/// time to live is over at the latest: until then a client that was deleted or disabled still gets tokens, and a secret
/// that was replaced is still accepted. So keep the time short.
///
/// That there is no such client is not remembered, so one that is registered elsewhere works at once; nor is a fault.
///
/// ```
/// use std::sync::Arc;
///
/// use grantwell::AuthorizationServer;
/// use grantwell::stores::{CachedClients, MemoryStore};
///
/// let store = Arc::new(MemoryStore::new());
/// let clients = Arc::new(CachedClients::new(store.clone(), 10_000, 30));
/// let builder = AuthorizationServer::builder("https://as.example", clients, store);
/// ```
pub struct CachedClients<C> {
    clients: Arc<C>,
    cache: Cache<ClientId, Loaded>,
    /// Counts the changes, and is locked while an entry is put in or taken out: a look-up that began before a change
    /// may have read what was there before, and must not put it in afterwards.
    changes: Mutex<u64>,
    ttl: u64,
    clock: Box<dyn Clock>,
}

#[derive(Clone)]
struct Loaded {
    client: Arc<Client>,
    /// When the store was asked.
    at: Timestamp,
}

impl<C: ClientStore> CachedClients<C> {
    /// Keeps up to `capacity` clients of the store, those that were used last, each for `ttl` seconds.
    pub fn new(clients: Arc<C>, capacity: u64, ttl: u64) -> Self {
        let cache = Cache::builder().max_capacity(capacity).eviction_policy(EvictionPolicy::lru()).build();
        Self { clients, cache, changes: Mutex::new(0), ttl, clock: Box::new(SystemClock) }
    }

    /// Reads the time elsewhere than from the system.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Forgets the client, because it was changed elsewhere: the next request sees the change. The change must be
    /// committed before.
    pub fn forget(&self, client_id: &ClientId) {
        let mut changes = self.changes();
        *changes = changes.wrapping_add(1);
        self.cache.invalidate(client_id);
    }

    /// The client, if it was loaded less than the time to live ago.
    fn fresh(&self, client_id: &ClientId, now: Timestamp) -> Option<Arc<Client>> {
        let Loaded { client, at } = self.cache.get(client_id)?;
        // Where the clock was put back, the entry's age is unknown.
        (at..at.plus(self.ttl)).contains(&now).then_some(client)
    }

    /// Keeps what was found, unless there was a change since then.
    fn keep(&self, client_id: &ClientId, loaded: Loaded, changes_before: u64) {
        let changes = self.changes();
        if *changes == changes_before {
            self.cache.insert(client_id.clone(), loaded);
            // Evicts at once, rather than when the cache next has the time.
            self.cache.run_pending_tasks();
        }
    }

    /// What it guards is a number and a cache that keeps itself whole, so a panic elsewhere does no harm to them.
    fn changes(&self) -> MutexGuard<'_, u64> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl<C: ClientStore> ClientStore for CachedClients<C> {
    async fn query_client(&self, client_id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        let at = self.clock.now();
        if let Some(client) = self.fresh(client_id, at) {
            return Ok(Some(client));
        }
        let changes_before = *self.changes();
        let found = self.clients.query_client(client_id).await?;
        // By another spelling that the database takes for equal, it would not be forgotten when it is changed.
        if let Some(client) = found.clone().filter(|client| client.id() == client_id) {
            self.keep(client_id, Loaded { client, at }, changes_before);
        }
        Ok(found)
    }
}

/// Forgets the client at the end of a change, whatever the end: also one that failed, or whose request was dropped, may
/// have reached the store.
struct Change<'a, C: ClientStore> {
    clients: &'a CachedClients<C>,
    client_id: &'a ClientId,
}

impl<C: ClientStore> Drop for Change<'_, C> {
    fn drop(&mut self) {
        self.clients.forget(self.client_id);
    }
}

#[async_trait]
impl<C: ClientRegistry> ClientRegistry for CachedClients<C> {
    async fn save_client(&self, client: &Client) -> Result<(), StorageError> {
        let _change = Change { clients: self, client_id: client.id() };
        self.clients.save_client(client).await
    }

    async fn delete_client(&self, client_id: &ClientId) -> Result<bool, StorageError> {
        let _change = Change { clients: self, client_id };
        self.clients.delete_client(client_id).await
    }
}

impl<C> fmt::Debug for CachedClients<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedClients").field("ttl", &self.ttl).finish_non_exhaustive()
    }
}
