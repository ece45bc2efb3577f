//! What a request costs in process, over the memory store: time, allocations and bytes allocated, with a thousand, a
//! hundred thousand and a million live tokens beside it.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a benchmark fails by panicking")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::alloc::System;

use bytes::Bytes;
use common::*;
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use futures::executor::block_on;
use grantwell::model::{AccessToken, Authorization, AuthorizationId, Issued};
use grantwell::storage::TokenStore as _;
use grantwell::{Authorize, Clock as _, Decision, Digest, Login, Timestamp};
use http::Request;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const LIVE_TOKENS: [u64; 3] = [1_000, 100_000, 1_000_000];

/// A server with live tokens in its store, a logged-in user and their remembered consent.
struct Bench {
    fixture: Fixture,
    login: Login,
    access_token: String,
}

/// What a client sends, made ready before the time runs.
type Sent = Request<Bytes>;

impl Bench {
    fn with_live_tokens(live: u64) -> Self {
        let fixture = Fixture::new();
        let now = fixture.clock.now();
        for number in 0..live {
            block_on(fixture.store.save_token(&token(number, now))).unwrap();
        }
        let login = fixture.login("alice");
        let tokens = block_on(fixture.tokens("sec"));
        Self { access_token: tokens.text("access_token").to_owned(), fixture, login }
    }

    fn authorization(&self) -> Sent {
        get(&format!("/authorize?{}", encode(&code_request("sec"))))
    }

    fn consent_page(&self) -> Sent {
        get(&format!("/authorize?{}&prompt=consent", encode(&code_request("sec"))))
    }

    /// The redemption of a new code.
    fn redemption(&self) -> Sent {
        let code = block_on(self.fixture.code("sec"));
        post_basic("/token", "sec", "sec-secret", &redemption(&code))
    }

    /// The refresh of a new refresh token.
    fn refresh(&self) -> Sent {
        let tokens = block_on(self.fixture.tokens("sec"));
        let refresh_token = tokens.text("refresh_token");
        let params = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        post_basic("/token", "sec", "sec-secret", &params)
    }

    fn client_credentials(&self) -> Sent {
        post_basic("/token", "cc", "cc-secret", &[("grant_type", "client_credentials")])
    }

    fn introspection(&self) -> Sent {
        post_basic("/introspect", "rs", "rs-secret", &[("token", &self.access_token)])
    }

    /// An authorization request that is answered at once.
    fn authorize(&self, request: &Sent) {
        let answer = block_on(self.fixture.server.authorize(request, Some(&self.login)));
        assert!(matches!(answer, Authorize::Respond(response) if response.status() == 303));
    }

    /// A consent page and the decision on it.
    fn decide(&self, request: &Sent) {
        let Authorize::Consent(pending) = block_on(self.fixture.server.authorize(request, Some(&self.login))) else {
            panic!("no consent page");
        };
        let decided = self.fixture.server.decide(pending.ticket(), Some(&self.login), Decision::APPROVE);
        assert_eq!(block_on(decided).status(), 303);
    }

    fn call(&self, request: &Sent) {
        assert_eq!(block_on(self.fixture.server.endpoints().call(request.clone())).status(), 200);
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

/// A flow: its name, what is made ready, and what is measured.
type Flow = (&'static str, fn(&Bench) -> Sent, fn(&Bench, &Sent));

const FLOWS: [Flow; 6] = [
    ("authorization", Bench::authorization, Bench::authorize),
    ("consent page and decision", Bench::consent_page, Bench::decide),
    ("redemption", Bench::redemption, Bench::call),
    ("refresh", Bench::refresh, Bench::call),
    ("client credentials", Bench::client_credentials, Bench::call),
    ("introspection", Bench::introspection, Bench::call),
];

fn allocations(bench: &Bench) {
    const ROUNDS: usize = 100;
    for (name, prepare, flow) in FLOWS {
        let requests: Vec<Sent> = (0..ROUNDS).map(|_| prepare(bench)).collect();
        let region = Region::new(ALLOCATOR);
        requests.iter().for_each(|request| flow(bench, request));
        let change = region.change();
        let (count, bytes) = (change.allocations / ROUNDS, change.bytes_allocated / ROUNDS);
        println!("{name}: {count} allocations, {bytes} bytes allocated");
    }
}

fn flows(criterion: &mut Criterion) {
    allocations(&Bench::with_live_tokens(1_000));
    for live in LIVE_TOKENS {
        let bench = Bench::with_live_tokens(live);
        for (name, prepare, flow) in FLOWS {
            criterion.bench_with_input(BenchmarkId::new(name, live), &live, |bencher, _| {
                bencher.iter_batched(|| prepare(&bench), |request| flow(&bench, &request), BatchSize::SmallInput);
            });
        }
    }
}

criterion_group!(benches, flows);
criterion_main!(benches);
