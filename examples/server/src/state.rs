//! Opens the store that was chosen, and builds upon it what needs one.

use std::error::Error;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use grantwell::resource::ResourceServer;
use grantwell::storage::PurgeStore;
use grantwell::stores::MemoryStore;
use grantwell::{AuthorizationServer, BuildError};
use grantwell_redis::RedisStore;
use grantwell_sqlx::{PostgresStore, SqliteStore, sqlite_options};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Connection as _, PgPool, SqlitePool};
use tokio::time::{sleep, timeout};

use crate::StartError;
use crate::bounded::{Bounded, LIMIT, StateStore};
use crate::oauth::Parts;
use crate::session::{MemorySessions, PostgresSessions, RedisSessions, SessionStore, SqliteSessions};
use crate::store::Store;

/// How long a connection may take to be had. It is less than the limit, so that its fault is the one that is told.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// Milliseconds. A statement that nobody waits for any more must not hold a connection, nor a transaction its locks.
const GIVE_UP_AFTER: &str = "10000";
/// The lower byte of its extended result codes.
const SQLITE_BUSY: u32 = 5;
const SQLITE_PAUSE: Duration = Duration::from_millis(20);
/// How often a lost connection to Redis is sought before commands fail, and how long it pauses at most in between.
const REDIS_RETRIES: usize = 4;
const REDIS_PAUSE: Duration = Duration::from_millis(500);

/// What the server has of its store, whichever it is.
pub(crate) struct Opened {
    pub(crate) server: AuthorizationServer,
    pub(crate) api: ResourceServer,
    pub(crate) sessions: Arc<dyn SessionStore>,
    /// What must be told to forget; Redis does by itself.
    pub(crate) purged: Vec<Arc<dyn PurgeStore>>,
}

type Cause = Box<dyn Error + Send + Sync>;

/// Opens `store`, brings its tables up to date, and puts the server's parts together upon it.
pub(crate) async fn open(store: &Store, parts: &Parts) -> Result<Opened, StartError> {
    let failed = |cause: Cause| StartError::Store { store: store.clone(), reason: one_line(&cause.to_string()) };
    match store {
        Store::Memory => {
            let (state, sessions) = (Arc::new(MemoryStore::new()), Arc::new(MemorySessions::new()));
            Ok(Opened::new(parts, state.clone(), sessions, vec![state])?)
        }
        Store::Sqlite(path) => {
            let (state, sessions) = sqlite(path).await.map_err(failed)?;
            let (state, sessions) = (Arc::new(state), Arc::new(sessions));
            Ok(Opened::new(parts, state.clone(), sessions.clone(), vec![state, sessions])?)
        }
        Store::Postgres(options) => {
            let (state, sessions) = postgres(options).await.map_err(failed)?;
            let (state, sessions) = (Arc::new(state), Arc::new(sessions));
            Ok(Opened::new(parts, state.clone(), sessions.clone(), vec![state, sessions])?)
        }
        Store::Redis(info) => {
            let connection = redis(info).await.map_err(failed)?;
            let sessions = Arc::new(RedisSessions::new(connection.clone()));
            Ok(Opened::new(parts, Arc::new(RedisStore::new(connection)), sessions, Vec::new())?)
        }
    }
}

impl Opened {
    fn new(
        parts: &Parts,
        state: Arc<impl StateStore>,
        sessions: Arc<dyn SessionStore>,
        purged: Vec<Arc<dyn PurgeStore>>,
    ) -> Result<Self, BuildError> {
        let (server, api) = parts.over(Bounded(state))?;
        Ok(Self { server, api, sessions, purged })
    }
}

async fn sqlite(path: &Path) -> Result<(SqliteStore, SqliteSessions), Cause> {
    let pool = timeout(LIMIT, sqlite_pool(path)).await.map_err(|_| "another process keeps the file locked")?;
    let pool = pool.map_err(|error| format!("{error}; can this file be made, read and written?"))?;
    let state = SqliteStore::new(pool.clone());
    state.migrate().await?;
    Ok((state, SqliteSessions::new(pool).await?))
}

/// Only one of the replicas that start together can switch a new file to write-ahead logging, and SQLite does not let
/// the others wait for it.
async fn sqlite_pool(path: &Path) -> sqlx::Result<SqlitePool> {
    let options = SqlitePoolOptions::new().acquire_timeout(CONNECT_WITHIN);
    loop {
        match options.clone().connect_with(sqlite_options(path)).await {
            Err(error) if is_busy(&error) => sleep(SQLITE_PAUSE).await,
            outcome => return outcome,
        }
    }
}

fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == SQLITE_BUSY)
}

async fn postgres(options: &PgConnectOptions) -> Result<(PostgresStore, PostgresSessions), Cause> {
    // A pool does not say why it has no connection. And a migration may take its time.
    let connection = timeout(LIMIT, PgConnection::connect_with(options)).await.map_err(|_| away("no answer"))?;
    connection.map_err(away)?.close().await?;
    let patient = PgPoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
    PostgresStore::new(patient.clone()).migrate().await?;
    PostgresSessions::new(patient.clone()).migrate().await?;
    patient.close().await;

    let limits = [("statement_timeout", GIVE_UP_AFTER), ("idle_in_transaction_session_timeout", GIVE_UP_AFTER)];
    let pool = PgPoolOptions::new().acquire_timeout(CONNECT_WITHIN);
    let pool: PgPool = pool.connect_with(options.clone().options(limits)).await?;
    Ok((PostgresStore::new(pool.clone()), PostgresSessions::new(pool)))
}

async fn redis(info: &redis::ConnectionInfo) -> Result<ConnectionManager, Cause> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECT_WITHIN))
        .set_response_timeout(Some(CONNECT_WITHIN))
        .set_number_of_retries(REDIS_RETRIES)
        .set_max_delay(REDIS_PAUSE);
    let connecting = ConnectionManager::new_with_config(redis::Client::open(info.clone())?, config);
    timeout(LIMIT, connecting).await.map_err(|_| away("no answer"))?.map_err(away)
}

fn away(cause: impl Display) -> Cause {
    format!("{cause}; does it run, and is its URL right?").into()
}

/// A database's message may have several lines.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
