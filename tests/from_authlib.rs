//! The Rust code of `docs/from-authlib.md`, compiled and walked. What stands between `// guide: NAME` and `// guide end`
//! is in the guide to the letter.
#![cfg(feature = "tower")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::{Form, Request, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use grantwell::grants::AuthorizationCode;
use grantwell::hooks::{SubjectPolicy, Verdict};
use grantwell::model::{
    self, ActiveAccessToken, Authorization, Client, ClientId, ClientMetadata, ClientSecret, Issued,
};
use grantwell::resource::{Requirement, ResourceServer, StoredTokens};
use grantwell::storage::{AccessTokenStore, AuthorizationCodeStore, ClientStore, CodeState, TokenStore};
use grantwell::{
    AuthorizationServer, Authorize, BuildError, Decision, Digest, Login, PendingConsent, SecretKey, StorageError,
    SystemRandomness, Timestamp,
};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;

// guide: clients
fn clients() -> Result<HashMap<ClientId, Arc<Client>>, Box<dyn Error>> {
    let metadata = ClientMetadata {
        redirect_uris: vec!["https://app.example/callback".parse()?],
        scope: "profile".parse()?,
        ..ClientMetadata::default() // client_secret_basic, the code grant, response type code
    };
    let secret = ClientSecret::Digest(Digest::of("app-secret"));
    let client = Client::new("app".into(), Some(secret), metadata)?;
    Ok(HashMap::from([(client.id().clone(), Arc::new(client))]))
}

#[async_trait]
impl ClientStore for Tables {
    async fn query_client(&self, client_id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        Ok(self.clients.get(client_id).cloned())
    }
}
// guide end

// guide: tables
#[derive(Default)]
struct Tables {
    clients: HashMap<ClientId, Arc<Client>>,
    codes: Mutex<HashMap<Digest, CodeState>>,
    tokens: Mutex<HashMap<Digest, Issued>>,
}

#[async_trait]
impl TokenStore for Tables {
    async fn save_token(&self, issued: &Issued) -> Result<(), StorageError> {
        self.tokens.lock().unwrap().insert(issued.access_token.token, issued.clone());
        Ok(())
    }
}

#[async_trait]
impl AuthorizationCodeStore for Tables {
    async fn save_authorization_code(&self, code: &model::AuthorizationCode) -> Result<bool, StorageError> {
        let mut codes = self.codes.lock().unwrap();
        let is_new = !codes.contains_key(&code.code);
        codes.entry(code.code).or_insert_with(|| CodeState::Active(code.clone()));
        Ok(is_new)
    }

    async fn query_authorization_code(&self, code: &Digest) -> Result<Option<CodeState>, StorageError> {
        Ok(self.codes.lock().unwrap().get(code).cloned())
    }

    async fn delete_authorization_code(&self, code: &Digest) -> Result<bool, StorageError> {
        let mut codes = self.codes.lock().unwrap();
        let Some(CodeState::Active(active)) = codes.get(code).cloned() else { return Ok(false) };
        codes.insert(*code, CodeState::Consumed(active));
        Ok(true)
    }
}

struct StillAUser;

#[async_trait]
impl SubjectPolicy for StillAUser {
    async fn review(&self, authorization: &Authorization, _: &Client) -> Result<Verdict, StorageError> {
        let is_user = USERS.contains(&authorization.subject.as_str());
        Ok(if is_user { Verdict::Allow } else { Verdict::Refuse })
    }
}
// guide end

// guide: server
fn server(tables: &Arc<Tables>, key: SecretKey) -> Result<AuthorizationServer, BuildError> {
    AuthorizationServer::builder("https://as.example", tables.clone(), tables.clone())
        .secret_keys(key, []) // 32 random bytes, the same on every replica
        .grant(AuthorizationCode::new())
        .subject_policy(StillAUser)
        .build()
}

#[async_trait]
impl AccessTokenStore for Tables {
    async fn query_token(&self, token: &Digest) -> Result<Option<ActiveAccessToken>, StorageError> {
        let found = self.tokens.lock().unwrap().get(token).cloned();
        Ok(found.map(|issued| ActiveAccessToken { token: issued.access_token, authorization: issued.authorization }))
    }
}

fn require_oauth(tables: &Arc<Tables>) -> ResourceServer {
    ResourceServer::unnamed(StoredTokens::new("https://as.example", tables.clone()))
}
// guide end

// guide: routes
fn routes(server: AuthorizationServer, api: ResourceServer) -> Router {
    Router::new()
        .route("/authorize", get(authorize).post(authorize))
        .route("/consent", post(consent))
        .route_service("/token", server.endpoints())
        .with_state(server)
        .merge(Router::new().route("/me", get(me)).with_state(api))
}

async fn authorize(State(server): State<AuthorizationServer>, request: Request) -> Response {
    let login = current_login(request.headers());
    let request = match grantwell::buffer(request).await {
        Ok(request) => request,
        Err(refused) => return refused.map(Body::from),
    };
    match server.authorize(&request, login.as_ref()).await {
        Authorize::Login(pending) => Redirect::to(&login_page(pending.resume_url())).into_response(),
        Authorize::Consent(pending) => consent_page(&pending).into_response(),
        Authorize::Respond(response) => response.map(Body::from),
    }
}

