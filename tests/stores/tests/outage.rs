//! The way to a database is closed for a while: every answer is "not now", and then all of it works again, without a
//! restart.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use grantwell_sqlx::{SqliteStore, sqlite_options};
use grantwell_store_tests::outcome::{Host, again};
use grantwell_store_tests::place;
use grantwell_store_tests::proxy::Proxy;
use sqlx::sqlite::SqlitePoolOptions;

/// One of everything a request can present.
struct Presents {
    ticket: String,
    code: String,
    access_token: String,
    refresh_token: String,
}

impl Presents {
    async fn from(host: &Host) -> Self {
        let tokens = host.redeem(&host.code("alice").await.unwrap()).await.unwrap();
        Self {
            ticket: host.authorize("bob").await.unwrap().ticket(),
            code: host.authorize("alice").await.unwrap().code(),
            access_token: tokens.text("access_token"),
            refresh_token: tokens.text("refresh_token"),
        }
    }

    /// Which requests that only read are answered.
    async fn reads(&self, host: &Host) -> [bool; 2] {
        let answers = tokio::join!(host.authorize("bob"), host.is_active(&self.access_token));
        [answers.0.is_ok(), answers.1.is_ok()]
    }

    /// Which others are.
    async fn writes(&self, host: &Host) -> [bool; 6] {
        let answers = tokio::join!(
            host.decide("bob", &self.ticket),
            host.redeem(&self.code),
            host.refresh(&self.refresh_token),
            host.client_credentials(),
            host.revoke(&self.access_token),
            host.disconnect("alice"),
        );
        let (decided, redeemed, refreshed, credentials, revoked, disconnected) = answers;
        [
            decided.is_ok(),
            redeemed.is_ok(),
            refreshed.is_ok(),
            credentials.is_ok(),
            revoked.is_ok(),
            disconnected.is_ok(),
        ]
    }

    /// Nothing was spent or revoked by a request that was not answered, and all of it works again.
    async fn work(&self, host: &Host) {
        again(async || host.client_credentials().await).await.text("access_token");
        let code = again(async || host.decide("bob", &self.ticket).await).await;
        for code in [&code, &self.code] {
            again(async || host.redeem(code).await).await.text("access_token");
        }
        let is_active = async || again(async || host.is_active(&self.access_token).await).await;
        assert!(is_active().await);
        let next = again(async || host.refresh(&self.refresh_token).await).await;
        again(async || host.revoke(&self.access_token).await).await;
        assert!(!is_active().await);
        assert!(again(async || host.is_active(&next.text("access_token")).await).await);
        assert_eq!(again(async || host.disconnect("alice").await).await, 2);
        assert!(!again(async || host.is_active(&next.text("access_token")).await).await);
    }
}

/// Nothing is answered while the way is closed. Once it is open, each connection that there was may fail once.
async fn closed_for_a_while(host: &Host, proxy: &mut Proxy, connections: usize) {
    // So many at once that a pool opens every connection it may.
    let subjects: Vec<_> = (0..30).map(|n| format!("subject {n}")).collect();
    let codes = join_all(subjects.iter().map(|subject| host.code(subject))).await;
    proxy.close().await;
    proxy.open();
    let mut faults = 0;
    for code in codes.into_iter().map(Result::unwrap) {
        while host.redeem(&code).await.map(|tokens| tokens.text("access_token")).is_err() {
            faults += 1;
        }
    }
    assert!((1..=connections).contains(&faults), "{faults}");

    let presents = Presents::from(host).await;
    proxy.close().await;
    assert_eq!(presents.reads(host).await, [false; 2]);
    assert_eq!(presents.writes(host).await, [false; 6]);
    proxy.open();
    presents.work(host).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a PostgreSQL: GRANTWELL_POSTGRES"]
async fn postgres_goes_away_and_comes_back() {
    let (url, prefix) = place::postgres();
    let mut proxy = Proxy::before(&url);
    let host = Host::over_postgres(&proxy.url(), &prefix, 8).await;
    closed_for_a_while(&host, &mut proxy, 8).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Redis: GRANTWELL_REDIS"]
async fn redis_goes_away_and_comes_back() {
    let (url, prefix) = place::redis();
    let mut proxy = Proxy::before(&url);
    let host = Host::over_redis(&proxy.url(), &prefix).await;
    closed_for_a_while(&host, &mut proxy, 1).await;
}

/// Another process holds SQLite's write lock for longer than anybody waits: who reads does not notice.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_sqlite_file_answers_readers_and_comes_back_for_writers() {
    let folder = tempfile::tempdir().unwrap();
    let options = sqlite_options(folder.path().join("state.db")).busy_timeout(Duration::from_millis(10));
    let store = SqliteStore::new(SqlitePoolOptions::new().connect_with(options.clone()).await.unwrap());
    store.migrate().await.unwrap();
    let host = Host::over(Arc::new(store)).await;
    let presents = Presents::from(&host).await;

    let other = SqlitePoolOptions::new().connect_with(options).await.unwrap();
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    assert_eq!(presents.writes(&host).await, [false; 6]);
    assert_eq!(presents.reads(&host).await, [true; 2]);
    lock.rollback().await.unwrap();
    presents.work(&host).await;
}
