//! The implicit and the password grant (RFC 6749 sections 4.2 and 4.3): there only when they are called for.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use common::*;
use grantwell::grants::legacy::{Implicit, Password, PasswordVerifier};
use grantwell::hooks::{Attempt, RateLimiter, SubjectPolicy, Verdict};
use grantwell::model::{AuthMethod, Authorization, Client, ClientMetadata};
use grantwell::stores::MemoryStore;
use grantwell::{
    AuthorizationServer, Authorize, Builder, Clock as _, Decision, Login, Secret, SecretKey, StorageError,
};
use serde_json::json;

fn spa() -> ClientMetadata {
    ClientMetadata {
        grant_types: vec!["implicit".to_owned()],
        response_types: vec!["token".to_owned()],
        ..metadata(AuthMethod::NONE)
    }
}

fn implicit_request<'a>() -> Vec<(&'a str, &'a str)> {
    vec![
        ("response_type", "token"),
        ("client_id", "spa"),
        ("redirect_uri", CALLBACK),
        ("scope", "profile"),
        ("state", "xyz"),
    ]
}

fn implicit() -> Fixture {
    let fixture = Fixture::with(|builder| builder.grant(Implicit::new()));
    fixture.store.insert_client(public("spa", spa()));
    fixture
}

#[tokio::test]
async fn neither_is_there_unless_it_is_called_for() {
    let fixture = Fixture::new();
    fixture.store.insert_client(public("spa", spa()));
    let login = fixture.login("alice");
    let answer = fixture.respond(&implicit_request(), Some(&login)).await;
    is_error_redirect(&answer, "unsupported_response_type", Some("xyz"));
    let password = [("grant_type", "password"), ("username", "alice"), ("password", "right")];
    fixture.token("sec", &password).await.is_refused(400, "unsupported_grant_type");
}

#[tokio::test]
async fn the_implicit_grant_answers_in_the_fragment() {
    let fixture = implicit();
    let login = fixture.login("alice");
    let pending = fixture.consent(&implicit_request(), &login).await;
    let response = fixture.server.decide(pending.ticket(), Some(&login), Decision::APPROVE).await;
    assert!(location(&response).starts_with(&format!("{CALLBACK}#")), "{}", location(&response));
    assert_eq!(response.headers()["cache-control"], "no-store");
    let param = |name| redirect_param(&response, name);
    for (name, value) in
        [("token_type", "Bearer"), ("expires_in", "3600"), ("scope", "profile"), ("state", "xyz"), ("iss", ISSUER)]
    {
        assert_eq!(param(name).as_deref(), Some(value));
    }
    assert_eq!((param("refresh_token"), param("code")), (None, None));
    assert!(fixture.is_active(&param("access_token").unwrap()).await);
}

#[tokio::test]
async fn each_click_is_an_approval_of_its_own() {
    let fixture = implicit();
    let login = fixture.login("alice");
    let request = changed(&implicit_request(), "scope", Some("profile email"));
    let pending = fixture.consent(&request, &login).await;
    let narrow = Decision::Approve { scope: Some("profile".parse().unwrap()), remember: false };
    for (decision, scope) in [(narrow, "profile"), (Decision::APPROVE, "profile email")] {
        fixture.clock.advance(300);
        let response = fixture.server.decide(pending.ticket(), Some(&login), decision).await;
        let token = redirect_param(&response, "access_token").unwrap();
        fixture.clock.advance(100);
        let facts = fixture.post_as("/introspect", "rs", &[("token", &token)]).await;
        assert_eq!((facts.text("scope"), facts.json["exp"].as_u64()), (scope, Some(now(&fixture) + 3500)));
    }
}

fn now(fixture: &Fixture) -> u64 {
    fixture.clock.now().as_unix()
}

/// Refuses everybody.
struct Nobody;

#[async_trait]
impl SubjectPolicy for Nobody {
    async fn review(&self, _: &Authorization, _: &Client) -> Result<Verdict, StorageError> {
        Ok(Verdict::Refuse)
    }
}

#[tokio::test]
async fn a_user_whom_the_host_refuses_gets_nothing() {
    let fixture = Fixture::with(|builder| builder.grant(Implicit::new()).subject_policy(Nobody));
    fixture.store.insert_client(public("spa", spa()));
    let login = fixture.login("alice");
    let pending = fixture.consent(&implicit_request(), &login).await;
    let response = fixture.server.decide(pending.ticket(), Some(&login), Decision::APPROVE).await;
    assert_eq!(redirect_param(&response, "error").as_deref(), Some("access_denied"));
    let fixture = with_password(|builder| builder.subject_policy(Nobody));
    fixture.token("old", &password_request("alice", "right")).await.is_refused(400, "invalid_grant");
}

#[tokio::test]
async fn a_token_never_travels_in_a_query() {
    let fixture = implicit();
    let login = fixture.login("alice");
    let request = changed(&implicit_request(), "response_mode", Some("query"));
    let response = fixture.respond(&request, Some(&login)).await;
    assert!(location(&response).starts_with(&format!("{CALLBACK}#error=invalid_request")), "{}", location(&response));
}

