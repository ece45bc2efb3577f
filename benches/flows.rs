//! What a request costs in process, over the memory store: time, allocations and bytes allocated, with a thousand, a
//! hundred thousand and a million live tokens beside it.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a benchmark fails by panicking")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::alloc::System;
use std::hint::black_box;

use common::*;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use futures::executor::block_on;
use grantwell::model::{AccessToken, Authorization, AuthorizationId, Issued};
use grantwell::storage::TokenStore as _;
use grantwell::{Clock as _, Decision, Digest, Login, Timestamp};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const LIVE_TOKENS: [u64; 3] = [1_000, 100_000, 1_000_000];

/// A server with `live` tokens in its store, a logged-in user and their remembered consent.
struct Bench {
    fixture: Fixture,
    login: Login,
    refresh_token: String,
    access_token: String,
}

impl Bench {
    fn with_live_tokens(live: u64) -> Self {
        let fixture = Fixture::new();
        let now = fixture.clock.now();
        for number in 0..live {
            block_on(fixture.store.save_token(&token(number, now))).unwrap();
        }
        let login = fixture.login("alice");
        let tokens = block_on(fixture.tokens("sec"));
        let pending = block_on(fixture.authorize(&code_request("sec"), Some(&login)));
        assert!(matches!(pending, grantwell::Authorize::Respond(_)), "consent is remembered: {pending:?}");
        let (refresh_token, access_token) = (tokens.text("refresh_token"), tokens.text("access_token"));
        Self { refresh_token: refresh_token.to_owned(), access_token: access_token.to_owned(), fixture, login }
    }

    /// An authorization request that is answered at once, and the redemption of its code.
    fn code(&self) {
        let code = block_on(async {
            let response = self.fixture.respond(&code_request("sec"), Some(&self.login)).await;
            redirect_param(&response, "code").unwrap()
        });
        black_box(block_on(self.fixture.redeem("sec", &code)).is_ok());
    }

    fn refresh(&mut self) {
        let answer = block_on(self.fixture.refresh("sec", &self.refresh_token));
        self.refresh_token = answer.is_ok().text("refresh_token").to_owned();
    }

    fn client_credentials(&self) {
        black_box(block_on(self.fixture.token("cc", &[("grant_type", "client_credentials")])).is_ok());
    }

    fn introspection(&self) {
        assert!(block_on(self.fixture.is_active(&self.access_token)));
    }

    /// A consent page and the decision on it.
    fn consent(&self) {
        let request = changed(&code_request("sec"), "prompt", Some("consent"));
        let pending = block_on(self.fixture.consent(&request, &self.login));
        let decision = Decision::APPROVE;
        black_box(block_on(self.fixture.server.decide(pending.ticket(), Some(&self.login), decision)));
    }
}

/// A token of a user of its own.
fn token(number: u64, now: Timestamp) -> Issued {
    let mut id = [0; 16];
    id.iter_mut().zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
    let expires_at = now.plus(3600);
    let authorization = Authorization {
        id: AuthorizationId::from_bytes(id),
        issuer: ISSUER.into(),
        client_id: "sec".into(),
        subject: format!("user {number}").into(),
        scope: "profile".parse().unwrap(),
        resources: Vec::new(),
        session: None,
        auth_time: now,
        acr: None,
        amr: Vec::new(),
        created_at: now,
        expires_at,
    };
    let access_token = AccessToken {
        token: Digest::of(&number.to_string()),
        issuer: ISSUER.into(),
        authorization: Some(authorization.id),
        client_id: "sec".into(),
        scope: "profile".parse().unwrap(),
        audience: Vec::new(),
        issued_at: now,
        expires_at,
    };
    Issued { authorization: Some(authorization), access_token, refresh_token: None }
}

/// A flow of this file, by its name.
type Flow = (&'static str, fn(&mut Bench));

const FLOWS: [Flow; 5] = [
    ("code issue + redemption", |bench| bench.code()),
    ("refresh", Bench::refresh),
    ("client credentials", |bench| bench.client_credentials()),
    ("introspection", |bench| bench.introspection()),
    ("consent page + decision", |bench| bench.consent()),
];

/// Allocations of one flow, the building of its requests included.
fn allocations(bench: &mut Bench) {
    const ROUNDS: usize = 100;
    for (name, flow) in FLOWS {
        flow(bench);
        let region = Region::new(ALLOCATOR);
        for _ in 0..ROUNDS {
            flow(bench);
        }
        let change = region.change();
        let (count, bytes) = (change.allocations / ROUNDS, change.bytes_allocated / ROUNDS);
        println!("{name}: {count} allocations, {bytes} bytes allocated");
    }
}

fn flows(criterion: &mut Criterion) {
    allocations(&mut Bench::with_live_tokens(1_000));
    for live in LIVE_TOKENS {
        let mut bench = Bench::with_live_tokens(live);
        for (name, flow) in FLOWS {
            criterion.bench_with_input(BenchmarkId::new(name, live), &live, |bencher, _| {
                bencher.iter(|| flow(&mut bench));
            });
        }
    }
}

criterion_group!(benches, flows);
criterion_main!(benches);
