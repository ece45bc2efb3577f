//! Where a server keeps everything, and what can be seen there without it.

use std::collections::HashSet;
use std::sync::Arc;

use grantwell::Timestamp;
use grantwell::storage::AuthorizationStore;
use grantwell_redis::RedisStore;
use grantwell_sqlx::{PostgresStore, SqliteStore, sqlite_options};
use redis::Cmd;
use redis::aio::MultiplexedConnection;
use sqlx::{PgPool, SqlitePool};
use tempfile::TempDir;

use crate::support::program::Program;
use crate::support::store::{Schema, redis_url};

pub struct Place {
    folder: TempDir,
    pub database: Database,
}

pub enum Database {
    Sqlite,
    Postgres(Schema),
    Redis,
}

/// Counts the codes that are consumed and bought nothing, and those that bought something and are not consumed.
const HALVES: &str = "SELECT count(*) FROM grantwell_codes c WHERE c.consumed <> EXISTS
    (SELECT 1 FROM grantwell_access_tokens t WHERE t.authorization_id = c.authorization_id)";

impl Place {
    pub fn new(database: Database, config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.toml"), config).unwrap();
        Self { folder, database }
    }

    pub fn start(&self, address: &str) -> Program {
        let store = match &self.database {
            Database::Sqlite => "sqlite:state.db".to_owned(),
            Database::Postgres(schema) => schema.url().into(),
            Database::Redis => redis_url().into(),
        };
        Program::start_in(self.folder.path(), &["--config", "config.toml", "--listen", address, "--store", &store])
    }

    /// Waits until the database has done what a killed server asked last.
    pub async fn settle(&self) {
        if let Database::Postgres(schema) = &self.database {
            schema.is_left().await;
        }
    }

    /// How many authorizations of the user stand.
    pub async fn standing(&self, user_id: &str) -> usize {
        let store: Arc<dyn AuthorizationStore> = match &self.database {
            Database::Sqlite => Arc::new(SqliteStore::new(self.sqlite().await)),
            Database::Postgres(schema) => Arc::new(PostgresStore::new(postgres(schema).await)),
            Database::Redis => Arc::new(RedisStore::new(redis().await)),
        };
        store.list_authorizations(&user_id.into(), Timestamp::from_unix(0)).await.unwrap().len()
    }

    /// How many redemptions were done by halves.
    pub async fn halves(&self) -> i64 {
        match &self.database {
            Database::Sqlite => sqlx::query_scalar(HALVES).fetch_one(&self.sqlite().await).await.unwrap(),
            Database::Postgres(schema) => sqlx::query_scalar(HALVES).fetch_one(&postgres(schema).await).await.unwrap(),
            Database::Redis => halves_in_redis().await,
        }
    }

    async fn sqlite(&self) -> SqlitePool {
        SqlitePool::connect_with(sqlite_options(self.folder.path().join("state.db"))).await.unwrap()
    }
}

async fn postgres(schema: &Schema) -> PgPool {
    PgPool::connect(schema.url().as_str()).await.unwrap()
}

async fn redis() -> MultiplexedConnection {
    redis::Client::open(redis_url()).unwrap().get_multiplexed_async_connection().await.unwrap()
}

async fn halves_in_redis() -> i64 {
    let mut redis = redis().await;
    let mut keys = Cmd::new();
    keys.arg("KEYS").arg("grantwell:authorization:*");
    let keys: Vec<String> = keys.query_async(&mut redis).await.unwrap();
    let bought: HashSet<&str> = keys.iter().filter_map(|key| Some(key.split_once(":token:")?.0)).collect();
    let mut halves = 0;
    for key in &keys {
        let Some((authorization, _)) = key.split_once(":code:") else { continue };
        let state: String = Cmd::getrange(key, 0, 0).query_async(&mut redis).await.unwrap();
        halves += i64::from((state == "c") != bought.contains(authorization));
    }
    halves
}