#[tokio::test]
async fn a_client_has_the_implicit_grant_by_its_registration() {
    let fixture = implicit();
    let login = fixture.login("alice");
    let request = changed(&implicit_request(), "client_id", Some("pub"));
    let response = fixture.respond(&request, Some(&login)).await;
    assert!(location(&response).contains("#error=unauthorized_client"), "{}", location(&response));
}

#[tokio::test]
async fn a_server_may_have_the_authorization_endpoint_alone() {
    let store = Arc::new(MemoryStore::new());
    store.insert_client(public("spa", spa()));
    let begin = || AuthorizationServer::builder(ISSUER, store.clone(), store.clone()).grant(Implicit::new());
    assert!(begin().build().is_err(), "the consent page's ticket needs a key");
    let server = begin().secret_keys(SecretKey::from_bytes([7; 32]), []).build().unwrap();
    let published: serde_json::Value = serde_json::from_slice(server.metadata()).unwrap();
    assert_eq!(published["response_types_supported"], json!(["token"]));
    assert_eq!(published["grant_types_supported"], json!(["implicit"]));
    assert_eq!(published["response_modes_supported"], json!(["fragment", "form_post"]));
    assert_eq!((published.get("token_endpoint"), published.get("code_challenge_methods_supported")), (None, None));
    assert_eq!(server.endpoints().call(post("/token", &[])).await.status(), 404);
    let login = Login::new("alice", "s", grantwell::SystemClock.now());
    let request = get(&format!("/authorize?{}", encode(&implicit_request())));
    assert!(matches!(server.authorize(&request, Some(&login)).await, Authorize::Consent(_)));
}

/// Alice's password is `right`; the store behind is down for Bob.
struct Passwords(ManualClock);

#[async_trait]
impl PasswordVerifier for Passwords {
    async fn verify(&self, username: &str, password: &Secret, _: &Client) -> Result<Option<Login>, StorageError> {
        if username == "bob" {
            return Err(StorageError::new("down"));
        }
        let is_right = username == "alice" && password.expose() == "right";
        Ok(is_right.then(|| Login::new(username, "s", self.0.now())))
    }
}

fn with_password(change: impl FnOnce(Builder<MemoryStore>) -> Builder<MemoryStore>) -> Fixture {
    let clock = ManualClock::new();
    let fixture = Fixture::with(|builder| change(builder.grant(Password::new(Passwords(clock)))));
    let old = ClientMetadata {
        grant_types: vec!["password".to_owned(), "refresh_token".to_owned()],
        ..metadata(AuthMethod::CLIENT_SECRET_BASIC)
    };
    fixture.store.insert_client(confidential("old", old));
    fixture
}

fn password_request<'a>(username: &'a str, password: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("grant_type", "password"), ("username", username), ("password", password), ("scope", "profile")]
}

#[tokio::test]
async fn the_right_password_buys_tokens_and_a_wrong_one_is_an_invalid_grant() {
    let fixture = with_password(|builder| builder);
    let answer = fixture.token("old", &password_request("alice", "right")).await;
    assert_eq!(answer.is_ok().text("scope"), "profile");
    assert!(fixture.is_active(answer.text("access_token")).await);
    fixture.refresh("old", answer.text("refresh_token")).await.is_ok();
    for (username, password) in [("alice", "wrong"), ("carol", "right")] {
        fixture.token("old", &password_request(username, password)).await.is_refused(400, "invalid_grant");
    }
    fixture.token("old", &password_request("alice", "")).await.is_refused(400, "invalid_request");
    fixture.token("old", &password_request("bob", "x")).await.is_refused(503, "temporarily_unavailable");
    let wider = changed(&password_request("alice", "right"), "scope", Some("admin"));
    fixture.token("old", &wider).await.is_refused(400, "invalid_scope");
    fixture.token("sec", &password_request("alice", "right")).await.is_refused(400, "unauthorized_client");
}

/// Allows one failure.
#[derive(Clone, Default)]
struct OneFailure(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl RateLimiter for OneFailure {
    async fn check(&self, attempt: &Attempt<'_>) -> Result<(), u32> {
        match attempt {
            Attempt::Login { user_id, .. } if self.0.lock().unwrap().contains(&(*user_id).to_owned()) => Err(7),
            _ => Ok(()),
        }
    }

    async fn failed(&self, attempt: &Attempt<'_>) {
        if let Attempt::Login { user_id, .. } = attempt {
            self.0.lock().unwrap().push((*user_id).to_owned());
        }
    }
}

#[tokio::test]
async fn guessing_passwords_is_limited_by_the_hosts_rule() {
    let fixture = with_password(|builder| builder.rate_limiter(OneFailure::default()));
    fixture.token("old", &password_request("alice", "wrong")).await.is_refused(400, "invalid_grant");
    let answer = fixture.token("old", &password_request("alice", "right")).await;
    answer.is_refused(429, "temporarily_unavailable");
    assert_eq!(answer.headers["retry-after"], "7");
}
