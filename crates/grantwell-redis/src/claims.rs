use std::sync::LazyLock;

use grantwell::storage::ReplayStore;
use grantwell::{Digest, StorageError, Timestamp, async_trait};

use crate::script::Script;
use crate::{Connection, LATEST, RedisStore};

static CLAIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("claim.lua")));

#[async_trait]
impl<C: Connection> ReplayStore for RedisStore<C> {
    async fn claim(&self, id: &Digest, expires_at: Timestamp) -> Result<bool, StorageError> {
        let skew = self.clock_skew.min(LATEST);
        self.run(CLAIM.key(self.keys.claim(id)).arg(self.end(expires_at)).arg(skew)).await
    }
}
