//! What a database does on a bad day: it aborts, it is busy, rows are locked or cannot be read.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::*;
use grantwell::Digest;
use grantwell::storage::*;
use grantwell_sqlx::{PostgresStore, SqliteStore, sqlite_options};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;
use tokio::time::timeout;

/// Longer than any of these calls may take.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a PostgreSQL: GRANTWELL_POSTGRES"]
async fn what_postgres_aborts_for_another_transaction_is_tried_again() {
    let url = format!("{}?options=-c%20default_transaction_isolation=serializable", postgres_url());
    let pool = PgPoolOptions::new().max_connections(20).connect(&url).await.unwrap();
    let store = PostgresStore::with_prefix(pool, &unique("abort_")).unwrap();
    store.migrate().await.unwrap();
    for round in 0..20 {
        store.save_authorization_code(&code(round)).await.unwrap();
        let redeem = |n| {
            let store = store.clone();
            let issued = issued(round, &format!("token {round} {n}"));
            tokio::spawn(async move { store.redeem_authorization_code(&code(round).code, &issued).await })
        };
        let mut saved = 0;
        for task in (0..20).map(redeem).collect::<Vec<_>>() {
            saved += usize::from(task.await.unwrap().unwrap() == Redeemed::Saved);
        }
        assert_eq!(saved, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_sqlite_is_asked_again_and_given_up_in_bounded_time() {
    let folder = tempfile::tempdir().unwrap();
    let options = sqlite_options(folder.path().join("state.db")).busy_timeout(Duration::ZERO);
    let pool = SqlitePoolOptions::new().connect_with(options).await.unwrap();
    let store = SqliteStore::new(pool.clone());
    store.migrate().await.unwrap();

    let other = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let (first, second) = (for_itself("first"), for_itself("second"));
    let mut save = std::pin::pin!(store.save_token(&first));
    assert!(timeout(Duration::from_millis(20), &mut save).await.is_err(), "it has not given up yet");
    other.rollback().await.unwrap();
    timeout(SOON, save).await.unwrap().unwrap();

    let other = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    assert!(timeout(SOON, store.save_token(&second)).await.unwrap().is_err());
    other.rollback().await.unwrap();
    store.save_token(&second).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_wait_for_a_busy_sqlite_none_waits_long() {
    let folder = tempfile::tempdir().unwrap();
    let options = sqlite_options(folder.path().join("state.db")).busy_timeout(Duration::from_millis(500));
    let pool = SqlitePoolOptions::new().acquire_timeout(Duration::from_secs(1)).connect_with(options).await.unwrap();
    let store = SqliteStore::new(pool.clone());
    store.migrate().await.unwrap();
    let other = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let save = |n| {
        let store = store.clone();
        tokio::spawn(async move { store.save_token(&for_itself(&format!("token {n}"))).await })
    };
    let saves: Vec<_> = (0..50).map(save).collect();
    let all = async {
        for save in saves {
            assert!(save.await.unwrap().is_err());
        }
    };
    timeout(SOON, all).await.unwrap();
    other.rollback().await.unwrap();
    store.save_token(&for_itself("token")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a PostgreSQL: GRANTWELL_POSTGRES"]
async fn purging_postgres_leaves_out_what_another_transaction_holds() {
    let (pool, prefix) = (postgres().await, unique("purge_"));
    let store = PostgresStore::with_prefix(pool.clone(), &prefix).unwrap();
    store.migrate().await.unwrap();
    for n in 0..10 {
        store.save_token(&for_itself(&format!("token {n}"))).await.unwrap();
    }
    let mut other = pool.begin().await.unwrap();
    let hold = format!("UPDATE {prefix}access_tokens SET revoked = TRUE WHERE id = $1");
    let held = Digest::of("token 3").to_string();
    sqlx::query(AssertSqlSafe(hold)).bind(held).execute(&mut *other).await.unwrap();
    assert_eq!(timeout(SOON, store.purge(at(300), 100)).await.unwrap().unwrap(), 9);
    other.commit().await.unwrap();
    assert_eq!(store.purge(at(300), 100).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_sqlite_refuses_and_recovers() {
    let (_folder, pool) = sqlite().await;
    let store = SqliteStore::new(pool.clone());
    store.migrate().await.unwrap();
    let full = sqlite_options(pool.connect_options().get_filename()).pragma("max_page_count", "60");
    let full = SqliteStore::new(SqlitePoolOptions::new().max_connections(1).connect_with(full).await.unwrap());
    let mut saved = 0;
    while full.save_token(&for_itself(&format!("token {saved}"))).await.is_ok() {
        saved += 1;
    }
    // What comes at once shares a transaction.
    let late: Vec<_> = (0..4).map(|n| for_itself(&format!("late {n}"))).collect();
    let refused = tokio::join!(full.save_token(&late[0]), full.save_token(&late[1]), full.save_token(&late[2]));
    for refused in [refused.0, refused.1, refused.2] {
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("full"), "{error}");
    }
    assert!(store.query_token(&Digest::of("token 0")).await.unwrap().is_some());
    assert!(store.query_token(&Digest::of("late 1")).await.unwrap().is_none());
    assert!(full.purge(at(1_000), 10_000).await.unwrap() > 0, "there is room again");
    full.save_token(&late[3]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gave_up_on_a_locked_sqlite_finds_nothing_done_and_keeps_nobody_waiting() {
    let (_folder, pool) = sqlite().await;
    let store = SqliteStore::new(pool.clone());
    store.migrate().await.unwrap();
    let lock = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let given_up: Vec<_> = (0..200).map(|n| for_itself(&format!("token {n}"))).collect();
    for issued in &given_up {
        assert!(timeout(Duration::from_micros(10), store.save_token(issued)).await.is_err());
    }
    let last = for_itself("last");
    let unlock = async {
        tokio::task::yield_now().await;
        lock.rollback().await
    };
    let (saved, unlocked) = timeout(SOON, async { tokio::join!(store.save_token(&last), unlock) }).await.unwrap();
    saved.unwrap();
    unlocked.unwrap();
    for issued in &given_up {
        assert_eq!(store.query_token(&issued.access_token.token).await.unwrap(), None);
    }
}

/// Makes every payload `payload` and sees that every look-up is an error, neither a wrong answer nor a panic.
macro_rules! refuses_corrupt_rows {
    ($store:expr, $pool:expr, $prefix:expr) => {
        let (store, pool, prefix) = ($store, $pool, $prefix);
        store.migrate().await.unwrap();
        store.save_authorization_code(&code(1)).await.unwrap();
        store.save_token(&issued(1, "token")).await.unwrap();
        store.save_signing_key(&signing_key()).await.unwrap();
        for payload in ["{\"v\":1,\"r\":{", "{\"v\":99,\"r\":{}}", "{\"v\":1,\"r\":{}}", "null", ""] {
            for table in ["codes", "access_tokens", "refresh_tokens", "authorizations", "signing_keys"] {
                let corrupt = format!("UPDATE {prefix}{table} SET payload = $1");
                sqlx::query(AssertSqlSafe(corrupt)).bind(payload).execute(&pool).await.unwrap();
            }
            assert!(store.query_authorization_code(&code(1).code).await.is_err(), "{payload}");
            assert!(store.query_token(&Digest::of("token")).await.is_err(), "{payload}");
            assert!(store.query_refresh_token(&family(1, 0).handle).await.is_err(), "{payload}");
            assert!(store.list_authorizations(&"alice".into(), at(0)).await.is_err(), "{payload}");
            assert!(store.query_signing_keys(&signing_key().issuer).await.is_err(), "{payload}");
        }
        let revoked = store.revoke_authorizations(&Selector::Subject("alice".into())).await.unwrap();
        assert_eq!(revoked, 1, "what cannot be read can still be revoked");
    };
}

#[tokio::test]
async fn a_corrupt_row_of_sqlite_is_an_error() {
    let (_folder, pool) = sqlite().await;
    refuses_corrupt_rows!(SqliteStore::new(pool.clone()), pool, "grantwell_");
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: GRANTWELL_POSTGRES"]
async fn a_corrupt_row_of_postgres_is_an_error() {
    let (pool, prefix) = (postgres().await, unique("corrupt_"));
    refuses_corrupt_rows!(PostgresStore::with_prefix(pool.clone(), &prefix).unwrap(), pool, prefix);
}
