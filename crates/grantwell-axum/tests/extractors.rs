//! Handlers that say in their signatures what they need of whoever calls them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use axum::body::Body;
use axum::extract::FromRef;
use axum::http::Request;
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use grantwell::model::Issuer;
use grantwell::resource::{Access, Requirement, ResourceServer, TokenSource};
use grantwell::{Error, ErrorCode, Timestamp, async_trait};
use grantwell_axum::{Authorized, Requires};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// Tokens that say in plain text what they are good for.
struct Plain(Issuer);

#[async_trait]
impl TokenSource for Plain {
    fn issuer(&self) -> &Issuer {
        &self.0
    }

    async fn access(&self, token: &str, _: Timestamp) -> Result<Option<Access>, Error> {
        let mut access = Access::new(self.0.clone(), "app");
        match token {
            "nobody" => {}
            "alice" => access.subject = Some("alice".into()),
            "alice-reads" => {
                access.subject = Some("alice".into());
                access.scope = "profile".parse().unwrap();
            }
            "away" => return Err(Error::new(ErrorCode::TemporarilyUnavailable, "not now")),
            _ => return Ok(None),
        }
        Ok(Some(access))
    }
}

struct ReadProfile;

impl Requires for ReadProfile {
    const REQUIREMENT: Requirement = Requirement::all_of("profile");
}

struct Transfer;

impl Requires for Transfer {
    const REQUIREMENT: Requirement = Requirement::any_of("profile transfer").acr_values("mfa");
}

#[derive(Clone)]
struct State {
    api: ResourceServer,
}

impl FromRef<State> for ResourceServer {
    fn from_ref(state: &State) -> Self {
        state.api.clone()
    }
}

async fn whoami(Authorized { access, .. }: Authorized) -> String {
    access.subject.map_or("nobody".to_owned(), |subject| subject.to_string())
}

async fn profile(Authorized { access, .. }: Authorized<ReadProfile>) -> Json<Value> {
    Json(json!({ "sub": access.subject }))
}

async fn transfer(_: Authorized<Transfer>) -> &'static str {
    "done"
}

async fn hello(visitor: Option<Authorized<ReadProfile>>) -> String {
    visitor.and_then(|visitor| visitor.access.subject).map_or("stranger".to_owned(), |subject| subject.to_string())
}

fn api(resource: &str) -> ResourceServer {
    ResourceServer::new(resource.parse().unwrap(), Plain("https://as.example".into()))
}

fn app(api: ResourceServer) -> Router {
    Router::new()
        .without_v07_checks()
        .route("/api/whoami", get(whoami))
        .route("/api/profile", get(profile))
        .route("/api/transfer", get(transfer))
        .route("/api/hello", get(hello))
        .merge(grantwell_axum::metadata(&api))
        .with_state(State { api })
}

async fn send(app: &Router, uri: &str, token: Option<&str>) -> Response {
    let request = token.into_iter().fold(Request::get(uri), |request, token| request.header("authorization", token));
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn text(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().into()).unwrap()
}

#[tokio::test]
async fn who_has_what_the_handler_needs_is_let_in() {
    let app = app(api("https://as.example/api"));
    for (uri, token, says) in [
        ("/api/whoami", Some("Bearer alice"), "alice"),
        ("/api/whoami", Some("bearer nobody"), "nobody"),
        ("/api/profile", Some("Bearer alice-reads"), r#"{"sub":"alice"}"#),
        ("/api/hello", Some("Bearer alice-reads"), "alice"),
        ("/api/hello", None, "stranger"),
        ("/api/hello", Some("Basic YTpi"), "stranger"),
    ] {
        let response = send(&app, uri, token).await;
        assert_eq!((response.status().as_u16(), text(response).await.as_str()), (200, says), "{uri} {token:?}");
    }
}

#[tokio::test]
async fn who_has_not_gets_the_answer_of_the_rfc() {
    let app = app(api("https://as.example/api"));
    for (uri, token, status, error) in [
        ("/api/whoami", None, 401, None),
        ("/api/whoami", Some("Bearer unknown"), 401, Some("invalid_token")),
        ("/api/whoami", Some("Bearer two tokens"), 400, Some("invalid_request")),
        ("/api/whoami?access_token=alice", None, 401, None),
        ("/api/profile", Some("Bearer alice"), 403, Some("insufficient_scope")),
        ("/api/transfer", Some("Bearer alice-reads"), 401, Some("insufficient_user_authentication")),
        ("/api/hello", Some("Bearer unknown"), 401, Some("invalid_token")),
        ("/api/hello", Some("Bearer alice"), 403, Some("insufficient_scope")),
        ("/api/hello", Some("Bearer"), 400, Some("invalid_request")),
        ("/api/hello", Some("Bearer away"), 503, Some("temporarily_unavailable")),
    ] {
        let response = send(&app, uri, token).await;
        assert_eq!(response.status().as_u16(), status, "{uri} {token:?}");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(challenge.is_some(), status < 500, "{uri} {token:?}");
        let leads = r#"resource_metadata="https://as.example/.well-known/oauth-protected-resource/api""#;
        assert!(challenge.is_none_or(|challenge| challenge.ends_with(leads)));
        let body = serde_json::from_str::<Value>(&text(response).await).ok();
        assert_eq!(body.as_ref().and_then(|body| body["error"].as_str()), error, "{uri} {token:?}");
    }
}

#[tokio::test]
async fn the_metadata_is_where_the_challenge_leads() {
    for (resource, uri) in [
        ("https://as.example", "/.well-known/oauth-protected-resource"),
        ("https://as.example/api", "/.well-known/oauth-protected-resource/api"),
        ("https://as.example/v1/", "/.well-known/oauth-protected-resource/v1/"),
        ("https://as.example/%7Bx%7D", "/.well-known/oauth-protected-resource/%7Bx%7D"),
        ("https://as.example/:tenant/*all", "/.well-known/oauth-protected-resource/:tenant/*all"),
    ] {
        let app = app(api(resource));
        let response = send(&app, uri, None).await;
        assert_eq!(response.status(), 200, "{resource}");
        assert_eq!(serde_json::from_str::<Value>(&text(response).await).unwrap()["resource"], resource);
        assert_eq!(send(&app, &format!("{uri}/x"), None).await.status(), 404);
    }
    let unnamed = ResourceServer::unnamed(Plain("https://as.example".into()));
    let nothing = send(&app(unnamed), "/.well-known/oauth-protected-resource", None).await;
    assert_eq!(nothing.status(), 404);
}
