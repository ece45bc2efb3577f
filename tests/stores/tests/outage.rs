//! The way to a database fails at any request, or is closed for a while: the answer is right or "not now", what is used
//! up works once, what was acknowledged is there, and what failed can be done again, without a restart.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use grantwell::{Clock as _, SystemClock};
use grantwell_redis::RedisStore;
use grantwell_sqlx::{PostgresStore, SqliteStore, sqlite_options};
use grantwell_store_tests::flows::Answer;
use grantwell_store_tests::outcome::{Host, NotNow, Outcome, again};
use grantwell_store_tests::place::Place;
use grantwell_store_tests::proxy::{Fault, Proxy};
use redis::aio::ConnectionManagerConfig;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::SqlitePoolOptions;

/// One run of a flow, whose `k`-th request to the database fails.
struct Run<'a> {
    host: &'a Host,
    proxy: &'a Proxy,
    fault: Fault,
    k: usize,
    subject: String,
}

/// What became of a flow at whose `k`-th request the way failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Became {
    /// It was answered all the same, or could be done again.
    Done,
    /// It was done, but nobody learnt it, and it cannot be done again.
    Lost,
}

impl Run<'_> {
    /// What it answered in spite of the fault; `None` if it makes fewer requests.
    async fn faulted<T>(&self, ask: impl Future<Output = Outcome<T>>) -> Option<Option<T>> {
        let answer = self.proxy.during(self.fault, self.k, ask).await?;
        Some(answer.and_then(Result::ok))
    }

    async fn ticket(&self) -> String {
        again(async || self.host.authorize(&self.subject).await).await.unwrap_err()
    }

    async fn decide(&self, ticket: &str) -> String {
        again(async || self.host.decide(&self.subject, ticket).await).await
    }

    async fn code(&self) -> String {
        match again(async || self.host.authorize(&self.subject).await).await {
            Ok(code) => code,
            Err(ticket) => self.decide(&ticket).await,
        }
    }

    async fn redeem(&self, code: &str) -> Answer {
        again(async || self.host.redeem(code).await).await
    }

    async fn refresh(&self, token: &str) -> Answer {
        again(async || self.host.refresh(token).await).await
    }

    async fn tokens(&self) -> Answer {
        self.redeem(&self.code().await).await
    }

    async fn is_active(&self, token: &str) -> bool {
        again(async || self.host.is_active(token).await).await
    }

    /// The tokens work, and what came before them does not.
    async fn are_good(&self, tokens: &Answer, code: &str) {
        assert!(self.is_active(&tokens.text("access_token")).await);
        let next = self.refresh(&tokens.text("refresh_token")).await;
        assert!(self.is_active(&next.text("access_token")).await);
        assert_eq!(self.redeem(code).await.error(), (400, "invalid_grant"));
    }

    /// Nothing the subject approved works.
    async fn is_undone(&self) {
        let list = async || {
            let list = self.host.store.list_authorizations(&self.subject.as_str().into(), SystemClock.now()).await;
            list.map_err(|_| NotNow)
        };
        assert_eq!(again(list).await, []);
    }

    async fn authorizing(&self) -> Option<Became> {
        if let Some(answer) = self.faulted(self.host.authorize(&self.subject)).await? {
            answer.unwrap_err();
        }
        let code = self.decide(&self.ticket().await).await;
        self.are_good(&self.redeem(&code).await, &code).await;
        Some(Became::Done)
    }

    async fn deciding(&self) -> Option<Became> {
        let ticket = self.ticket().await;
        let first = self.faulted(self.host.decide(&self.subject, &ticket)).await?;
        let code = self.decide(&ticket).await;
        assert!(first.is_none_or(|first| first == code));
        self.are_good(&self.redeem(&code).await, &code).await;
        Some(Became::Done)
    }

    async fn authorizing_silently(&self) -> Option<Became> {
        self.decide(&self.ticket().await).await;
        let code = self.faulted(self.host.authorize(&self.subject)).await?;
        let code = match code {
            Some(code) => code.unwrap(),
            None => self.code().await,
        };
        self.are_good(&self.redeem(&code).await, &code).await;
        Some(Became::Done)
    }

    async fn redeeming(&self) -> Option<Became> {
        let code = self.code().await;
        if let Some(tokens) = self.faulted(self.host.redeem(&code)).await? {
            self.are_good(&tokens, &code).await;
            return Some(Became::Done);
        }
        let answer = self.redeem(&code).await;
        if answer.status == 200 {
            self.are_good(&answer, &code).await;
            return Some(Became::Done);
        }
        // It was a replay, which revokes.
        self.is_undone().await;
        Some(Became::Lost)
    }

    async fn replaying(&self) -> Option<Became> {
        let code = self.code().await;
        let tokens = self.redeem(&code).await;
        let answer = self.faulted(self.host.redeem(&code)).await?;
        assert!(answer.is_none_or(|answer| answer.status == 400));
        assert_eq!(self.redeem(&code).await.error(), (400, "invalid_grant"));
        assert!(!self.is_active(&tokens.text("access_token")).await);
        self.is_undone().await;
        Some(Became::Done)
    }

    async fn refreshing(&self) -> Option<Became> {
        let first = self.tokens().await.text("refresh_token");
        let answer = self.faulted(self.host.refresh(&first)).await?;
        let second = self.refresh(&first).await;
        for answer in answer.iter().chain([&second]) {
            assert_eq!(answer.text("refresh_token"), second.text("refresh_token"), "one successor");
            assert!(self.is_active(&answer.text("access_token")).await);
        }
        let third = self.refresh(&second.text("refresh_token")).await;
        assert!(self.is_active(&third.text("access_token")).await);
        assert_eq!(self.refresh(&first).await.error(), (400, "invalid_grant"));
        Some(Became::Done)
    }

    async fn repeating_a_refresh(&self) -> Option<Became> {
        let first = self.tokens().await.text("refresh_token");
        let second = self.refresh(&first).await;
        let answer = self.faulted(self.host.refresh(&first)).await?;
        for answer in answer.iter().chain([&self.refresh(&first).await]) {
            assert_eq!(answer.text("refresh_token"), second.text("refresh_token"), "one successor");
            assert!(self.is_active(&answer.text("access_token")).await);
        }
        Some(Became::Done)
    }

    async fn using_client_credentials(&self) -> Option<Became> {
        let answer = self.faulted(self.host.client_credentials()).await?;
        for answer in answer.iter().chain([&again(async || self.host.client_credentials().await).await]) {
            assert!(self.is_active(&answer.text("access_token")).await);
        }
        Some(Became::Done)
    }

    async fn introspecting(&self, name: &str) -> Option<Became> {
        let token = self.tokens().await.text(name);
        assert!(self.faulted(self.host.is_active(&token)).await?.unwrap_or(true));
        assert!(self.is_active(&token).await);
        Some(Became::Done)
    }

    async fn revoking(&self, name: &str) -> Option<Became> {
        let tokens = self.tokens().await;
        let token = tokens.text(name);
        if self.faulted(self.host.revoke(&token)).await?.is_none() {
            assert_eq!(again(async || self.host.revoke(&token).await).await.status, 200);
        }
        assert!(!self.is_active(&tokens.text("access_token")).await);
        if name == "refresh_token" {
            self.is_undone().await;
        }
        Some(Became::Done)
    }

    async fn disconnecting(&self) -> Option<Became> {
        let tokens = self.tokens().await;
        if self.faulted(self.host.disconnect(&self.subject)).await?.is_none() {
            again(async || self.host.disconnect(&self.subject).await).await;
        }
        assert!(!self.is_active(&tokens.text("access_token")).await);
        self.is_undone().await;
        self.ticket().await;
        Some(Became::Done)
    }

    async fn flow(&self, name: &str) -> Option<Became> {
        match name {
            "authorize" => self.authorizing().await,
            "decide" => self.deciding().await,
            "authorize silently" => self.authorizing_silently().await,
            "redeem" => self.redeeming().await,
            "replay" => self.replaying().await,
            "refresh" => self.refreshing().await,
            "refresh again" => self.repeating_a_refresh().await,
            "client credentials" => self.using_client_credentials().await,
            "introspect" => self.introspecting("access_token").await,
            "introspect a refresh token" => self.introspecting("refresh_token").await,
            "revoke" => self.revoking("access_token").await,
            "revoke a refresh token" => self.revoking("refresh_token").await,
            "disconnect" => self.disconnecting().await,
            other => panic!("{other}?"),
        }
    }
}

