//! Keys behind a `jwks_uri`: rotation is seen, a set that cannot be read replaces nothing, an endpoint that is down costs
//! nothing but itself.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::error::Error as _;
use std::sync::Arc;

use common::endpoint::Endpoint;
use common::*;
use grantwell::jose::{Algorithm, Jws, PrivateKey, PublicKeys as _, Signer as _, sign, verify};
use grantwell::outbound::RemoteKeys;
use grantwell::{Error, ErrorCode};
use serde_json::json;

/// What the payloads say.
const PAYLOAD: &[u8] = br#"{"sub":"id001"}"#;

/// An issuer's endpoint for keys, and who verifies by it.
struct Verifier {
    endpoint: Endpoint,
    keys: RemoteKeys,
    clock: ManualClock,
}

impl Verifier {
    fn new() -> Self {
        let (endpoint, clock) = (Endpoint::new(), ManualClock::new());
        endpoint.cache_control("max-age=600");
        let documents = RemoteKeys::documents(Arc::new(endpoint.clone())).clock(clock.clone());
        let keys = RemoteKeys::new("https://as.example/jwks".parse().unwrap(), Arc::new(documents));
        Self { endpoint, keys, clock }
    }

    fn publish(&self, keys: &[&PrivateKey]) {
        let keys: Vec<_> = keys.iter().map(|key| key.jwk().to_value()).collect();
        self.endpoint.answer(json!({ "keys": keys }).to_string());
    }

    /// Whether the signature is right.
    async fn accepts(&self, token: &str) -> Result<bool, Error> {
        let verified = verify(&Jws::parse(token).unwrap(), &self.keys, &[Algorithm::ES256]).await?;
        Ok(verified.is_ok_and(|payload| payload == PAYLOAD))
    }

    /// Whether the signature is right, if the endpoint is asked so many times.
    async fn asking(&self, times: usize, token: &str) -> Result<bool, Error> {
        let before = self.endpoint.asked();
        let accepted = self.accepts(token).await;
        assert_eq!(self.endpoint.asked() - before, times);
        accepted
    }
}

fn key(kid: &str) -> PrivateKey {
    PrivateKey::generate(Algorithm::ES256).unwrap().with_kid(kid)
}

async fn token(key: &PrivateKey) -> String {
    sign(key, "at+jwt", &json!({ "sub": "id001" })).await.unwrap()
}

/// Asserts "not now", with a cause for the log.
#[track_caller]
fn is_not_now(verified: Result<bool, Error>) {
    let error = verified.unwrap_err();
    assert_eq!((error.code(), error.status().as_u16()), (ErrorCode::TemporarilyUnavailable, 503));
    assert!(error.source().is_some());
}

#[tokio::test]
async fn the_set_is_fetched_once_and_read_once() {
    let verifier = Verifier::new();
    let key = key("a");
    verifier.publish(&[&key]);
    assert!(verifier.asking(1, &token(&key).await).await.unwrap());
    assert!(verifier.asking(0, &token(&key).await).await.unwrap());
    let accept = verifier.endpoint.last_request().headers()["accept"].clone();
    assert_eq!(accept, "application/jwk-set+json, application/json");
    let (one, two) = (verifier.keys.jwk_set().await.unwrap(), verifier.keys.jwk_set().await.unwrap());
    assert!(Arc::ptr_eq(&one, &two));
}

#[tokio::test]
async fn a_key_that_is_not_known_yet_is_looked_up_at_once() {
    let verifier = Verifier::new();
    let (old, new) = (key("old"), key("new"));
    verifier.publish(&[&old]);
    assert!(verifier.accepts(&token(&old).await).await.unwrap());
    verifier.publish(&[&old, &new]);
    assert!(verifier.asking(1, &token(&new).await).await.unwrap());
    assert!(verifier.asking(0, &token(&old).await).await.unwrap());
}

