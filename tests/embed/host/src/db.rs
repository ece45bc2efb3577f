use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, Row, ToSql};
use tokio::task::{JoinError, spawn_blocking};

/// The service's database: one SQLite connection, used on threads that may block.
#[derive(Clone)]
pub struct Db(Arc<Mutex<Connection>>);

/// What the service cannot work without failed it.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// SQLite refused.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The work panicked, or the service is stopping.
    #[error(transparent)]
    Interrupted(#[from] JoinError),
    /// The operating system has no randomness.
    #[error(transparent)]
    Randomness(#[from] getrandom::Error),
}

impl Db {
    /// A database in memory with the tables of users and sessions, and one user: `alice`, password `wonderland`.
    ///
    /// # Errors
    /// SQLite's.
    pub fn in_memory() -> Result<Self, Unavailable> {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch(include_str!("tables.sql"))?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Runs `work`. A transaction that it began and did not commit is rolled back.
    ///
    /// # Errors
    /// Those of `work`, or that it did not end.
    pub async fn run<T, E, W>(&self, work: W) -> Result<T, E>
    where
        W: FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<JoinError> + Send + 'static,
    {
        let connection = self.0.clone();
        spawn_blocking(move || work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner))).await?
    }

    /// Runs statements that have no parameters and no result.
    ///
    /// # Errors
    /// SQLite's.
    pub async fn batch(&self, sql: &'static str) -> Result<(), Unavailable> {
        self.run(move |db| Ok(db.execute_batch(sql)?)).await
    }

    /// The one row that `sql` finds by `key`.
    ///
    /// # Errors
    /// SQLite's.
    pub async fn find<T>(&self, sql: &'static str, key: impl ToSql + Send + 'static) -> Result<Option<T>, Unavailable>
    where
        T: for<'row> TryFrom<&'row Row<'row>, Error = rusqlite::Error> + Send + 'static,
    {
        self.run(move |db| Ok(db.query_row(sql, [key], |row| row.try_into()).optional()?)).await
    }
}
