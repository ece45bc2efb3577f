use async_trait::async_trait;
use grantwell::storage::PurgeStore;
use grantwell::{Digest, StorageError, Timestamp};
use sqlx::SqlitePool;

use super::{Session, SessionStore, timestamp};

/// Sessions in a table of an SQLite database.
pub(crate) struct SqliteSessions(SqlitePool);

const TABLE: &str = "
CREATE TABLE IF NOT EXISTS server_sessions (
    id BLOB PRIMARY KEY,
    user_id TEXT NOT NULL,
    auth_time INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS server_sessions_expires_at ON server_sessions (expires_at);
";

impl SqliteSessions {
    /// Makes the table where there is none; replicas that start side by side wait for each other.
    pub(crate) async fn new(pool: SqlitePool) -> sqlx::Result<Self> {
        let mut change = pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql(TABLE).execute(&mut *change).await?;
        change.commit().await?;
        Ok(Self(pool))
    }
}

#[async_trait]
impl SessionStore for SqliteSessions {
    async fn load(&self, id: &Digest) -> Result<Option<Session>, StorageError> {
        let found = sqlx::query_as("SELECT user_id, auth_time, expires_at FROM server_sessions WHERE id = $1")
            .bind(id.as_bytes().as_slice());
        let found: Option<(String, i64, i64)> = found.fetch_optional(&self.0).await?;
        Ok(found.map(|(user_id, auth_time, expires_at)| Session {
            user_id,
            auth_time: timestamp(auth_time),
            expires_at: timestamp(expires_at),
        }))
    }

    async fn save(&self, id: &Digest, session: &Session) -> Result<(), StorageError> {
        let insert = "INSERT INTO server_sessions (id, user_id, auth_time, expires_at) VALUES ($1, $2, $3, $4)";
        let insert = sqlx::query(insert).bind(id.as_bytes().as_slice()).bind(&session.user_id);
        let insert = insert.bind(session.auth_time.as_unix_signed()).bind(session.expires_at.as_unix_signed());
        insert.execute(&self.0).await?;
        Ok(())
    }

    async fn delete(&self, id: &Digest) -> Result<(), StorageError> {
        let delete = sqlx::query("DELETE FROM server_sessions WHERE id = $1").bind(id.as_bytes().as_slice());
        delete.execute(&self.0).await?;
        Ok(())
    }
}

#[async_trait]
impl PurgeStore for SqliteSessions {
    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StorageError> {
        let delete = "DELETE FROM server_sessions WHERE id IN \
                      (SELECT id FROM server_sessions WHERE expires_at <= $1 LIMIT $2)";
        let delete = sqlx::query(delete).bind(now.as_unix_signed()).bind(i64::try_from(limit)?);
        Ok(delete.execute(&self.0).await?.rows_affected().try_into()?)
    }
}
