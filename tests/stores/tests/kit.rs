//! The public kit against each shipped store.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use grantwell::storage::testing::{every_promise, every_promise_with_native_expiry};
use grantwell_store_tests::place::{Place, open_memory, open_postgres, open_redis, open_sqlite};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_keeps_every_promise() {
    every_promise(Arc::new(open_memory())).await.assert();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_keeps_every_promise() {
    let folder = tempfile::tempdir().unwrap();
    let Place::Sqlite { file } = Place::sqlite(folder.path()) else { panic!("another place") };
    every_promise(Arc::new(open_sqlite(&file).await)).await.assert();
}

async fn postgres_keeps_every_promise(place: Place) {
    let Place::Postgres { url, prefix } = place else { panic!("another place") };
    every_promise(Arc::new(open_postgres(&url, &prefix).await)).await.assert();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a PostgreSQL: GRANTWELL_POSTGRES"]
async fn postgres_keeps_every_promise_at_read_committed() {
    postgres_keeps_every_promise(Place::postgres()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a PostgreSQL: GRANTWELL_POSTGRES"]
async fn postgres_keeps_every_promise_at_serializable() {
    postgres_keeps_every_promise(Place::postgres().serializable()).await;
}

async fn redis_keeps_every_promise(place: Place) {
    let Place::Redis { url, prefix } = place else { panic!("another place") };
    // Keys expire at the very second, which the kit waits for.
    let store = open_redis(&url, &prefix).await.clock_skew(0);
    every_promise_with_native_expiry(Arc::new(store)).await.assert();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a Redis: GRANTWELL_REDIS"]
async fn redis_keeps_every_promise_alone() {
    redis_keeps_every_promise(Place::redis()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a Redis in cluster mode: GRANTWELL_REDIS_CLUSTER"]
async fn redis_keeps_every_promise_in_cluster_mode() {
    redis_keeps_every_promise(Place::redis_cluster()).await;
}
