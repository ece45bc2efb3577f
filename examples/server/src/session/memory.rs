use std::time::Duration;

use async_trait::async_trait;
use grantwell::{Digest, StorageError};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::{LIFETIME, Session, SessionStore};

const MAX_SESSIONS: u64 = 100_000;

/// Sessions that end with the process.
pub(crate) struct MemorySessions(Cache<Digest, Session>);

impl MemorySessions {
    pub(crate) fn new() -> Self {
        let lifetime = Duration::from_secs(LIFETIME);
        // The default policy would turn new sessions away in favour of busy ones.
        let lru = EvictionPolicy::lru();
        Self(Cache::builder().max_capacity(MAX_SESSIONS).time_to_live(lifetime).eviction_policy(lru).build())
    }
}

#[async_trait]
impl SessionStore for MemorySessions {
    async fn load(&self, id: &Digest) -> Result<Option<Session>, StorageError> {
        Ok(self.0.get(id))
    }

    async fn save(&self, id: &Digest, session: &Session) -> Result<(), StorageError> {
        self.0.insert(*id, session.clone());
        Ok(())
    }

    async fn delete(&self, id: &Digest) -> Result<(), StorageError> {
        self.0.invalidate(id);
        Ok(())
    }
}
