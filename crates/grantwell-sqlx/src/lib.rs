#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;
mod statements;
mod schema;
mod tables;
#[cfg(feature = "sqlite")]
mod writer;
mod database;

#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
pub use schema::{Migration, SchemaError};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteStore, sqlite_options};
pub use store::Store;
pub use tables::InvalidPrefix;