const FLOWS: [&str; 13] = [
    "authorize",
    "decide",
    "authorize silently",
    "redeem",
    "replay",
    "refresh",
    "refresh again",
    "client credentials",
    "introspect",
    "introspect a refresh token",
    "revoke",
    "revoke a refresh token",
    "disconnect",
];

/// `silence`: after what time a request is dropped to which the database does not reply.
async fn every_flow_at_every_request(host: &Host, proxy: &Proxy, silence: Duration) {
    static SUBJECTS: AtomicUsize = AtomicUsize::new(0);
    for name in FLOWS {
        for fault in [Fault::NotSent, Fault::ReplyLost, Fault::Silence(silence)] {
            let mut outcomes = Vec::new();
            loop {
                let k = outcomes.len();
                // The last such line says where a flow failed.
                println!("{name}: {fault:?} {k}");
                let subject = format!("subject {}", SUBJECTS.fetch_add(1, Ordering::Relaxed));
                match (Run { host, proxy, fault, k, subject }).flow(name).await {
                    Some(became) => outcomes.push(became),
                    None => break,
                }
            }
            let lost = outcomes.iter().filter(|became| **became == Became::Lost).count();
            assert_eq!(lost, usize::from(name == "redeem" && fault != Fault::NotSent), "{outcomes:?}");
            assert!(outcomes.len() >= 2, "the client and what is asked for");
        }
    }
}

