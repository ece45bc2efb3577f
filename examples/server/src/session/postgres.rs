use async_trait::async_trait;
use grantwell::storage::PurgeStore;
use grantwell::{Digest, StorageError, Timestamp};
use sqlx::PgPool;

use super::{Session, SessionStore, timestamp};

/// Sessions in a table of a PostgreSQL database.
pub(crate) struct PostgresSessions(PgPool);

/// `IF NOT EXISTS` alone fails where two replicas make the table at the same moment. The number is arbitrary. Nobody
/// need be told at each start that the table is there.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7236837365); SET LOCAL client_min_messages = warning";
const TABLE: &str = "
CREATE TABLE IF NOT EXISTS server_sessions (
    id BYTEA PRIMARY KEY,
    user_id TEXT NOT NULL,
    auth_time BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS server_sessions_expires_at ON server_sessions (expires_at);
";

impl PostgresSessions {
    pub(crate) const fn new(pool: PgPool) -> Self {
        Self(pool)
    }

    /// Makes the table where there is none; replicas that start side by side wait for each other.
    pub(crate) async fn migrate(&self) -> sqlx::Result<()> {
        // A snapshot taken before the lock was there would not show what another replica just made.
        let mut change = self.0.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        sqlx::raw_sql(LOCK).execute(&mut *change).await?;
        sqlx::raw_sql(TABLE).execute(&mut *change).await?;
        change.commit().await
    }
}

#[async_trait]
impl SessionStore for PostgresSessions {
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
impl PurgeStore for PostgresSessions {
    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StorageError> {
        // Replicas purge at the same time and do not wait for each other.
        let delete = "DELETE FROM server_sessions WHERE id IN \
                      (SELECT id FROM server_sessions WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";
        let delete = sqlx::query(delete).bind(now.as_unix_signed()).bind(i64::try_from(limit)?);
        Ok(delete.execute(&self.0).await?.rows_affected().try_into()?)
    }
}
