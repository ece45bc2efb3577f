use crate::tables::Tables;

/// One step of the schema, as plain SQL. It is to be run in one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// The version of the schema after it; the first is 1.
    pub version: i64,
    /// The statements. They also note the version, in the table `grantwell_schema`.
    pub sql: String,
}

/// Why the tables cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// A later version of this crate made them.
    #[error(
        "the tables are of schema version {found} and this program knows {known}: run the version that made them, or a \
         later one"
    )]
    Newer {
        /// Their version.
        found: i64,
        /// The latest this crate knows.
        known: i64,
    },
    /// They are an earlier version's, or not there (0).
    #[error("the tables are of schema version {found} and this program needs {known}: run its migrations")]
    Older {
        /// Their version.
        found: i64,
        /// The latest this crate knows.
        known: i64,
    },
    /// The database cannot tell or refuses.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// All migrations, numbered from 1, for `tables`.
pub(crate) fn migrations(texts: &[&str], tables: &Tables) -> Vec<Migration> {
    (1..).zip(texts).map(|(version, text)| Migration { version, sql: tables.rename(text) }).collect()
}

/// Those that tables of the version `found` lack.
pub(crate) fn missing(migrations: Vec<Migration>, found: i64) -> Result<Vec<Migration>, SchemaError> {
    let known = latest(&migrations);
    if found > known {
        return Err(SchemaError::Newer { found, known });
    }
    Ok(migrations.into_iter().filter(|migration| migration.version > found).collect())
}

/// Whether tables of the version `found` are as these migrations leave them.
pub(crate) fn check(migrations: Vec<Migration>, found: i64) -> Result<(), SchemaError> {
    let known = latest(&migrations);
    match missing(migrations, found)?.is_empty() {
        true => Ok(()),
        false => Err(SchemaError::Older { found, known }),
    }
}

fn latest(migrations: &[Migration]) -> i64 {
    migrations.last().map_or(0, |migration| migration.version)
}
