//! Two processes on one database race for one code, one refresh token, one `jti`, one generation of a signing key: one wins, every round.
//!
//! GRANTWELL_ROUNDS says how many rounds.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use grantwell_store_tests::flows::Flows;
use grantwell_store_tests::place::{EveryStore, Place};
use grantwell_store_tests::with_store;

fn rounds() -> usize {
    std::env::var("GRANTWELL_ROUNDS").map_or(50, |rounds| rounds.parse().unwrap())
}

/// A process of `src/main.rs`.
struct Process {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(place: &Place) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_grantwell-store-tests"));
        let command = command.arg(place.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let orders = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(answers.next().unwrap().unwrap(), "ready");
        Self { child, orders, answers }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Race([Process; 2]);

impl Race {
    fn at(place: &Place) -> Self {
        Self([Process::start(place), Process::start(place)])
    }

    /// What every racer of both processes says to `order`.
    fn run(&mut self, order: &str) -> Vec<String> {
        for process in &mut self.0 {
            writeln!(process.orders, "{order}").unwrap();
        }
        let answers = self.0.iter_mut().map(|process| process.answers.next().unwrap().unwrap());
        answers.collect::<Vec<_>>().join(" ").split(' ').map(str::to_owned).collect()
    }
}

/// How many answers are `wanted`, of which all others are `rest`.
#[track_caller]
fn count(answers: &[String], is_wanted: impl Fn(&str) -> bool, rest: &str) -> usize {
    let (wanted, others): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| is_wanted(answer));
    assert!(others.iter().all(|answer| *answer == rest), "{answers:?}");
    wanted.len()
}

async fn race<S: EveryStore>(store: Arc<S>, place: Place) {
    let flows = Flows::over(&store).await;
    let mut race = Race::at(&place);
    let mut beaten = 0;
    for round in 0..rounds() {
        let answers = race.run(&format!("redeem {}", flows.code("alice").await));
        assert_eq!(count(&answers, |answer| !answer.contains(':'), "400:invalid_grant"), 1, "{answers:?}");

        let tokens = flows.redeem(&flows.code("alice").await).await;
        let answers = race.run(&format!("refresh {}", tokens.text("refresh_token")));
        let successors: HashSet<_> = answers.iter().collect();
        assert!(successors.len() == 1 && !answers.concat().contains(':'), "{answers:?}");
        flows.refresh(successors.into_iter().next().unwrap()).await.text("access_token");

        let answers = race.run(&format!("claim {round}"));
        assert_eq!(count(&answers, |answer| answer == "won", "lost"), 1, "{answers:?}");

        let answers = race.run(&format!("sign {round}"));
        assert_eq!(count(&answers, |answer| answer == "won", "lost"), 1, "{answers:?}");

        let answers = race.run(&format!("read-then-delete {}", flows.code("alice").await));
        beaten += usize::from(count(&answers, |answer| answer == "won", "lost") > 1);
    }
    assert!(beaten > 0, "whoever reads first and deletes then was never beaten: there was no race");
}

async fn race_at(place: Place) {
    with_store!(place.clone(), |store| race(store, place).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_wins_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    race_at(Place::sqlite(folder.path())).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a PostgreSQL: GRANTWELL_POSTGRES"]
async fn one_process_wins_on_postgres_at_read_committed() {
    race_at(Place::postgres()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a PostgreSQL: GRANTWELL_POSTGRES"]
async fn one_process_wins_on_postgres_at_serializable() {
    race_at(Place::postgres().serializable()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Redis: GRANTWELL_REDIS"]
async fn one_process_wins_on_redis() {
    race_at(Place::redis()).await;
}
