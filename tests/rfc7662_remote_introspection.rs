//! An API that asks an authorization server about each token (RFC 7662).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use common::*;
use grantwell::model::Subject;
use grantwell::outbound::{HttpClient, HttpError};
use grantwell::resource::{Access, IntrospectedTokens, Requirement, ResourceServer, StoredTokens};
use grantwell::{AuthorizationServer, Secret};
use http::{Request, Response};
use serde_json::{Value, json};

const RESOURCE: &str = "https://api.example/v1";
const ENDPOINT: &str = "https://as.example/introspect";

/// Answers what it was told to, and remembers what it was asked.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Result<Response<Bytes>, HttpError>>>,
    asked: Mutex<Vec<Request<Bytes>>>,
}

#[async_trait]
impl HttpClient for Script {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        self.asked.lock().unwrap().push(request);
        self.answers.lock().unwrap().pop_front().unwrap()
    }
}

/// Sends the request to a server in this process.
struct Direct(AuthorizationServer);

#[async_trait]
impl HttpClient for Direct {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        Ok(self.0.endpoints().call(request).await)
    }
}

fn api(http: Arc<dyn HttpClient>) -> ResourceServer {
    let tokens = IntrospectedTokens::new(ISSUER, ENDPOINT.parse().unwrap(), "rs", Secret::new("rs-secret"), http);
    ResourceServer::new(RESOURCE.parse().unwrap(), tokens).clock(ManualClock::new())
}

