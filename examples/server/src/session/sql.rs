use async_trait::async_trait;
use grantwell::storage::PurgeStore;
use grantwell::{Digest, StorageError, Timestamp};
use sqlx::{PgPool, SqlitePool};

use super::{Session, SessionStore};

/// Sessions in a table of an SQLite database.
pub(crate) struct SqliteSessions(SqlitePool);

const SQLITE_TABLE: &str = "
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
        sqlx::raw_sql(SQLITE_TABLE).execute(&mut *change).await?;
        change.commit().await?;
        Ok(Self(pool))
    }
}

/// Sessions in a table of a PostgreSQL database.
pub(crate) struct PostgresSessions(PgPool);

/// `IF NOT EXISTS` alone fails where two replicas make the table at the same moment. The number is arbitrary. Nobody
/// need be told at each start that the table is there.
const POSTGRES_LOCK: &str = "SELECT pg_advisory_xact_lock(7236837365); SET LOCAL client_min_messages = warning";
const POSTGRES_TABLE: &str = "
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
        sqlx::raw_sql(POSTGRES_LOCK).execute(&mut *change).await?;
        sqlx::raw_sql(POSTGRES_TABLE).execute(&mut *change).await?;
        change.commit().await
    }
}

/// `$doomed`: which rows a purge deletes.
macro_rules! session_store {
    ($sessions:ident, $doomed:literal) => {
        #[async_trait]
        impl SessionStore for $sessions {
            async fn load(&self, id: &Digest) -> Result<Option<Session>, StorageError> {
                let select = "SELECT user_id, auth_time, expires_at FROM server_sessions WHERE id = $1";
                let select = sqlx::query_as(select).bind(id.as_bytes().as_slice());
                let found: Option<(String, i64, i64)> = select.fetch_optional(&self.0).await?;
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
        impl PurgeStore for $sessions {
            async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StorageError> {
                let delete = concat!("DELETE FROM server_sessions WHERE ", $doomed);
                let delete = sqlx::query(delete).bind(now.as_unix_signed()).bind(i64::try_from(limit)?);
                Ok(delete.execute(&self.0).await?.rows_affected().try_into()?)
            }
        }
    };
}

session_store!(
    SqliteSessions,
    "id IN (SELECT id FROM server_sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)"
);
// Replicas purge at the same time and do not wait for each other. What they found locked makes PostgreSQL run a subquery
// again, which would take other rows; an array is found once.
session_store!(
    PostgresSessions,
    "id = ANY(ARRAY(SELECT id FROM server_sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2
    FOR UPDATE SKIP LOCKED))"
);

fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds.try_into().unwrap_or_default())
}
