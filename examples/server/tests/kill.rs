//! The server is killed at random moments under load and started again: what it answered holds.
//!
//! `GRANTWELL_KILLS` is how often, 5 by default. `GRANTWELL_SEED` repeats the choices of a run that failed, but for
//! what the machine makes of them.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may panic")]

mod kill {
    #![allow(unreachable_pub, missing_docs, reason = "parts of this test")]

    pub mod api;
    pub mod check;
    pub mod ledger;
    pub mod load;
    pub mod place;
}
mod support;

use std::sync::Arc;

use futures_util::future::join_all;
use kill::api::Api;
use kill::check::check;
use kill::ledger::Ledger;
use kill::load::{Line, Random, Walker};
use kill::place::{Database, Place};
use support::program::{Program, STOP_WITHIN};
use support::store::{Schema, random_number};
use support::{AUTHORIZE, Browser, CALLBACK, CLIENT, cheap_hash};
use tokio::task::JoinSet;

const WALKERS: usize = 8;
/// The server is killed after fewer answers than this.
const ANSWERS: u32 = 400;
const PASSWORD: &str = "mypassword";

fn number(variable: &str, default: u64) -> u64 {
    let number = std::env::var(variable).ok().map(|value| value.parse());
    number.unwrap_or(Ok(default)).unwrap_or_else(|error| panic!("{variable}: {error}"))
}

/// Codes, and the grace of refresh tokens, last for as long as a slow machine takes for a round.
fn config(user_id: &str) -> String {
    format!(
        "[[clients]]
        client_id = '{}'
        client_secret = '{}'
        redirect_uris = ['{CALLBACK}']
        grant_types = ['authorization_code', 'refresh_token', 'client_credentials']
        scope = 'profile'
        [clients.policy]
        require_pkce = false
        authorization_code_lifetime = 600
        refresh_token = {{ rotation = {{ rotate = {{ grace = 600 }} }} }}
        [[users]]
        user_id = '{user_id}'
        password_hash = '{}'",
        CLIENT.0,
        CLIENT.1,
        cheap_hash(PASSWORD)
    )
}

/// A browser with a session of its own.
async fn log_in(address: &str, user_id: &str) -> Api {
    let browser = Browser::at(&format!("http://{address}"));
    browser.log_in("/", (user_id, PASSWORD)).await;
    Api(Arc::new(browser))
}

/// What the walks learnt until the server was killed, after so many answers.
async fn killed_under_load(program: &mut Program, apis: &[Api], random: &mut Random) -> Vec<Ledger> {
    let line = Arc::new(Line::new());
    let walker = |api: &Api| Walker { api: api.clone(), random: Random(random.next()), line: line.clone() };
    let walkers: Vec<Walker> = apis.iter().map(walker).collect();
    let walks: JoinSet<Ledger> = walkers.into_iter().map(Walker::walk).collect();
    line.answers(random.below(ANSWERS)).await;
    line.cut();
    program.signal("-KILL");
    program.end(STOP_WITHIN);
    walks.join_all().await
}

async fn kills_lose_nothing(database: Database) -> Database {
    let seed = number("GRANTWELL_SEED", random_number());
    println!("GRANTWELL_SEED={seed}");
    let mut random = Random(seed);
    // No other run's, where runs share a Redis.
    let user_id = format!("user_{}", random_number());
    let place = Place::new(database, &config(&user_id));
    let mut program = place.start("127.0.0.1:0");
    let (_, address, _) = program.welcome();
    let apis = join_all((0..WALKERS).map(|_| log_in(&address, &user_id))).await;
    let consent = apis[0].0.get(AUTHORIZE).await.form().set("confirm", "yes");
    assert!(apis[0].0.submit(&consent).await.answer("code").is_some());

    // Grants whose code nobody has; that of the consent is the first.
    let mut unknown = 1;
    for _ in 0..number("GRANTWELL_KILLS", 5) {
        let ledgers = killed_under_load(&mut program, &apis, &mut random).await;
        place.settle().await;
        program = place.start(&address);
        program.welcome();

        assert_eq!(place.halves().await, 0, "redemptions were done by halves");
        let lost_codes: usize = ledgers.iter().map(|ledger| ledger.lost_codes).sum();
        join_all(apis.iter().zip(ledgers).map(|(api, ledger)| check(api, ledger))).await;
        let standing = place.standing(&user_id).await;
        assert!((unknown..=unknown + lost_codes).contains(&standing), "{standing} grants stand, not {unknown}");
        unknown = standing;
    }
    place.database
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_killed_server_keeps_its_word_on_sqlite() {
    kills_lose_nothing(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a PostgreSQL: GRANTWELL_POSTGRES=postgres://.."]
async fn a_killed_server_keeps_its_word_on_postgres() {
    let database = kills_lose_nothing(Database::Postgres(Schema::new().await)).await;
    if let Database::Postgres(schema) = database {
        schema.drop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn a_killed_server_keeps_its_word_on_redis() {
    kills_lose_nothing(Database::Redis).await;
}
