use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::query::Query;
use sqlx::sqlite::{
    Sqlite, SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, FromRow as _, SqlStr};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::database::{Arg, Database, Found};
use crate::schema::{self, Migration, SchemaError};
use crate::statements::Statements;
use crate::store::Store;
use crate::tables::{InvalidPrefix, Tables};

/// The state in SQLite (3.37 or later), by one transaction a promise.
pub type SqliteStore = Store<SqliteDatabase>;

#[derive(Clone, Debug)]
pub struct SqliteDatabase {
    pool: SqlitePool,
    /// SQLite has one writer at a time. Those of this process wait here, in their order, and not in the database, where
    /// each would hold a connection and sleep; and no longer than they would wait for a connection.
    writer: Arc<Mutex<()>>,
}

/// The migrations, in the order of their versions.
const MIGRATIONS: [&str; 1] = [include_str!("../migrations/sqlite/0001.sql")];

/// Takes the write lock at once: a transaction that reads first could not get it any more after another one wrote.
const BEGIN: &str = "BEGIN IMMEDIATE";

/// How to open the database file at `path`, which is made if it is missing: write-ahead log, so that readers never
/// wait; every commit reaches the disk before it is answered; five seconds of patience with other processes.
pub fn sqlite_options(path: impl AsRef<Path>) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
}

impl SqliteStore {
    /// The state in the tables `grantwell_*`. Open the pool with [`sqlite_options`], or with pragmas like them.
    pub fn new(pool: SqlitePool) -> Self {
        Self::in_tables(pool, Tables::default())
    }

    /// The state in tables whose names begin with `prefix`, like `oauth_`.
    ///
    /// # Errors
    /// The prefix is no plain name.
    pub fn with_prefix(pool: SqlitePool, prefix: &str) -> Result<Self, InvalidPrefix> {
        Ok(Self::in_tables(pool, Tables::new(prefix, 1)?))
    }

    fn in_tables(pool: SqlitePool, tables: Tables) -> Self {
        Self::over(SqliteDatabase { pool, writer: Arc::default() }, tables, Statements::sqlite)
    }

    /// The migrations as plain SQL, for a host that runs its own.
    pub fn migrations(&self) -> Vec<Migration> {
        schema::migrations(&MIGRATIONS, &self.tables)
    }

    /// Makes or updates the tables; processes that start side by side wait for each other.
    ///
    /// # Errors
    /// The schema is a later version's; the database's faults.
    pub async fn migrate(&self) -> Result<(), SchemaError> {
        let _writer = self.database.writer.lock().await;
        let mut change = self.database.pool.begin_with(BEGIN).await?;
        let version = self.version(&mut change).await?;
        for migration in schema::missing(self.migrations(), version)? {
            sqlx::raw_sql(AssertSqlSafe(migration.sql)).execute(&mut *change).await?;
        }
        Ok(change.commit().await?)
    }

    /// Checks that the tables are as this version needs them; for a host that migrates by its own means.
    ///
    /// # Errors
    /// They are an earlier or later version's, or not there; the database's faults.
    pub async fn check_schema(&self) -> Result<(), SchemaError> {
        let version = self.version(&mut *self.database.pool.acquire().await?).await?;
        schema::check(self.migrations(), version)
    }

    /// 0: there are no tables.
    async fn version(&self, connection: &mut SqliteConnection) -> sqlx::Result<i64> {
        let table = self.tables.rename("grantwell_schema");
        let exists = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = $1)").bind(table);
        if !exists.fetch_one(&mut *connection).await? {
            return Ok(0);
        }
        let version = self.tables.statement("SELECT version FROM grantwell_schema");
        sqlx::query_scalar(version).fetch_one(connection).await
    }
}

fn bind(query: Query<'static, Sqlite, SqliteArguments>, args: &[Arg<'_>]) -> Query<'static, Sqlite, SqliteArguments> {
    args.iter().fold(query, |query, arg| match arg {
        Arg::Text(text) => query.bind(*text),
        Arg::Integer(number) => query.bind(*number),
    })
}

#[async_trait]
impl Database for SqliteDatabase {
    async fn read(&self, statement: &SqlStr, args: &[Arg<'_>]) -> sqlx::Result<Vec<Found>> {
        let rows = bind(sqlx::query(statement.clone()), args).fetch_all(&self.pool).await?;
        rows.iter().map(Found::from_row).collect()
    }

    async fn change(&self, statements: &[SqlStr], args: &[Arg<'_>]) -> sqlx::Result<u64> {
        let turn = timeout(self.pool.options().get_acquire_timeout(), self.writer.lock());
        let _writer = turn.await.map_err(|_| sqlx::Error::PoolTimedOut)?;
        let mut change = self.pool.begin_with(BEGIN).await?;
        let mut first = None;
        for statement in statements {
            let done = bind(sqlx::query(statement.clone()), args).execute(&mut *change).await?;
            first.get_or_insert(done.rows_affected());
        }
        change.commit().await?;
        Ok(first.unwrap_or_default())
    }

    fn is_transient(&self, error: &sqlx::Error) -> bool {
        let code = error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<u32>().ok());
        // The lower byte of an extended result code is the primary one.
        code.is_some_and(|code| [BUSY, LOCKED].contains(&(code & 0xff)))
    }
}

// SQLite's result codes.
const BUSY: u32 = 5;
const LOCKED: u32 = 6;
