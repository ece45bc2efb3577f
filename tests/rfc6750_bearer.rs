//! Bearer tokens at an API (RFC 6750).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::intercept::{Fault, Intercepted, When};
use common::*;
use grantwell::model::Subject;
use grantwell::resource::{Access, Refused, Requirement, ResourceServer, StoredTokens};
use http::header::AUTHORIZATION;
use http::{Request, Response};

const fn all_of(scope: &'static str) -> Requirement {
    Requirement::all_of(scope)
}

const fn any_of(scope: &'static str) -> Requirement {
    Requirement::any_of(scope)
}

fn api(fixture: &Fixture) -> ResourceServer {
    ResourceServer::unnamed(StoredTokens::new(ISSUER, fixture.store.clone())).clock(fixture.clock.clone())
}

fn with_header(value: impl AsRef<[u8]>) -> Request<Bytes> {
    let mut request = get("/api/me");
    request.headers_mut().insert(AUTHORIZATION, http::HeaderValue::from_bytes(value.as_ref()).unwrap());
    request
}

fn bearing(token: &str) -> Request<Bytes> {
    with_header(format!("Bearer {token}"))
}

/// A token of alice and `sec` for the scope.
async fn token_for(fixture: &Fixture, scope: &str) -> String {
    let request = changed(&code_request("sec"), "scope", Some(scope));
    let code = fixture.code_for(&request, "alice").await;
    fixture.redeem("sec", &code).await.is_ok().text("access_token").to_owned()
}

fn refusal(answer: Result<Access, Refused>) -> Response<Bytes> {
    answer.unwrap_err().response()
}

#[track_caller]
fn is_challenge(response: &Response<Bytes>, status: u16, challenge: &str) {
    let own = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap());
    assert_eq!((response.status().as_u16(), own), (status, Some(challenge)));
    assert_eq!(response.headers()["cache-control"], "no-store");
}

const INACTIVE: &str = r#"Bearer error="invalid_token", error_description="the access token is not active""#;
const MALFORMED: &str =
    r#"Bearer error="invalid_request", error_description="the Authorization header is not well-formed""#;
const TWICE: &str = r#"Bearer error="invalid_request", error_description="more than one access token""#;

#[tokio::test]
async fn the_handler_learns_who_may_do_what() {
    let fixture = Fixture::new();
    let token = token_for(&fixture, "profile email").await;
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let request = with_header(format!("{scheme} {token}"));
        let access = api(&fixture).check(&request, &all_of("email")).await.unwrap();
        assert_eq!((access.subject, access.client_id), (Some(Subject::from("alice")), "sec".into()));
        assert_eq!(access.scope, "profile email".parse().unwrap());
        let (head, _) = request.into_parts();
        assert!(api(&fixture).check_head(&head, &all_of("email")).await.is_ok());
    }
}

#[tokio::test]
async fn a_client_that_acts_for_itself_is_no_subject() {
    let fixture = Fixture::new();
    let own = fixture.token("cc", &[("grant_type", "client_credentials")]).await;
    let access = api(&fixture).check(&bearing(own.text("access_token")), &all_of("")).await.unwrap();
    assert_eq!((access.subject, access.client_id), (None, "cc".into()));
}

#[tokio::test]
async fn a_request_without_a_token_is_challenged_without_an_error() {
    let fixture = Fixture::new();
    let token = token_for(&fixture, "profile").await;
    let basic = with_header("Basic c2VjOnNlYy1zZWNyZXQ=");
    let unread = get(&format!("/api/me?access_token={token}"));
    let unread_body = post("/api/me", &[("access_token", &token)]);
    for request in [get("/api/me"), basic, with_header("Bearers x"), unread, unread_body] {
        let response = refusal(api(&fixture).check(&request, &all_of("profile")).await);
        is_challenge(&response, 401, "Bearer");
        assert!(response.body().is_empty());
    }
}

#[tokio::test]
async fn a_token_that_is_not_active_is_invalid() {
    let fixture = Fixture::new();
    let tokens = fixture.tokens("sec").await;
    let revoked = fixture.tokens("sec").await;
    fixture.post_as("/revoke", "sec", &[("token", revoked.text("access_token"))]).await.is_ok();
    let code = fixture.code("sec").await;
    let digest = grantwell::Digest::of(tokens.text("access_token")).to_string();
    let dead = [revoked.text("access_token"), tokens.text("refresh_token"), &code, &digest, "garbage"];
    for token in dead {
        let response = refusal(api(&fixture).check(&bearing(token), &all_of("")).await);
        is_challenge(&response, 401, INACTIVE);
    }
}

#[tokio::test]
async fn a_token_expires_to_the_second() {
    let fixture = Fixture::new();
    let token = token_for(&fixture, "profile").await;
    fixture.clock.advance(3599);
    assert!(api(&fixture).check(&bearing(&token), &all_of("profile")).await.is_ok());
    fixture.clock.advance(1);
    is_challenge(&refusal(api(&fixture).check(&bearing(&token), &all_of("profile")).await), 401, INACTIVE);
}

#[tokio::test]
async fn the_token_of_another_issuer_is_invalid() {
    let fixture = Fixture::new();
    let other = fixture.over_the_same_store(|store, clock| builder("https://other.example", store, clock));
    let own = other.token("cc", &[("grant_type", "client_credentials")]).await;
    let request = bearing(own.text("access_token"));
    is_challenge(&refusal(api(&fixture).check(&request, &all_of("")).await), 401, INACTIVE);
}

