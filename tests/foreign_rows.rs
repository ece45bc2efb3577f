//! Rows that cannot be read, and rows that do not belong together: nothing is granted on them, and the host is told.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::error::Error as _;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use common::intercept::{Intercepted, Interceptor};
use common::*;
use grantwell::events::{Event, EventSink};
use grantwell::model::{
    ActiveAccessToken, ActiveRefreshToken, Authorization, AuthorizationId, Issuer, Record as _, RefreshToken,
};
use grantwell::storage::{AccessTokenStore as _, RefreshTokenStore as _};
use grantwell::{Clock as _, Digest, StorageError};

/// Finds this payload in the row that `call` reads.
struct Corrupt {
    call: &'static str,
    payload: String,
}

#[async_trait]
impl Interceptor for Corrupt {
    async fn before(&self, call: &'static str) -> Result<(), StorageError> {
        if call == self.call {
            Authorization::from_row(&self.payload)?;
        }
        Ok(())
    }
}

/// The causes of refusals.
#[derive(Clone, Default)]
struct Causes(Arc<Mutex<Vec<String>>>);

impl EventSink for Causes {
    fn event(&self, event: &Event<'_>) {
        if let Event::Refused { error, .. } = event {
            self.0.lock().unwrap().extend(error.source().map(ToString::to_string));
        }
    }
}

/// What a table may hold in the place of an authorization.
async fn corrupt_payloads(fixture: &Fixture) -> [String; 4] {
    let (_, refresh) = records(fixture).await;
    let whole = refresh.authorization.to_row().unwrap().payload;
    let unknown_version = whole.replacen("\"v\":1", "\"v\":2", 1);
    assert_ne!(unknown_version, whole);
    [String::new(), whole[..whole.len() - 9].to_owned(), unknown_version, refresh.token.to_row().unwrap().payload]
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_a_fault_that_is_told() {
    let fixture = Fixture::new();
    let (code, tokens) = (fixture.code("sec").await, fixture.tokens("sec").await);
    let introspection = vec![("token", tokens.text("access_token"))];
    let refresh = vec![("grant_type", "refresh_token"), ("refresh_token", tokens.text("refresh_token"))];
    let requests = [
        ("query_authorization_code", "/token", redemption(&code)),
        ("query_refresh_token", "/token", refresh),
        ("query_token", "/introspect", introspection.clone()),
        ("query_token", "/revoke", introspection),
    ];
    for payload in corrupt_payloads(&fixture).await {
        for (call, path, params) in &requests {
            let (causes, before) = (Causes::default(), fixture.snapshot());
            let store = Intercepted::new(&fixture.store, Corrupt { call, payload: payload.clone() });
            let server = builder(ISSUER, &store, &fixture.clock).events(causes.clone()).build().unwrap();
            let answer = Fixture { server, ..fixture.clone() }.post_as(path, "sec", params).await;
            answer.is_refused(503, "temporarily_unavailable");
            assert_eq!(*causes.0.lock().unwrap(), ["a stored record cannot be read"], "{call} {payload}");
            assert_eq!(fixture.snapshot(), before);
        }
    }
}

/// Tokens as the store answers them.
async fn records(fixture: &Fixture) -> (ActiveAccessToken, ActiveRefreshToken) {
    let tokens = fixture.tokens("sec").await;
    let handle = tokens.text("refresh_token").split('.').next().unwrap().parse().unwrap();
    let access = fixture.store.query_token(&Digest::of(tokens.text("access_token"))).await;
    (access.unwrap().unwrap(), fixture.store.query_refresh_token(&handle).await.unwrap().unwrap())
}

/// The authorization as another row may have it: another one, and another client's.
fn foreign(own: &Authorization) -> [Authorization; 2] {
    let id = AuthorizationId::from_bytes([0; 16]);
    [Authorization { id, ..own.clone() }, Authorization { client_id: "sec2".into(), ..own.clone() }]
}

#[tokio::test]
async fn an_access_token_is_dead_beside_an_authorization_that_is_not_its_own() {
    let fixture = Fixture::new();
    let (found, _) = records(&fixture).await;
    let is_active = |found: &ActiveAccessToken| found.is_active(&Issuer::from(ISSUER), fixture.clock.now());
    assert!(is_active(&found));
    for authorization in foreign(found.authorization.as_ref().unwrap()).map(Some).into_iter().chain([None]) {
        let mixed = ActiveAccessToken { authorization, ..found.clone() };
        assert!(!is_active(&mixed), "{mixed:?}");
    }
    let mut for_itself = found;
    for_itself.token.authorization = None;
    assert!(!is_active(&for_itself));
}

#[tokio::test]
async fn a_refresh_token_is_dead_beside_an_authorization_that_is_not_its_own() {
    let fixture = Fixture::new();
    let (_, found) = records(&fixture).await;
    let is_active = |found: &ActiveRefreshToken| found.is_active(&Issuer::from(ISSUER), fixture.clock.now());
    assert!(is_active(&found));
    for authorization in foreign(&found.authorization) {
        let mixed = ActiveRefreshToken { authorization, ..found.clone() };
        assert!(!is_active(&mixed), "{mixed:?}");
    }
    let token = RefreshToken { client_id: "sec2".into(), ..found.token.clone() };
    assert!(!is_active(&ActiveRefreshToken { token, ..found }));
}