#[derive(serde::Deserialize)]
struct Consent {
    ticket: String,
    confirm: String,
}

async fn consent(State(server): State<AuthorizationServer>, headers: HeaderMap, form: Form<Consent>) -> Response {
    let decision = if form.confirm == "yes" { Decision::APPROVE } else { Decision::Deny };
    server.decide(&form.ticket, current_login(&headers).as_ref(), decision).await.map(Body::from)
}

async fn me(State(api): State<ResourceServer>, request: Request) -> Response {
    match api.check_head(&request.into_parts().0, &Requirement::all_of("profile")).await {
        Ok(access) => axum::Json(json!({ "sub": access.subject })).into_response(),
        Err(refused) => refused.response().map(Body::from),
    }
}
// guide end

// What the host has: users, their session, its pages.

const USERS: [&str; 1] = ["alice"];

fn current_login(headers: &HeaderMap) -> Option<Login> {
    let user = headers.get("cookie")?.to_str().ok()?;
    Some(Login::new(user, format!("session of {user}"), Timestamp::from_unix(1)))
}

fn login_page(next: &str) -> String {
    format!("/login?{}", encode(&[("next", next)]))
}

fn consent_page(pending: &PendingConsent) -> Html<String> {
    Html(pending.ticket().to_owned())
}

fn encode(params: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish()
}

/// A running host; `alice` and `gone` have logged in some time.
struct Host(Router);

impl Host {
    fn new() -> Self {
        let tables = Arc::new(Tables { clients: clients().unwrap(), ..Tables::default() });
        let server = server(&tables, SecretKey::generate(&SystemRandomness)).unwrap();
        Self(routes(server, require_oauth(&tables)))
    }

    async fn send(&self, request: http::request::Builder, body: &[(&str, &str)]) -> (StatusCode, HeaderMap, String) {
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let response = self.0.clone().oneshot(request.body(Body::from(encode(body))).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1 << 16).await.unwrap();
        (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn code(&self, user: &str) -> String {
        let request = http::Request::get(AUTHORIZE).header("cookie", user);
        let (_, _, ticket) = self.send(request, &[]).await;
        let decision = [("ticket", ticket.as_str()), ("confirm", "yes")];
        let (_, headers, _) = self.send(http::Request::post("/consent").header("cookie", user), &decision).await;
        let location = url::Url::parse(headers["location"].to_str().unwrap()).unwrap();
        location.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned()
    }

    async fn redeem(&self, code: &str) -> (StatusCode, Value) {
        let authorization = format!("Basic {}", STANDARD.encode("app:app-secret"));
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let body = [("grant_type", "authorization_code"), ("code", code), ("code_verifier", verifier)];
        let request = http::Request::post("/token").header("authorization", authorization);
        let (status, _, body) = self.send(request, &body).await;
        (status, serde_json::from_str(&body).unwrap())
    }
}

/// RFC 7636 appendix B has the challenge.
const AUTHORIZE: &str = "/authorize?response_type=code&client_id=app&state=xyz\
    &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

#[tokio::test]
async fn the_guides_server_works() {
    let host = Host::new();
    let (status, headers, _) = host.send(http::Request::get(AUTHORIZE), &[]).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert!(headers["location"].to_str().unwrap().starts_with("/login?next=%2Fauthorize"));

    let code = host.code("alice").await;
    let (status, answer) = host.redeem(&code).await;
    assert_eq!((status, &answer["scope"]), (StatusCode::OK, &json!("profile")), "{answer}");
    let token = format!("Bearer {}", answer["access_token"].as_str().unwrap());
    let (status, _, body) = host.send(http::Request::get("/me").header("authorization", token), &[]).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, r#"{"sub":"alice"}"#));

    let (status, answer) = host.redeem(&code).await;
    assert_eq!((status, &answer["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_grant")));
    let (status, ..) = host.send(http::Request::get("/me"), &[]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_user_who_is_gone_gets_no_token() {
    let host = Host::new();
    let (status, answer) = host.redeem(&host.code("gone").await).await;
    assert_eq!((status, &answer["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_grant")));
}

#[test]
fn the_guide_has_this_code() {
    let guide: Vec<&str> = include_str!("../docs/from-authlib.md")
        .split("```rust\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .collect();
    let own: Vec<&str> = include_str!("from_authlib.rs")
        .split("\n// guide: ")
        .skip(1)
        .map(|rest| rest.split("\n// guide end").next().unwrap_or_default())
        .filter_map(|named| named.split_once('\n'))
        .map(|(_, code)| code)
        .collect();
    assert_eq!(own.len(), 4);
    for (guide, own) in guide.iter().zip(&own) {
        assert_eq!(guide.trim_end(), *own);
    }
    assert_eq!(guide.len(), own.len());
}
