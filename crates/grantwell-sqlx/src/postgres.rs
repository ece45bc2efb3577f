use grantwell::async_trait;
use sqlx::postgres::{PgArguments, PgConnection, PgPool, Postgres};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, FromRow as _, SqlStr};

use crate::database::{Arg, Database, Found, Outcome};
use crate::schema::{self, Migration, SchemaError};
use crate::statements::Statements;
use crate::store::Store;
use crate::tables::{InvalidPrefix, Tables};

/// The state in PostgreSQL (12 or later), by one statement a promise. It keeps its promises at every isolation level.
pub type PostgresStore = Store<PostgresDatabase>;

#[derive(Clone, Debug)]
pub struct PostgresDatabase(PgPool);

/// The migrations, in the order of their versions.
const MIGRATIONS: [&str; 2] =
    [include_str!("../migrations/postgres/0001.sql"), include_str!("../migrations/postgres/0002.sql")];

/// Only one process migrates at a time. The number is arbitrary.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7236837364)";

impl PostgresStore {
    /// The state in the tables `grantwell_*`, found by the connections' `search_path`.
    pub fn new(pool: PgPool) -> Self {
        Self::over(PostgresDatabase(pool), Tables::default(), Statements::postgres)
    }

    /// The state in tables whose names begin with `prefix`, like `oauth_` or, in a schema that exists, `auth.oauth_`.
    ///
    /// # Errors
    /// The prefix is no plain name.
    pub fn with_prefix(pool: PgPool, prefix: &str) -> Result<Self, InvalidPrefix> {
        Ok(Self::over(PostgresDatabase(pool), Tables::new(prefix, 2)?, Statements::postgres))
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
        // A snapshot taken before the lock was there would not show what another process just made.
        let mut change = self.database.0.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        sqlx::raw_sql(LOCK).execute(&mut *change).await?;
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
        let version = self.version(&mut *self.database.0.acquire().await?).await?;
        schema::check(self.migrations(), version)
    }

    /// 0: there are no tables.
    async fn version(&self, connection: &mut PgConnection) -> sqlx::Result<i64> {
        let table = self.tables.rename("grantwell_schema");
        let exists = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(table);
        if !exists.fetch_one(&mut *connection).await? {
            return Ok(0);
        }
        let version = self.tables.statement("SELECT version FROM grantwell_schema");
        sqlx::query_scalar(version).fetch_one(connection).await
    }
}

fn bind(query: Query<'static, Postgres, PgArguments>, args: &[Arg<'_>]) -> Query<'static, Postgres, PgArguments> {
    args.iter().fold(query, |query, arg| match arg {
        Arg::Text(text) => query.bind(*text),
        Arg::Integer(number) => query.bind(*number),
    })
}

#[async_trait]
impl Database for PostgresDatabase {
    async fn read(&self, statement: &SqlStr, args: &[Arg<'_>]) -> Outcome<Vec<Found>> {
        let rows = bind(sqlx::query(statement.clone()), args).fetch_all(&self.0).await?;
        Ok(rows.iter().map(Found::from_row).collect::<sqlx::Result<_>>()?)
    }

    async fn change(&self, statements: &[SqlStr], args: &[Arg<'_>]) -> Outcome<u64> {
        let mut count = 0;
        for statement in statements {
            count += bind(sqlx::query(statement.clone()), args).execute(&self.0).await?.rows_affected();
        }
        Ok(count)
    }

    fn is_transient(&self, error: &sqlx::Error) -> bool {
        let code = error.as_database_error().and_then(|error| error.code());
        code.is_some_and(|code| [SERIALIZATION_FAILURE, DEADLOCK_DETECTED].contains(&&*code))
    }
}

// PostgreSQL's error codes, appendix A of its manual.
const SERIALIZATION_FAILURE: &str = "40001";
const DEADLOCK_DETECTED: &str = "40P01";
