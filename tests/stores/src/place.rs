//! Stores by an address that another process can open too.

use std::fmt::{self, Write as _};
use std::path::Path;
use std::str::FromStr;

pub use grantwell::storage::testing::EveryStore;
use grantwell::stores::MemoryStore;
use grantwell::{Randomness as _, SystemRandomness};
use grantwell_redis::RedisStore;
use grantwell_sqlx::{PostgresStore, SqliteStore, sqlite_options};
use redis::aio::ConnectionManager;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;

/// An empty store's address: what, where, and behind which prefix.
#[derive(Clone, Debug)]
pub enum Place {
    Memory,
    Sqlite { file: String },
    Postgres { url: String, prefix: String },
    Redis { url: String, prefix: String },
}

impl Place {
    pub fn sqlite(folder: &Path) -> Self {
        Self::Sqlite { file: sqlite(folder) }
    }

    pub fn postgres() -> Self {
        let (url, prefix) = postgres();
        Self::Postgres { url, prefix }
    }

    /// The same, where every transaction is serializable.
    #[must_use]
    pub fn serializable(self) -> Self {
        match self {
            Self::Postgres { url, prefix } => Self::Postgres { url: serializable(&url), prefix },
            other => other,
        }
    }

    pub fn redis() -> Self {
        let (url, prefix) = redis();
        Self::Redis { url, prefix }
    }

    /// In the Redis in cluster mode that GRANTWELL_REDIS_CLUSTER names.
    pub fn redis_cluster() -> Self {
        Self::Redis { url: variable("GRANTWELL_REDIS_CLUSTER"), prefix: format!("{}:", random_name()) }
    }
}

/// The name of a new file in the folder.
pub fn sqlite(folder: &Path) -> String {
    folder.join(format!("{}.db", random_name())).display().to_string()
}

/// The URL of the database that GRANTWELL_POSTGRES names, and a new prefix.
pub fn postgres() -> (String, String) {
    (variable("GRANTWELL_POSTGRES"), format!("{}_", random_name()))
}

/// The URL by which every transaction is serializable.
pub fn serializable(postgres: &str) -> String {
    format!("{postgres}?options=-c%20default_transaction_isolation=serializable")
}

/// The URL of the Redis that GRANTWELL_REDIS names, and a new prefix.
pub fn redis() -> (String, String) {
    (variable("GRANTWELL_REDIS"), format!("{}:", random_name()))
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run this by tests/stores/with-databases.sh"))
}

fn random_name() -> String {
    let mut bytes = [0; 6];
    SystemRandomness.fill(&mut bytes);
    bytes.iter().fold("t".to_owned(), |mut name, byte| {
        write!(name, "{byte:02x}").unwrap();
        name
    })
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Sqlite { file } => write!(f, "sqlite|{file}"),
            Self::Postgres { url, prefix } => write!(f, "postgres|{url}|{prefix}"),
            Self::Redis { url, prefix } => write!(f, "redis|{url}|{prefix}"),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('|').collect();
        match parts[..] {
            ["memory"] => Ok(Self::Memory),
            ["sqlite", file] => Ok(Self::Sqlite { file: file.to_owned() }),
            ["postgres", url, prefix] => Ok(Self::Postgres { url: url.to_owned(), prefix: prefix.to_owned() }),
            ["redis", url, prefix] => Ok(Self::Redis { url: url.to_owned(), prefix: prefix.to_owned() }),
            _ => Err(format!("no place: {text}")),
        }
    }
}

/// How many connections a pool may have.
const CONNECTIONS: u32 = 8;

pub async fn open_sqlite(file: &str) -> SqliteStore {
    let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS).connect_with(sqlite_options(file)).await.unwrap();
    let store = SqliteStore::new(pool);
    store.migrate().await.unwrap();
    store
}

pub async fn open_postgres(url: &str, prefix: &str) -> PostgresStore {
    // A ping before each use would be one more round trip.
    let options = PgPoolOptions::new().max_connections(CONNECTIONS).test_before_acquire(false);
    let store = PostgresStore::with_prefix(options.connect(url).await.unwrap(), prefix).unwrap();
    store.migrate().await.unwrap();
    store
}

pub async fn open_redis(url: &str, prefix: &str) -> RedisStore<ConnectionManager> {
    let connection = redis::Client::open(url).unwrap().get_connection_manager().await.unwrap();
    RedisStore::new(connection).with_prefix(prefix)
}

/// Runs something with the store at a place, whatever its type.
#[macro_export]
macro_rules! with_store {
    ($place:expr, |$store:ident| $body:expr) => {
        match $place {
            $crate::place::Place::Memory => {
                let $store = std::sync::Arc::new($crate::place::open_memory());
                $body
            }
            $crate::place::Place::Sqlite { file } => {
                let $store = std::sync::Arc::new($crate::place::open_sqlite(&file).await);
                $body
            }
            $crate::place::Place::Postgres { url, prefix } => {
                let $store = std::sync::Arc::new($crate::place::open_postgres(&url, &prefix).await);
                $body
            }
            $crate::place::Place::Redis { url, prefix } => {
                let $store = std::sync::Arc::new($crate::place::open_redis(&url, &prefix).await);
                $body
            }
        }
    };
}

pub fn open_memory() -> MemoryStore {
    MemoryStore::new()
}
