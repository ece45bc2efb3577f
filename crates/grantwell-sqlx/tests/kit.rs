//! Every promise of the storage traits, over SQLite and over PostgreSQL at each isolation level that it is used with.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::{postgres_url, sqlite, unique};
use grantwell::storage::testing::every_promise;
use grantwell_sqlx::{PostgresStore, SqliteStore};
use sqlx::PgPool;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_keeps_every_promise() {
    let (_folder, pool) = sqlite().await;
    let store = SqliteStore::new(pool);
    store.migrate().await.unwrap();
    every_promise(Arc::new(store)).await.assert();
}

async fn postgres_keeps_every_promise(isolation: &str) {
    let url = format!("{}?options=-c%20default_transaction_isolation={isolation}", postgres_url());
    let store = PostgresStore::with_prefix(PgPool::connect(&url).await.unwrap(), &unique("kit_")).unwrap();
    store.migrate().await.unwrap();
    every_promise(Arc::new(store)).await.assert();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a PostgreSQL: GRANTWELL_POSTGRES"]
async fn postgres_keeps_every_promise_at_read_committed() {
    postgres_keeps_every_promise("read%5C%20committed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a PostgreSQL: GRANTWELL_POSTGRES"]
async fn postgres_keeps_every_promise_at_serializable() {
    postgres_keeps_every_promise("serializable").await;
}