#[tokio::test]
async fn keys_that_nobody_has_do_not_make_the_endpoint_be_asked_at_will() {
    let verifier = Verifier::new();
    let (known, forged) = (key("known"), token(&key("forged")).await);
    verifier.publish(&[&known]);
    assert!(!verifier.asking(2, &forged).await.unwrap());
    for _ in 0..29 {
        verifier.clock.advance(1);
        assert!(!verifier.asking(0, &forged).await.unwrap());
    }
    verifier.clock.advance(1);
    assert!(!verifier.asking(1, &forged).await.unwrap());
    assert!(verifier.asking(0, &token(&known).await).await.unwrap());
}

#[tokio::test]
async fn a_key_that_is_withdrawn_is_not_used_once_the_set_is_old() {
    let verifier = Verifier::new();
    let (old, new) = (key("old"), key("new"));
    verifier.publish(&[&old, &new]);
    let token = token(&old).await;
    assert!(verifier.accepts(&token).await.unwrap());
    verifier.publish(&[&new]);
    verifier.clock.advance(599);
    assert!(verifier.asking(0, &token).await.unwrap());
    verifier.clock.advance(1);
    // Once because the set is old, once because it does not have the key.
    assert!(!verifier.asking(2, &token).await.unwrap());
}

#[tokio::test]
async fn a_set_that_withdraws_every_key_is_believed() {
    let verifier = Verifier::new();
    let key = key("a");
    verifier.publish(&[&key]);
    let token = token(&key).await;
    assert!(verifier.accepts(&token).await.unwrap());
    verifier.publish(&[]);
    verifier.clock.advance(600);
    assert!(!verifier.accepts(&token).await.unwrap());
}

/// What an endpoint may answer instead of a set.
fn broken() -> Vec<Vec<u8>> {
    let published = json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0", "kid": "a" }] });
    let huge = json!({ "keys": vec![key("a").jwk().to_value(); 101] });
    ["", "{}", "[]", "null", "{\"keys\":{}}", "{\"keys\":[],\"keys\":[]}", "<html></html>"]
        .map(|text| text.as_bytes().to_vec())
        .into_iter()
        .chain([published.to_string().into_bytes(), huge.to_string().into_bytes(), vec![b'['; 100_000]])
        .collect()
}

#[tokio::test]
async fn a_set_that_cannot_be_read_does_not_replace_one_that_could() {
    for broken in broken() {
        let verifier = Verifier::new();
        let key = key("a");
        verifier.publish(&[&key]);
        let token = token(&key).await;
        assert!(verifier.accepts(&token).await.unwrap());
        verifier.endpoint.answer(broken);
        verifier.clock.advance(600);
        assert!(verifier.asking(1, &token).await.unwrap());
        verifier.clock.advance(3600);
        is_not_now(verifier.accepts(&token).await);
    }
}

#[tokio::test]
async fn without_any_set_it_is_not_now_rather_than_no() {
    let token = token(&key("a")).await;
    for broken in broken() {
        let verifier = Verifier::new();
        verifier.endpoint.answer(broken);
        is_not_now(verifier.asking(1, &token).await);
        is_not_now(verifier.asking(0, &token).await);
    }
    let verifier = Verifier::new();
    verifier.endpoint.fail();
    is_not_now(verifier.asking(1, &token).await);
    is_not_now(verifier.asking(0, &token).await);
}

#[tokio::test]
async fn known_keys_verify_while_the_endpoint_is_down() {
    let verifier = Verifier::new();
    let (known, forged) = (key("known"), token(&key("forged")).await);
    verifier.publish(&[&known]);
    let token = token(&known).await;
    assert!(verifier.accepts(&token).await.unwrap());
    verifier.endpoint.fail();
    assert!(!verifier.asking(1, &forged).await.unwrap());
    assert!(verifier.asking(0, &token).await.unwrap());
    verifier.clock.advance(600 + 3599);
    assert!(verifier.accepts(&token).await.unwrap());
    verifier.clock.advance(1);
    is_not_now(verifier.accepts(&token).await);
}