#[tokio::test]
async fn the_header_is_read_strictly() {
    let fixture = Fixture::new();
    let token = token_for(&fixture, "profile").await;
    for value in [
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Bearer {token} "),
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer {token},{token}"),
        format!("Bearer {token} x"),
        format!("Bearer \"{token}\""),
        format!("Bearer \t{token}"),
        format!("Bearer {}", "A".repeat(65_536)),
        format!("Bearer {token}\u{e9}"),
    ] {
        let response = refusal(api(&fixture).check(&with_header(&value), &all_of("")).await);
        is_challenge(&response, 400, MALFORMED);
    }
    let tab = refusal(api(&fixture).check(&with_header(format!("Bearer\t{token}")), &all_of("")).await);
    is_challenge(&tab, 401, "Bearer");
    let mut twice = bearing(&token);
    twice.headers_mut().append(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    is_challenge(&refusal(api(&fixture).check(&twice, &all_of("")).await), 400, MALFORMED);
    let two_spaces = with_header(format!("Bearer  {token}"));
    assert!(api(&fixture).check(&two_spaces, &all_of("")).await.is_ok(), "RFC 9110 section 11.4: 1*SP");
}

#[tokio::test]
async fn body_and_query_are_read_by_choice() {
    let fixture = Fixture::new();
    let token = token_for(&fixture, "profile").await;
    let in_body = post("/api/me", &[("access_token", &token)]);
    let in_query = get(&format!("/api/me?access_token={token}"));
    assert!(api(&fixture).accept_body().check(&in_body, &all_of("profile")).await.is_ok());
    assert!(api(&fixture).accept_query().check(&in_query, &all_of("profile")).await.is_ok());
    is_challenge(&refusal(api(&fixture).accept_query().check(&in_body, &all_of("")).await), 401, "Bearer");
    is_challenge(&refusal(api(&fixture).accept_body().check(&in_query, &all_of("")).await), 401, "Bearer");
    let mut by_put = post("/api/me", &[("access_token", &token)]);
    *by_put.method_mut() = http::Method::GET;
    is_challenge(&refusal(api(&fixture).accept_body().check(&by_put, &all_of("")).await), 401, "Bearer");
}

#[tokio::test]
async fn one_token_by_one_method() {
    let fixture = Fixture::new();
    let token = token_for(&fixture, "profile").await;
    let api = api(&fixture).accept_body().accept_query();
    let by = |method: &str| -> Request<Bytes> {
        let mut request = post(&format!("/api/me?access_token={token}"), &[("access_token", &token)]);
        if method != "body and query" {
            request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        }
        if method == "header and query" {
            *request.body_mut() = Bytes::new();
        }
        if method == "header and body" {
            *request.uri_mut() = "/api/me".parse().unwrap();
        }
        request
    };
    for method in ["body and query", "header and query", "header and body", "all"] {
        is_challenge(&refusal(api.check(&by(method), &all_of("")).await), 400, TWICE);
    }
    let twice_in_query = get(&format!("/api/me?access_token={token}&access_token={token}"));
    let twice_in_body = post("/api/me", &[("access_token", &token), ("access_token", "other")]);
    for request in [twice_in_query, twice_in_body] {
        is_challenge(&refusal(api.check(&request, &all_of("")).await), 400, TWICE);
    }
}

#[tokio::test]
async fn scopes_are_all_or_any_of_those_required() {
    let fixture = Fixture::new();
    let token = token_for(&fixture, "profile").await;
    for (required, is_enough) in [
        (all_of(""), true),
        (all_of("profile"), true),
        (all_of("profile email"), false),
        (all_of("email"), false),
        (all_of("prof"), false),
        (any_of("profile email"), true),
        (any_of("email admin"), false),
        (any_of(""), false),
    ] {
        let answer = api(&fixture).check(&bearing(&token), &required).await;
        assert_eq!(answer.is_ok(), is_enough, "{required:?}");
    }
}

#[tokio::test]
async fn too_narrow_a_scope_is_told_which_would_do() {
    let fixture = Fixture::new();
    let token = token_for(&fixture, "profile").await;
    for required in [all_of("email admin"), any_of("email admin")] {
        let response = refusal(api(&fixture).check(&bearing(&token), &required).await);
        let challenge = "Bearer error=\"insufficient_scope\", \
                         error_description=\"the access token's scope is too narrow\", scope=\"email admin\"";
        is_challenge(&response, 403, challenge);
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["error"], "insufficient_scope");
    }
}

#[tokio::test]
async fn a_fault_of_the_store_is_not_a_no() {
    let fixture = Fixture::new();
    let token = token_for(&fixture, "profile").await;
    let fault = Fault::new(When::Before);
    let store: Arc<_> = Intercepted::new(&fixture.store, fault.clone());
    let api = ResourceServer::unnamed(StoredTokens::new(ISSUER, store)).clock(fixture.clock.clone());
    fault.arm(0);
    let response = refusal(api.check(&bearing(&token), &all_of("profile")).await);
    assert_eq!((response.status().as_u16(), response.headers().get("www-authenticate")), (503, None));
    assert_eq!(response.headers()["retry-after"], "1");
    assert!(api.check(&bearing(&token), &all_of("profile")).await.is_ok());
}
