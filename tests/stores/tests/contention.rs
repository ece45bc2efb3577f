//! Many requests at once, and a database that aborts them or has no connection for them: what a client sees is a right
//! answer or "not now".
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use grantwell_sqlx::{PostgresStore, SqliteStore, sqlite_options};
use grantwell_store_tests::flows::{Answer, Flows};
use grantwell_store_tests::place::{EveryStore, Place};
use grantwell_store_tests::with_store;
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::sqlite::SqlitePoolOptions;
use tokio::time::sleep;

/// How many requests are made at once.
const RACERS: usize = 30;

const SUCCESS: (u16, &str) = (200, "");
const USED_UP: (u16, &str) = (400, "invalid_grant");
const NOT_NOW: (u16, &str) = (503, "temporarily_unavailable");

/// What all of them are answered when they are made at once.
async fn at_once<F: Future<Output = Answer> + Send + 'static>(requests: impl Iterator<Item = F>) -> Vec<Answer> {
    let requests: Vec<_> = requests.map(tokio::spawn).collect();
    join_all(requests).await.into_iter().map(Result::unwrap).collect()
}

/// How many succeeded, how many came too late, and how many were put off. There is nothing else.
#[track_caller]
fn count(answers: &[Answer]) -> [usize; 3] {
    let kinds = [SUCCESS, USED_UP, NOT_NOW];
    let other = answers.iter().find(|answer| !kinds.contains(&answer.error()));
    assert_eq!(other, None);
    kinds.map(|kind| answers.iter().filter(|answer| answer.error() == kind).count())
}

async fn redeem(flows: Flows, code: String) -> Answer {
    flows.redeem(&code).await
}

async fn refresh(flows: Flows, token: String) -> Answer {
    flows.refresh(&token).await
}

async fn codes(flows: &Flows) -> Vec<String> {
    let mut codes = Vec::new();
    for _ in 0..RACERS {
        codes.push(flows.code("alice").await);
    }
    codes
}

/// Asks until there is another answer than "not now", which must be soon.
async fn again(ask: impl AsyncFn() -> Answer) -> Answer {
    for _ in 0..100 {
        let answer = ask().await;
        if answer.error() != NOT_NOW {
            return answer;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("not now for too long");
}

async fn is_active(flows: &Flows, tokens: &Answer) -> bool {
    let token = tokens.text("access_token");
    again(async || flows.post("/introspect", &[("token", &token)]).await).await.json["active"] == true
}

/// Each code can be redeemed, once, whatever came before.
async fn are_all_redeemable(flows: &Flows, codes: Vec<String>) {
    for code in codes {
        let redeem = async || again(async || flows.redeem(&code).await).await;
        assert!(is_active(flows, &redeem().await).await);
        assert_eq!(redeem().await.error(), USED_UP);
    }
}

async fn race_for_one(flows: &Flows) {
    let code = flows.code("alice").await;
    let answers = at_once((0..RACERS).map(|_| redeem(flows.clone(), code.clone()))).await;
    let [won, lost, put_off] = count(&answers);
    assert!(won == 1 || (won == 0 && put_off > 0), "{won} won, {lost} lost, {put_off} were put off");

    let token = flows.redeem(&flows.code("alice").await).await.text("refresh_token");
    let answers = at_once((0..RACERS).map(|_| refresh(flows.clone(), token.clone()))).await;
    assert_eq!(count(&answers)[1], 0);
    let (done, _): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    for answer in &done {
        assert!(is_active(flows, answer).await);
    }
    let successors: HashSet<_> = done.iter().map(|answer| answer.text("refresh_token")).collect();
    assert_eq!(successors.len(), 1);
    for successor in successors {
        flows.refresh(&successor).await.text("access_token");
    }
}

async fn race_for_each_its_own(flows: &Flows) {
    let codes = codes(flows).await;
    let answers = at_once(codes.iter().map(|code| redeem(flows.clone(), code.clone()))).await;
    assert_eq!(count(&answers)[1], 0);
    let mut put_off = Vec::new();
    for (code, answer) in codes.into_iter().zip(answers) {
        if answer.status == 200 {
            assert!(is_active(flows, &answer).await);
        } else {
            put_off.push(code);
        }
    }
    are_all_redeemable(flows, put_off).await;
}

async fn races<S: EveryStore>(store: Arc<S>) {
    let flows = Flows::over(&store).await;
    for _ in 0..5 {
        race_for_one(&flows).await;
        race_for_each_its_own(&flows).await;
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
    let Place::Postgres { url, prefix } = Place::postgres().serializable() else { unreachable!() };
    let pool = PgPool::connect(&url).await.unwrap();
    let store = PostgresStore::with_prefix(pool.clone(), &prefix).unwrap();
    store.migrate().await.unwrap();
    let flows = Flows::over(&Arc::new(store)).await;

    abort(&pool, &prefix, 3).await;
    let tokens = flows.redeem(&flows.code("alice").await).await;
    abort(&pool, &prefix, 3).await;
    let tokens = flows.refresh(&tokens.text("refresh_token")).await;
    abort(&pool, &prefix, 3).await;
    assert!(is_active(&flows, &flows.client_credentials().await).await);

    let (code, token) = (flows.code("alice").await, tokens.text("refresh_token"));
    abort(&pool, &prefix, u32::MAX).await;
    let answers = tokio::join!(flows.redeem(&code), flows.refresh(&token), flows.client_credentials());
    for answer in [answers.0, answers.1, answers.2] {
        assert_eq!(answer.error(), NOT_NOW);
    }
    abort(&pool, &prefix, 0).await;
    assert!(is_active(&flows, &flows.redeem(&code).await).await);
    assert!(is_active(&flows, &flows.refresh(&token).await).await);
}

/// How long a request waits for a connection.
const WAITING: Duration = Duration::from_millis(300);

/// `hold` takes the only connection until what it answers is dropped.
async fn by_one_connection<S: EveryStore, H>(store: S, hold: impl AsyncFnOnce() -> H) {
    let flows = Flows::over(&Arc::new(store)).await;
    race_for_each_its_own(&flows).await;
    let codes = codes(&flows).await;
    let held = hold().await;
    let answers = at_once(codes.iter().map(|code| redeem(flows.clone(), code.clone()))).await;
    assert_eq!(count(&answers), [0, 0, RACERS]);
    drop(held);
    are_all_redeemable(&flows, codes).await;
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
    let Place::Postgres { url, prefix } = Place::postgres() else { unreachable!() };
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(WAITING).connect(&url).await.unwrap();
    let store = PostgresStore::with_prefix(pool.clone(), &prefix).unwrap();
    store.migrate().await.unwrap();
    by_one_connection(store, async || pool.acquire().await.unwrap()).await;
}
