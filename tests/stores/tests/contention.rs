//! Many requests at once, and a database that aborts them or has no connection for them: what a client sees is a right
//! answer or "not now".
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use grantwell_sqlx::{PostgresStore, SqliteStore, sqlite_options};
use grantwell_store_tests::flows::Answer;
use grantwell_store_tests::outcome::{Host, NotNow, Outcome, again};
use grantwell_store_tests::place::{self, EveryStore, Place};
use grantwell_store_tests::with_store;
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::sqlite::SqlitePoolOptions;

/// How many requests are made at once.
const RACERS: usize = 30;

/// What the token endpoint answers.
type Token = Outcome<Answer>;

/// What all of them are answered when they are made at once.
async fn at_once(requests: impl Iterator<Item = impl Future<Output = Token> + Send + 'static>) -> Vec<Token> {
    let requests: Vec<_> = requests.map(tokio::spawn).collect();
    join_all(requests).await.into_iter().map(Result::unwrap).collect()
}

/// How many succeeded, how many came too late, and how many were put off.
fn count(answers: &[Token]) -> [usize; 3] {
    let count = |status| answers.iter().filter(|answer| answer.as_ref().ok().map(|own| own.status) == status).count();
    [Some(200), Some(400), None].map(count)
}

async fn redeem(host: Host, code: String) -> Token {
    host.redeem(&code).await
}

async fn refresh(host: Host, token: String) -> Token {
    host.refresh(&token).await
}

async fn code(host: &Host) -> String {
    host.code("alice").await.unwrap()
}

async fn codes(host: &Host) -> Vec<String> {
    let mut codes = Vec::new();
    for _ in 0..RACERS {
        codes.push(code(host).await);
    }
    codes
}

async fn is_active(host: &Host, tokens: &Answer) -> bool {
    let token = tokens.text("access_token");
    again(async || host.is_active(&token).await).await
}

/// Each code can be redeemed, once, whatever came before.
async fn are_all_redeemable(host: &Host, codes: Vec<String>) {
    for code in codes {
        let redeem = async || again(async || host.redeem(&code).await).await;
        assert!(is_active(host, &redeem().await).await);
        assert_eq!(redeem().await.error(), (400, "invalid_grant"));
    }
}

async fn race_for_one(host: &Host) {
    let contended = code(host).await;
    let answers = at_once((0..RACERS).map(|_| redeem(host.clone(), contended.clone()))).await;
    let [won, lost, put_off] = count(&answers);
    assert!(won == 1 || (won == 0 && put_off > 0), "{won} won, {lost} lost, {put_off} were put off");

    let token = host.redeem(&code(host).await).await.unwrap().text("refresh_token");
    let answers = at_once((0..RACERS).map(|_| refresh(host.clone(), token.clone()))).await;
    assert_eq!(count(&answers)[1], 0);
    let done: Vec<_> = answers.into_iter().flatten().collect();
    for answer in &done {
        assert!(is_active(host, answer).await);
    }
    let successors: HashSet<_> = done.iter().map(|answer| answer.text("refresh_token")).collect();
    assert_eq!(successors.len(), 1);
    for successor in successors {
        host.refresh(&successor).await.unwrap().text("access_token");
    }
}

async fn race_for_each_its_own(host: &Host) {
    let codes = codes(host).await;
    let answers = at_once(codes.iter().map(|code| redeem(host.clone(), code.clone()))).await;
    assert_eq!(count(&answers)[1], 0);
    let mut put_off = Vec::new();
    for (code, answer) in codes.into_iter().zip(answers) {
        match answer {
            Ok(tokens) => assert!(is_active(host, &tokens).await),
            Err(NotNow) => put_off.push(code),
        }
    }
    are_all_redeemable(host, put_off).await;
}