/// How long a pool or connection tries to reach its database.
const CONNECTING: Duration = Duration::from_secs(1);

/// How long a reply of Redis is awaited.
const REPLYING: Duration = Duration::from_millis(250);

async fn postgres(proxy: &Proxy, prefix: &str, connections: u32) -> Host {
    // Each statement is prepared each time, so that the same requests are made every time.
    let options: PgConnectOptions = proxy.url().parse().unwrap();
    let options = options.statement_cache_capacity(0);
    let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(CONNECTING);
    let pool = pool.test_before_acquire(false).connect_with(options).await.unwrap();
    let store = PostgresStore::with_prefix(pool, prefix).unwrap();
    store.migrate().await.unwrap();
    Host::over(store).await
}

async fn redis(proxy: &Proxy, prefix: &str) -> Host {
    let config = ConnectionManagerConfig::new().set_number_of_retries(1).set_response_timeout(Some(REPLYING));
    let client = redis::Client::open(proxy.url()).unwrap();
    let connection = client.get_connection_manager_with_config(config).await.unwrap();
    Host::over(RedisStore::new(connection).with_prefix(prefix)).await
}

/// One of everything a request can present.
struct Presents {
    ticket: String,
    code: String,
    access_token: String,
    refresh_token: String,
}

impl Presents {
    async fn from(host: &Host) -> Self {
        let tokens = host.redeem(&code(host, "alice").await).await.unwrap();
        Self {
            ticket: host.authorize("bob").await.unwrap().unwrap_err(),
            code: host.authorize("alice").await.unwrap().unwrap(),
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

/// A code of a subject that never approved anything before.
async fn code(host: &Host, subject: &str) -> String {
    let ticket = host.authorize(subject).await.unwrap().unwrap_err();
    host.decide(subject, &ticket).await.unwrap()
}

/// Nothing is answered while the way is closed. Once it is open, each connection that there was may fail once.
async fn closed_for_a_while(host: &Host, proxy: &mut Proxy, connections: usize) {
    // So many at once that a pool opens every connection it may.
    let subjects: Vec<_> = (0..30).map(|n| format!("subject {n}")).collect();
    let codes = join_all(subjects.iter().map(|subject| code(host, subject))).await;
    proxy.close().await;
    proxy.open();
    let mut faults = 0;
    for code in codes {
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
    let Place::Postgres { url, prefix } = Place::postgres() else { unreachable!() };
    let mut proxy = Proxy::before(&url);
    let host = postgres(&proxy, &prefix, 8).await;
    closed_for_a_while(&host, &mut proxy, 8).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Redis: GRANTWELL_REDIS"]
async fn redis_goes_away_and_comes_back() {
    let Place::Redis { url, prefix } = Place::redis() else { unreachable!() };
    let mut proxy = Proxy::before(&url);
    let host = redis(&proxy, &prefix).await;
    closed_for_a_while(&host, &mut proxy, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a PostgreSQL: GRANTWELL_POSTGRES"]
async fn every_flow_survives_a_fault_at_every_request_to_postgres() {
    let Place::Postgres { url, prefix } = Place::postgres() else { unreachable!() };
    let proxy = Proxy::before(&url);
    // By one connection the requests come in one order, every time.
    let host = postgres(&proxy, &prefix, 1).await;
    // There is no time limit of the pool's own.
    every_flow_at_every_request(&host, &proxy, Duration::from_millis(100)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Redis: GRANTWELL_REDIS"]
async fn every_flow_survives_a_fault_at_every_request_to_redis() {
    let Place::Redis { url, prefix } = Place::redis() else { unreachable!() };
    let proxy = Proxy::before(&url);
    let host = redis(&proxy, &prefix).await;
    every_flow_at_every_request(&host, &proxy, 2 * REPLYING).await;
}

/// Another process holds SQLite's write lock for longer than anybody waits: who reads does not notice.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_sqlite_file_answers_readers_and_comes_back_for_writers() {
    let folder = tempfile::tempdir().unwrap();
    let options = sqlite_options(folder.path().join("state.db")).busy_timeout(Duration::from_millis(10));
    let store = SqliteStore::new(SqlitePoolOptions::new().connect_with(options.clone()).await.unwrap());
    store.migrate().await.unwrap();
    let host = Host::over(store).await;
    let presents = Presents::from(&host).await;

    let other = SqlitePoolOptions::new().connect_with(options).await.unwrap();
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    assert_eq!(presents.writes(&host).await, [false; 6]);
    assert_eq!(presents.reads(&host).await, [true; 2]);
    lock.rollback().await.unwrap();
    presents.work(&host).await;
}
