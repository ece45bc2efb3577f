use async_trait::async_trait;
use grantwell::{Digest, StorageError};
use redis::aio::ConnectionManager;
use redis::cmd;

use super::{Session, SessionStore};

/// Sessions in Redis, where they expire by themselves.
pub(crate) struct RedisSessions(ConnectionManager);

impl RedisSessions {
    pub(crate) const fn new(connection: ConnectionManager) -> Self {
        Self(connection)
    }
}

fn key(id: &Digest) -> String {
    format!("grantwell-server:session:{id}")
}

#[async_trait]
impl SessionStore for RedisSessions {
    async fn load(&self, id: &Digest) -> Result<Option<Session>, StorageError> {
        let found: Option<String> = cmd("GET").arg(key(id)).query_async(&mut self.0.clone()).await?;
        Ok(found.map(|session| serde_json::from_str(&session)).transpose()?)
    }

    async fn save(&self, id: &Digest, session: &Session) -> Result<(), StorageError> {
        let mut save = cmd("SET");
        save.arg(key(id)).arg(serde_json::to_string(session)?).arg("EXAT").arg(session.expires_at.as_unix());
        Ok(save.exec_async(&mut self.0.clone()).await?)
    }

    async fn delete(&self, id: &Digest) -> Result<(), StorageError> {
        Ok(cmd("DEL").arg(key(id)).exec_async(&mut self.0.clone()).await?)
    }
}
