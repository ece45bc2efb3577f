//! Token introspection (RFC 7662).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::*;
use grantwell::storage::Selector;
use http::Method;
use serde_json::json;

async fn introspect(fixture: &Fixture, client: &str, token: &str) -> Answer {
    fixture.post_as("/introspect", client, &[("token", token)]).await
}

/// The bytes of an answer, and its headers.
async fn raw(fixture: &Fixture, client: &str, token: &str) -> (String, http::HeaderMap) {
    let secret = format!("{client}-secret");
    let request = post_basic("/introspect", client, &secret, &[("token", token)]);
    let (head, body) = fixture.server.endpoints().call(request).await.into_parts();
    assert_eq!(head.status, 200);
    (String::from_utf8(body.to_vec()).unwrap(), head.headers)
}

#[tokio::test]
async fn an_active_access_token_is_described_to_its_client_and_to_resource_servers() {
    let fixture = Fixture::new();
    let tokens = fixture.tokens("sec").await;
    for client in ["sec", "rs"] {
        let answer = introspect(&fixture, client, tokens.text("access_token")).await;
        assert!(answer.json["authorization_id"].is_string());
        let expected = json!({
            "active": true,
            "iss": ISSUER,
            "authorization_id": answer.json["authorization_id"],
            "client_id": "sec",
            "sub": "alice",
            "scope": "profile",
            "iat": START,
            "exp": START + 3600,
            "token_type": "Bearer",
            "auth_time": START,
        });
        assert_eq!(answer.is_ok().json, expected);
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.headers["content-type"], "application/json");
    }
}

#[tokio::test]
async fn a_token_of_a_client_for_itself_has_no_subject() {
    let fixture = Fixture::new();
    let own = fixture.token("cc", &[("grant_type", "client_credentials")]).await;
    let answer = introspect(&fixture, "rs", own.text("access_token")).await;
    assert_eq!((answer.text("client_id"), answer.text("scope")), ("cc", "profile email"));
    assert!(answer.json.get("sub").is_none() && answer.json.get("authorization_id").is_none());
}

#[tokio::test]
async fn a_refresh_token_is_described_to_its_own_client_alone() {
    let fixture = Fixture::new();
    let first = fixture.tokens("sec").await;
    let second = fixture.refresh("sec", first.text("refresh_token")).await;
    let answer = introspect(&fixture, "sec", second.text("refresh_token")).await;
    let of_access = introspect(&fixture, "sec", second.text("access_token")).await;
    let expected = json!({
        "active": true,
        "iss": ISSUER,
        "authorization_id": of_access.text("authorization_id"),
        "client_id": "sec",
        "sub": "alice",
        "scope": "profile",
        "exp": START + 30 * 86_400,
    });
    assert_eq!(answer.is_ok().json, expected);
    for (client, token) in [("sec2", &second), ("rs", &second), ("sec", &first)] {
        assert_eq!(raw(&fixture, client, token.text("refresh_token")).await.0, r#"{"active":false}"#);
    }
}

#[tokio::test]
async fn every_inactive_answer_is_the_same_to_the_byte() {
    let fixture = Fixture::new();
    let expired = fixture.tokens("sec").await;
    fixture.clock.advance(3600);
    let tokens = fixture.tokens("sec").await;
    let revoked = fixture.tokens("sec").await;
    fixture.post_as("/revoke", "sec", &[("token", revoked.text("refresh_token"))]).await.is_ok();
    let code = fixture.code("sec").await;
    let [access, refresh] = ["access_token", "refresh_token"].map(|name| tokens.text(name));
    let unknown = "A".repeat(43);
    let forged = format!("{}.0.{}", refresh.split('.').next().unwrap(), "A".repeat(43));
    let reference = raw(&fixture, "rs", &unknown).await;
    assert_eq!(reference.0, r#"{"active":false}"#);
    for (client, token) in [
        ("rs", "nonsense"),
        ("rs", "\0"),
        ("rs", &format!("{access}A")),
        ("sec", &forged),
        ("rs", expired.text("access_token")),
        ("sec", expired.text("access_token")),
        ("rs", revoked.text("access_token")),
        ("sec", revoked.text("refresh_token")),
        ("sec2", access),
        ("cc", access),
        ("sec2", refresh),
        ("rs", refresh),
        ("sec", &code),
    ] {
        assert_eq!(raw(&fixture, client, token).await, reference, "{client} {token}");
    }
}

#[tokio::test]
async fn an_access_token_expires_to_the_second() {
    let fixture = Fixture::new();
    let tokens = fixture.tokens("sec").await;
    fixture.clock.advance(3599);
    assert!(fixture.is_active(tokens.text("access_token")).await);
    fixture.clock.advance(1);
    assert!(!fixture.is_active(tokens.text("access_token")).await);
}

#[tokio::test]
async fn a_refresh_token_expires_to_the_second() {
    let fixture = Fixture::new();
    let tokens = fixture.tokens("sec").await;
    fixture.clock.advance(30 * 86_400 - 1);
    assert_eq!(introspect(&fixture, "sec", tokens.text("refresh_token")).await.json["active"], true);
    fixture.clock.advance(1);
    assert_eq!(introspect(&fixture, "sec", tokens.text("refresh_token")).await.json["active"], false);
}

#[tokio::test]
async fn every_way_to_revoke_counts() {
    let fixture = Fixture::new();
    let session = fixture.server.session_selector("session of alice");
    let at_client = Selector::SubjectAtClient("alice".into(), "sec".into());
    for selector in [Selector::Subject("alice".into()), Selector::Client("sec".into()), at_client, session] {
        let first = fixture.tokens("sec").await;
        let second = fixture.refresh("sec", first.text("refresh_token")).await;
        assert_eq!(fixture.revoke(&selector).await, 1);
        for dead in [first.text("access_token"), second.text("access_token"), second.text("refresh_token")] {
            assert_eq!(raw(&fixture, "sec", dead).await.0, r#"{"active":false}"#, "{selector:?}");
        }
    }
}

#[tokio::test]
async fn what_is_revoked_elsewhere_stays_active_here() {
    let fixture = Fixture::new();
    let tokens = fixture.tokens("sec").await;
    let session = fixture.server.session_selector("session of bob");
    let bob_here = Selector::SubjectAtClient("bob".into(), "sec".into());
    let elsewhere = Selector::SubjectAtClient("alice".into(), "sec2".into());
    let others = [Selector::Subject("bob".into()), Selector::Client("sec2".into()), bob_here, elsewhere, session];
    for selector in others {
        assert_eq!(fixture.revoke(&selector).await, 0);
        assert!(fixture.is_active(tokens.text("access_token")).await, "{selector:?}");
    }
}

#[tokio::test]
async fn the_caller_authenticates_and_a_public_client_cannot() {
    let fixture = Fixture::new();
    let tokens = fixture.tokens("pub").await;
    let request = [("token", tokens.text("access_token"))];
    fixture.post_as("/introspect", "pub", &request).await.is_refused(401, "invalid_client");
    fixture.send(post("/introspect", &request)).await.is_refused(401, "invalid_client");
    fixture.send(post_basic("/introspect", "rs", "wrong", &request)).await.is_refused(401, "invalid_client");
    fixture.post_as("/introspect", "rs", &[]).await.is_refused(400, "invalid_request");
    let mut by_get = post_basic(&format!("/introspect?{}", encode(&request)), "rs", "rs-secret", &[]);
    *by_get.method_mut() = Method::GET;
    assert_eq!(fixture.send(by_get).await.status, 405);
}
