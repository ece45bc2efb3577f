//! Token revocation (RFC 7009).

mod common;

use async_trait::async_trait;
use common::intercept::{Intercepted, Interceptor};
use common::*;
use grantwell::StorageError;
use http::Method;

async fn revoke(fixture: &Fixture, client: &str, token: &str) -> Answer {
    fixture.post_as("/revoke", client, &[("token", token)]).await
}

#[tokio::test]
async fn a_refresh_token_takes_everything_of_its_authorization_with_it() {
    let fixture = Fixture::new();
    for client in ["sec", "pub", "post"] {
        let bystander = fixture.tokens(client).await;
        let first = fixture.tokens(client).await;
        let second = fixture.refresh(client, first.text("refresh_token")).await;
        revoke(&fixture, client, second.text("refresh_token")).await.is_ok();
        for dead in [&first, &second] {
            assert!(!fixture.is_active(dead.text("access_token")).await);
            fixture.refresh(client, dead.text("refresh_token")).await.is_refused(400, "invalid_grant");
        }
        assert!(fixture.is_active(bystander.text("access_token")).await);
        fixture.refresh(client, bystander.text("refresh_token")).await.is_ok();
    }
}

#[tokio::test]
async fn an_access_token_goes_alone() {
    let fixture = Fixture::new();
    for client in ["sec", "pub"] {
        let tokens = fixture.tokens(client).await;
        revoke(&fixture, client, tokens.text("access_token")).await.is_ok();
        assert!(!fixture.is_active(tokens.text("access_token")).await);
        let next = fixture.refresh(client, tokens.text("refresh_token")).await;
        assert!(fixture.is_active(next.is_ok().text("access_token")).await);
        assert!(!fixture.is_active(tokens.text("access_token")).await);
    }
    let own = fixture.token("cc", &[("grant_type", "client_credentials")]).await;
    revoke(&fixture, "cc", own.text("access_token")).await.is_ok();
    assert!(!fixture.is_active(own.text("access_token")).await);
}

#[tokio::test]
async fn an_earlier_generation_stands_for_its_family() {
    let fixture = Fixture::new();
    let first = fixture.tokens("sec").await;
    let second = fixture.refresh("sec", first.text("refresh_token")).await;
    let third = fixture.refresh("sec", second.text("refresh_token")).await;
    revoke(&fixture, "sec", first.text("refresh_token")).await.is_ok();
    assert!(!fixture.is_active(third.text("access_token")).await);
}

#[tokio::test]
async fn the_hint_is_not_needed_and_a_wrong_one_does_no_harm() {
    let fixture = Fixture::new();
    for hint in ["access_token", "refresh_token", "foo", ""] {
        for name in ["access_token", "refresh_token"] {
            let tokens = fixture.tokens("sec").await;
            let request = [("token", tokens.text(name)), ("token_type_hint", hint)];
            fixture.post_as("/revoke", "sec", &request).await.is_ok();
            assert!(!fixture.is_active(tokens.text("access_token")).await, "{name} {hint}");
        }
    }
}

#[tokio::test]
async fn what_is_no_token_is_answered_as_revoked_and_changes_nothing() {
    let fixture = Fixture::new();
    let tokens = fixture.tokens("sec").await;
    let (access, refresh) = (tokens.text("access_token"), tokens.text("refresh_token"));
    let code = fixture.code("sec").await;
    let (handle, mac) = (refresh.split('.').next().unwrap(), refresh.rsplit('.').next().unwrap());
    let before = fixture.snapshot();
    for garbage in [
        "nonsense",
        "..",
        "\0",
        &code,
        &format!("{access}A"),
        &access.to_lowercase(),
        &grantwell::Digest::of(access).to_string(),
        handle,
        &format!("{handle}.0.{}", "A".repeat(43)),
        &format!("{handle}.1.{mac}"),
        &format!("{refresh}A"),
    ] {
        revoke(&fixture, "sec", garbage).await.is_ok();
        revoke(&fixture, "sec2", garbage).await.is_ok();
    }
    assert_eq!(fixture.snapshot(), before);
}

#[tokio::test]
async fn a_dead_token_is_no_error() {
    let fixture = Fixture::new();
    let tokens = fixture.tokens("sec").await;
    for name in ["access_token", "refresh_token", "access_token", "refresh_token"] {
        revoke(&fixture, "sec", tokens.text(name)).await.is_ok();
    }
}

#[tokio::test]
async fn the_token_of_another_client_is_refused_and_lives() {
    let fixture = Fixture::new();
    for (own, other) in [("sec", "sec2"), ("sec", "pub"), ("pub", "pub2"), ("pub", "rs")] {
        let tokens = fixture.tokens(own).await;
        let before = fixture.snapshot();
        for name in ["access_token", "refresh_token"] {
            revoke(&fixture, other, tokens.text(name)).await.is_refused(400, "unauthorized_client");
        }
        assert_eq!(fixture.snapshot(), before);
    }
}

#[tokio::test]
async fn the_request_is_an_authenticated_post_with_a_token() {
    let fixture = Fixture::new();
    let tokens = fixture.tokens("sec").await;
    let request = [("token", tokens.text("access_token"))];
    fixture.send(post_basic("/revoke", "sec", "wrong", &request)).await.is_refused(401, "invalid_client");
    fixture.send(post("/revoke", &request)).await.is_refused(401, "invalid_client");
    let unproven = [request[0], ("client_id", "sec")];
    fixture.send(post("/revoke", &unproven)).await.is_refused(401, "invalid_client");
    fixture.post_as("/revoke", "sec", &[]).await.is_refused(400, "invalid_request");
    fixture.post_as("/revoke", "sec", &[request[0], request[0]]).await.is_refused(400, "invalid_request");
    let mut by_get = post_basic(&format!("/revoke?{}", encode(&request)), "sec", "sec-secret", &[]);
    *by_get.method_mut() = Method::GET;
    let answer = fixture.send(by_get).await;
    assert_eq!((answer.status.as_u16(), &answer.headers["allow"]), (405, &http::HeaderValue::from_static("POST")));
    assert!(fixture.is_active(tokens.text("access_token")).await);
}

#[tokio::test]
async fn there_is_no_jsonp() {
    let fixture = Fixture::new();
    let answer = fixture.post_as("/revoke", "sec", &[("token", "x"), ("callback", "package.method")]).await;
    assert_eq!(
        (&answer.is_ok().headers["content-type"], &answer.json),
        (&"application/json".parse().unwrap(), &serde_json::json!({}))
    );
}

/// Lets everything through but revocation.
struct CannotRevoke;

#[async_trait]
impl Interceptor for CannotRevoke {
    async fn before(&self, call: &'static str) -> Result<(), StorageError> {
        if call.starts_with("revoke") { Err(StorageError::new("the database is read-only")) } else { Ok(()) }
    }
}

#[tokio::test]
async fn a_fault_of_the_store_is_never_success() {
    let broken = Fixture::made(|store, clock| builder(ISSUER, &Intercepted::new(store, CannotRevoke), clock));
    let repaired = broken.over_the_same_store(|store, clock| builder(ISSUER, store, clock));
    for name in ["access_token", "refresh_token"] {
        let tokens = broken.tokens("sec").await;
        let answer = revoke(&broken, "sec", tokens.text(name)).await;
        answer.is_refused(503, "temporarily_unavailable");
        assert_eq!(answer.headers["retry-after"], "1");
        assert!(broken.is_active(tokens.text("access_token")).await);
        revoke(&repaired, "sec", tokens.text(name)).await.is_ok();
        assert!(!broken.is_active(tokens.text("access_token")).await);
    }
}
