use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use grantwell::async_trait;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqliteSynchronous,
};
use sqlx::{Arguments as _, AssertSqlSafe, FromRow as _, SqlStr};
use tokio::time::timeout;

use crate::database::{Arg, Database, Found, Outcome};
use crate::schema::{self, Migration, SchemaError};
use crate::statements::Statements;
use crate::store::Store;
use crate::tables::{InvalidPrefix, Tables};
use crate::writer::{BEGIN, Change, Writer};

/// The state in SQLite (3.37 or later), by one transaction a promise.
pub type SqliteStore = Store<SqliteDatabase>;

#[derive(Clone, Debug)]
pub struct SqliteDatabase {
    pool: SqlitePool,
    writer: Writer,
}

/// The migrations, in the order of their versions.
const MIGRATIONS: [&str; 2] =
    [include_str!("../migrations/sqlite/0001.sql"), include_str!("../migrations/sqlite/0002.sql")];

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
        Self::over(SqliteDatabase { writer: Writer::new(pool.clone()), pool }, tables, Statements::sqlite)
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

fn arguments(args: &[Arg<'_>]) -> Outcome<SqliteArguments> {
    let mut arguments = SqliteArguments::default();
    for arg in args {
        let added = match arg {
            Arg::Text(text) => arguments.add(*text),
            Arg::Integer(number) => arguments.add(*number),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

#[async_trait]
impl Database for SqliteDatabase {
    async fn read(&self, statement: &SqlStr, args: &[Arg<'_>]) -> Outcome<Vec<Found>> {
        let rows = sqlx::query_with(statement.clone(), arguments(args)?).fetch_all(&self.pool).await?;
        Ok(rows.iter().map(Found::from_row).collect::<sqlx::Result<_>>()?)
    }

    async fn change(&self, statements: &[SqlStr], args: &[Arg<'_>]) -> Outcome<u64> {
        let change = Change { statements: statements.to_vec(), arguments: arguments(args)? };
        // No longer than they would wait for a connection.
        let outcome = timeout(self.pool.options().get_acquire_timeout(), self.writer.change(change)).await;
        outcome.unwrap_or_else(|_| Err(Arc::new(sqlx::Error::PoolTimedOut)))
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