async fn races<S: EveryStore>(store: Arc<S>) {
    let host = Host::over(store).await;
    for _ in 0..5 {
        race_for_one(&host).await;
        race_for_each_its_own(&host).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_at_once_on_sqlite_get_a_right_answer() {
    let folder = tempfile::tempdir().unwrap();
    with_store!(Place::sqlite(folder.path()), |store| races(store).await);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a PostgreSQL: GRANTWELL_POSTGRES"]
async fn thirty_at_once_on_postgres_at_serializable_get_a_right_answer() {
    with_store!(Place::postgres().serializable(), |store| races(store).await);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Redis: GRANTWELL_REDIS"]
async fn thirty_at_once_on_redis_get_a_right_answer() {
    with_store!(Place::redis(), |store| races(store).await);
}

/// Makes PostgreSQL abort the next statements that insert a token: as many as given, for the sake of others.
async fn abort(pool: &PgPool, prefix: &str, count: u32) {
    let sql = format!(
        "DROP SEQUENCE IF EXISTS {prefix}attempts;
        CREATE SEQUENCE {prefix}attempts;
        CREATE OR REPLACE FUNCTION {prefix}abort() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('{prefix}attempts') <= {count} THEN
                RAISE 'could not serialize access' USING ERRCODE = 'serialization_failure';
            END IF;
            RETURN NEW;
        END $$;
        CREATE OR REPLACE TRIGGER abort BEFORE INSERT ON {prefix}access_tokens FOR EACH ROW
        EXECUTE FUNCTION {prefix}abort()"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a PostgreSQL: GRANTWELL_POSTGRES"]
async fn a_serialization_failure_is_tried_again_and_then_not_now() {
    let (url, prefix) = place::postgres();
    let pool = PgPool::connect(&place::serializable(&url)).await.unwrap();
    let store = PostgresStore::with_prefix(pool.clone(), &prefix).unwrap();
    store.migrate().await.unwrap();
    let host = Host::over(Arc::new(store)).await;

    abort(&pool, &prefix, 3).await;
    let tokens = host.redeem(&code(&host).await).await.unwrap();
    abort(&pool, &prefix, 3).await;
    let tokens = host.refresh(&tokens.text("refresh_token")).await.unwrap();
    abort(&pool, &prefix, 3).await;
    assert!(is_active(&host, &host.client_credentials().await.unwrap()).await);

    let (code, token) = (code(&host).await, tokens.text("refresh_token"));
    abort(&pool, &prefix, u32::MAX).await;
    let answers = tokio::join!(host.redeem(&code), host.refresh(&token), host.client_credentials());
    for answer in [answers.0, answers.1, answers.2] {
        answer.unwrap_err();
    }
    abort(&pool, &prefix, 0).await;
    assert!(is_active(&host, &host.redeem(&code).await.unwrap()).await);
    assert!(is_active(&host, &host.refresh(&token).await.unwrap()).await);
}

/// How long a request waits for a connection.
const WAITING: Duration = Duration::from_millis(300);

/// `hold` takes the only connection until what it answers is dropped.
async fn by_one_connection<S: EveryStore, H>(store: S, hold: impl AsyncFnOnce() -> H) {
    let host = Host::over(Arc::new(store)).await;
    race_for_each_its_own(&host).await;
    let codes = codes(&host).await;
    let held = hold().await;
    let answers = at_once(codes.iter().map(|code| redeem(host.clone(), code.clone()))).await;
    assert_eq!(count(&answers), [0, 0, RACERS]);
    drop(held);
    are_all_redeemable(&host, codes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_of_sqlite_that_is_too_small_is_not_now() {
    let folder = tempfile::tempdir().unwrap();
    let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(WAITING);
    let pool = pool.connect_with(sqlite_options(folder.path().join("state.db"))).await.unwrap();
    let store = SqliteStore::new(pool.clone());
    store.migrate().await.unwrap();
    by_one_connection(store, async || pool.acquire().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a PostgreSQL: GRANTWELL_POSTGRES"]
async fn a_pool_of_postgres_that_is_too_small_is_not_now() {
    let (url, prefix) = place::postgres();
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(WAITING).connect(&url).await.unwrap();
    let store = PostgresStore::with_prefix(pool.clone(), &prefix).unwrap();
    store.migrate().await.unwrap();
    by_one_connection(store, async || pool.acquire().await.unwrap()).await;
}
