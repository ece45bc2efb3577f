//! A process of its own over a store: it does what it is told, a line each, several times at once.
//!
//! `redeem CODE` and `refresh TOKEN` answer what the token endpoint says: an access token's response, or an error.
//! `claim NAME`, `sign GENERATION` and `read-then-delete CODE` answer `won` or `lost`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "for tests")]

use std::io::{BufRead as _, Write as _};
use std::sync::Arc;

use grantwell::model::SigningKey;
use grantwell::storage::CodeState;
use grantwell::{Digest, Timestamp};
use grantwell_store_tests::flows::{Answer, Flows};
use grantwell_store_tests::place::{EveryStore, Place};
use grantwell_store_tests::with_store;
use serde_json::Value;

/// How many tasks race in this process.
const RACERS: usize = 2;

#[tokio::main]
async fn main() {
    let place: Place = std::env::args().nth(1).unwrap().parse().unwrap();
    with_store!(place, |store| obey(store).await);
}

async fn obey<S: EveryStore>(store: Arc<S>) {
    let flows = Flows::over(&store).await;
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let line: Arc<str> = line.unwrap().into();
        let racer = |_| tokio::spawn(act(store.clone(), flows.clone(), line.clone()));
        let racers: Vec<_> = (0..RACERS).map(racer).collect();
        let mut answers = Vec::new();
        for racer in racers {
            answers.push(racer.await.unwrap());
        }
        println!("{}", answers.join(" "));
        std::io::stdout().flush().unwrap();
    }
}

async fn act<S: EveryStore>(store: Arc<S>, flows: Flows, line: Arc<str>) -> String {
    let won = |won: bool| if won { "won" } else { "lost" }.to_owned();
    match line.split_once(' ').unwrap() {
        ("redeem", code) => refresh_token(&flows.redeem(code).await),
        ("refresh", token) => refresh_token(&flows.refresh(token).await),
        ("claim", name) => won(store.claim(&Digest::of(name), Timestamp::from_unix(u32::MAX.into())).await.unwrap()),
        ("sign", generation) => won(store.save_signing_key(&signing_key(generation.parse().unwrap())).await.unwrap()),
        ("read-then-delete", code) => {
            let code = Digest::of(code);
            let found = store.query_authorization_code(&code).await.unwrap();
            store.delete_authorization_code(&code).await.unwrap();
            won(matches!(found, Some(CodeState::Active(_))))
        }
        (other, _) => panic!("{other}?"),
    }
}

fn signing_key(generation: u64) -> SigningKey {
    SigningKey {
        issuer: "https://as.example".into(),
        algorithm: "RS256".to_owned(),
        generation,
        jwk: Value::Null,
        private_key: String::new(),
        created_at: Timestamp::from_unix(0),
        signs_from: Timestamp::from_unix(0),
        signs_until: Timestamp::from_unix(0),
        longest_token: 60,
    }
}

/// The refresh token of an answer, or its error.
fn refresh_token(answer: &Answer) -> String {
    match answer.status {
        200 => answer.text("refresh_token"),
        status => format!("{status}:{}", answer.error().1),
    }
}