fn bearing(token: &str) -> Request<Bytes> {
    let mut request = get("/v1/me");
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

fn ok(body: impl ToString) -> Response<Bytes> {
    Response::builder().header("content-type", "application/json").body(body.to_string().into()).unwrap()
}

/// What the API says when the authorization server answers that: the access, or the status and code of the refusal.
async fn when(answer: Result<Response<Bytes>, HttpError>) -> Result<Access, (u16, &'static str)> {
    let script = Arc::new(Script::default());
    script.answers.lock().unwrap().push_back(answer);
    let answer = api(script).check(&bearing("a-token"), &Requirement::all_of("profile")).await;
    answer.map_err(|refused| (refused.response().status().as_u16(), refused.error().unwrap().code().as_str()))
}

fn active() -> Value {
    json!({ "active": true, "client_id": "app", "scope": "profile email", "sub": "alice", "exp": START + 60 })
}

fn with(name: &str, value: Value) -> Value {
    let mut answer = active();
    answer[name] = value;
    answer
}

#[tokio::test]
async fn the_server_is_asked_as_the_rfc_says_and_each_time() {
    let script = Arc::new(Script::default());
    script.answers.lock().unwrap().extend([Ok(ok(active())), Ok(ok(json!({ "active": false })))]);
    let secret = Secret::new("s:e c%ret/\u{e9}");
    let tokens = IntrospectedTokens::new(ISSUER, ENDPOINT.parse().unwrap(), "https://rs", secret, script.clone());
    let api = ResourceServer::unnamed(tokens).clock(ManualClock::new());
    assert!(api.check(&bearing("a.b+c/d=="), &Requirement::any_token()).await.is_ok());
    assert!(api.check(&bearing("a.b+c/d=="), &Requirement::any_token()).await.is_err(), "nothing is kept");

    let asked = script.asked.lock().unwrap();
    assert_eq!(asked.len(), 2);
    assert_eq!((asked[0].method().as_str(), asked[0].uri().to_string().as_str()), ("POST", ENDPOINT));
    assert_eq!(asked[0].headers()["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(asked[0].headers()["accept"], "application/json");
    let params: Vec<_> = url::form_urlencoded::parse(asked[0].body()).into_owned().collect();
    let expected = [("token", "a.b+c/d=="), ("token_type_hint", "access_token")];
    assert_eq!(params, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let own = post_basic("/", "https://rs", "s:e c%ret/\u{e9}", &[]);
    assert_eq!(asked[0].headers()["authorization"], own.headers()["authorization"]);
    assert!(!format!("{:?} {api:?}", asked[0]).contains("Basic"), "the credentials are not shown");
}

#[tokio::test]
async fn a_server_of_this_library_is_understood() {
    let fixture = Fixture::new();
    let tokens = fixture.tokens("sec").await;
    let own = fixture.token("cc", &[("grant_type", "client_credentials")]).await;
    let api = api(Arc::new(Direct(fixture.server.clone()))).clock(fixture.clock.clone());
    let request = bearing(tokens.text("access_token"));
    let access = api.check(&request, &Requirement::all_of("profile").max_age(60)).await.unwrap();
    assert_eq!((access.subject, access.client_id.as_str()), (Some(Subject::from("alice")), "sec"));
    let times = [access.issued_at, access.expires_at, access.auth_time].map(|time| time.unwrap().as_unix());
    assert_eq!(times, [START, START + 3600, START]);

    let access = api.check(&bearing(own.text("access_token")), &Requirement::any_token()).await.unwrap();
    assert_eq!((access.subject, access.client_id.as_str(), access.authorization), (None, "cc", None));

    let code = fixture.code_for(&code_request("sec"), "sec").await;
    let namesake = fixture.redeem("sec", &code).await;
    let access = api.check(&bearing(namesake.text("access_token")), &Requirement::any_token()).await.unwrap();
    assert_eq!(access.subject, Some(Subject::from("sec")), "a user who has the client's name");
    assert!(access.authorization.is_some());

    fixture.post_as("/revoke", "sec", &[("token", tokens.text("access_token"))]).await.is_ok();
    for token in [tokens.text("access_token"), tokens.text("refresh_token"), "unknown"] {
        let refused = api.check(&bearing(token), &Requirement::any_token()).await.unwrap_err();
        assert_eq!(refused.error().unwrap().code().as_str(), "invalid_token");
    }
}

#[tokio::test]
async fn an_active_token_is_described() {
    let full = json!({
        "active": true,
        "iss": ISSUER,
        "client_id": "app",
        "sub": "alice",
        "scope": "profile email",
        "aud": ["https://other.example", RESOURCE],
        "iat": START,
        "nbf": START,
        "exp": START + 60,
        "auth_time": START - 5,
        "acr": "mfa",
        "amr": ["otp"],
        "token_type": "bearer",
        "username": "Alice",
        "jti": "a1",
    });
    let access = when(Ok(ok(full))).await.unwrap();
    assert_eq!((access.subject, access.client_id.as_str()), (Some("alice".into()), "app"));
    assert_eq!((access.acr.as_deref(), access.amr), (Some("mfa"), vec!["otp".to_owned()]));
    assert_eq!(Value::Object(access.claims), json!({ "username": "Alice", "jti": "a1" }));
    for (name, value) in [
        ("aud", json!(RESOURCE)),
        ("aud", Value::Null),
        ("exp", Value::Null),
        ("iss", Value::Null),
        ("acr", Value::Null),
        ("amr", Value::Null),
        ("sub", Value::Null),
    ] {
        assert!(when(Ok(ok(with(name, value)))).await.is_ok(), "{name}");
    }
    assert_eq!(when(Ok(ok(with("sub", json!("app"))))).await.unwrap().subject, None);
}

#[tokio::test]
async fn an_inactive_token_is_invalid() {
    for answer in [
        json!({ "active": false }),
        json!({ "active": false, "client_id": "app", "scope": "profile", "sub": "alice" }),
        with("exp", json!(START)),
        with("nbf", json!(START + 1)),
        with("iss", json!("https://other.example")),
        with("iss", json!("https://as.example/")),
        with("aud", json!("https://api.example/")),
        with("aud", json!(["https://other.example"])),
        with("token_type", json!("DPoP")),
        with("cnf", json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" })),
    ] {
        assert_eq!(when(Ok(ok(&answer))).await.unwrap_err(), (401, "invalid_token"), "{answer}");
    }
    assert_eq!(when(Ok(ok(with("scope", json!("email"))))).await.unwrap_err(), (403, "insufficient_scope"));
    assert_eq!(when(Ok(ok(with("scope", Value::Null)))).await.unwrap_err(), (403, "insufficient_scope"));
}

#[tokio::test]
async fn an_answer_that_is_none_is_not_a_no() {
    let with_status = |status: u16, answer: Value| {
        let mut response = ok(answer);
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
        Ok(response)
    };
    let mut answers = vec![
        Err(HttpError::new("connection refused")),
        with_status(401, json!({ "error": "invalid_client" })),
        with_status(404, json!({ "active": false })),
        with_status(302, active()),
        with_status(500, json!({ "active": false })),
        with_status(503, json!({})),
        with_status(201, active()),
        Ok(Response::new(active().to_string().into())),
        Ok(Response::builder().header("content-type", "text/html").body(active().to_string().into()).unwrap()),
        Ok(ok(with("padding", json!("x".repeat(64 * 1024))))),
    ];
    let whole = active().to_string();
    answers.extend(
        [
            String::new(),
            "<html>".to_owned(),
            "[]".to_owned(),
            "{}".to_owned(),
            "true".to_owned(),
            whole[..whole.len() - 1].to_owned(),
            format!("{whole}x"),
            "[".repeat(10_000),
            whole.replacen('{', r#"{"active":false,"#, 1),
            whole.replacen('{', r#"{"exp":1,"#, 1),
            whole.replacen('{', r#"{"client_id":"other","#, 1),
            json!({ "active": true }).to_string(),
            json!({ "active": true, "scope": "profile", "sub": "alice" }).to_string(),
            with("active", json!("true")).to_string(),
            with("active", json!(1)).to_string(),
            with("active", Value::Null).to_string(),
            with("exp", json!((START + 60).to_string())).to_string(),
            with("exp", json!(-1)).to_string(),
            with("scope", json!(["profile"])).to_string(),
            with("scope", json!("profile  email")).to_string(),
            with("client_id", json!(1)).to_string(),
            with("sub", json!(1)).to_string(),
            with("aud", json!(1)).to_string(),
            with("aud", json!([1])).to_string(),
            with("auth_time", json!("now")).to_string(),
            with("acr", json!([])).to_string(),
        ]
        .map(|text| Ok(ok(text))),
    );
    for (index, answer) in answers.into_iter().enumerate() {
        assert_eq!(when(answer).await.unwrap_err(), (503, "temporarily_unavailable"), "{index}");
    }
}

#[tokio::test]
async fn the_caller_of_the_api_learns_nothing_of_what_went_wrong() {
    let script = Arc::new(Script::default());
    let answer = Err(HttpError::new("connect to 10.0.0.7:8443 failed"));
    script.answers.lock().unwrap().push_back(answer);
    let response = api(script).check(&bearing("a-token"), &Requirement::any_token()).await.unwrap_err().response();
    assert_eq!(response.headers().get("www-authenticate"), None);
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    let expected =
        json!({ "error": "temporarily_unavailable", "error_description": "the access token cannot be checked now" });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_token_that_the_store_knows_is_shown_to_nobody_else() {
    let fixture = Fixture::new();
    let tokens = fixture.tokens("sec").await;
    let script = Arc::new(Script::default());
    script.answers.lock().unwrap().push_back(Ok(ok(active())));
    let remote = "https://other.example/introspect".parse().unwrap();
    let remote = IntrospectedTokens::new("https://other.example", remote, "rs", Secret::new("s"), script.clone());
    let stored = StoredTokens::new(ISSUER, fixture.store.clone());
    let api = ResourceServer::unnamed(stored).or(remote).clock(fixture.clock.clone());
    let own = api.check(&bearing(tokens.text("access_token")), &Requirement::any_token()).await.unwrap();
    assert_eq!((own.issuer.as_str(), script.asked.lock().unwrap().len()), (ISSUER, 0));
    let other = api.check(&bearing("of-the-other"), &Requirement::any_token()).await.unwrap();
    assert_eq!((other.issuer.as_str(), script.asked.lock().unwrap().len()), ("https://other.example", 1));
}

#[tokio::test]
async fn while_one_source_cannot_tell_the_next_is_not_asked() {
    let (away, next) = (Arc::new(Script::default()), Arc::new(Script::default()));
    away.answers.lock().unwrap().push_back(Err(HttpError::new("away")));
    let next_tokens =
        IntrospectedTokens::new("https://b.example", ENDPOINT.parse().unwrap(), "rs", Secret::new("s"), next.clone());
    let refused = api(away).or(next_tokens).check(&bearing("a-token"), &Requirement::any_token()).await.unwrap_err();
    assert_eq!(refused.response().status(), 503);
    assert!(next.asked.lock().unwrap().is_empty(), "it may be a token of the first issuer");
}
