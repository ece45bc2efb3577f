//! The resource server as a tower layer.
#![cfg(feature = "tower")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::routing::get as route;
use axum::{Extension, Router};
use bytes::Bytes;
use common::*;
use grantwell::resource::{Access, Requirement, ResourceServer, StoredTokens};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

fn api(fixture: &Fixture) -> ResourceServer {
    let tokens = StoredTokens::new(ISSUER, fixture.store.clone());
    ResourceServer::new("https://as.example/api".parse().unwrap(), tokens).clock(fixture.clock.clone())
}

fn request<B: Default>(uri: &str, token: Option<&str>) -> Request<B> {
    let mut request = Request::builder().uri(uri);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(B::default()).unwrap()
}

async fn text<B: http_body::Body<Data = Bytes>>(response: Response<B>) -> (u16, String)
where
    B::Error: std::fmt::Debug,
{
    let status = response.status().as_u16();
    (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().into()).unwrap())
}

#[tokio::test]
async fn an_axum_router_behind_the_layer_is_for_those_who_may() {
    let fixture = Fixture::new();
    let tokens = fixture.tokens("sec").await;
    let token = tokens.text("access_token");
    let me = |Extension(access): Extension<Access>| async move { access.subject.unwrap().to_string() };
    let app = Router::new()
        .route("/api/me", route(me))
        .route("/api/admin", route(|| async { "secret" }).layer(api(&fixture).layer(Requirement::all_of("admin"))))
        .route_layer(api(&fixture).layer(Requirement::all_of("profile")))
        .route("/", route(|| async { "hello" }))
        .route_service("/.well-known/oauth-protected-resource/api", api(&fixture).well_known());
    for (uri, token, status, says) in [
        ("/", None, 200, "hello"),
        ("/api/me", Some(token), 200, "alice"),
        ("/api/me", None, 401, ""),
        ("/api/me", Some("unknown"), 401, "invalid_token"),
        ("/api/admin", Some(token), 403, "insufficient_scope"),
        ("/.well-known/oauth-protected-resource/api", None, 200, r#""resource":"https://as.example/api""#),
    ] {
        let (own, body) = text(app.clone().oneshot(request::<Body>(uri, token)).await.unwrap()).await;
        assert!(own == status && body.contains(says), "{uri} {token:?}: {own} {body}");
    }
    let refused = app.oneshot(request::<Body>("/api/me", None)).await.unwrap();
    let leads = r#"Bearer resource_metadata="https://as.example/.well-known/oauth-protected-resource/api""#;
    assert_eq!(refused.headers()["www-authenticate"], leads);
}

#[tokio::test]
async fn any_service_can_stand_behind_the_layer() {
    let fixture = Fixture::new();
    let tokens = fixture.tokens("sec").await;
    let inner = service_fn(|request: Request<Full<Bytes>>| async move {
        let access = request.extensions().get::<Access>().unwrap();
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(access.client_id.to_string()))))
    });
    let service = api(&fixture).layer(Requirement::any_token()).layer(inner);
    let own = request("/api/me", Some(tokens.text("access_token")));
    assert_eq!(text(service.clone().oneshot(own).await.unwrap()).await, (200, "sec".to_owned()));
    assert_eq!(text(service.oneshot(request("/api/me", None)).await.unwrap()).await, (401, String::new()));
}

#[tokio::test]
async fn who_is_refused_never_reaches_the_service_nor_brings_access_along() {
    let fixture = Fixture::new();
    let reached = Arc::new(AtomicBool::new(false));
    let seen = reached.clone();
    let inner = service_fn(move |_: Request<Full<Bytes>>| {
        seen.store(true, Ordering::SeqCst);
        async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
    });
    let service = api(&fixture).layer(Requirement::any_token()).layer(inner);
    let mut forged: Request<Full<Bytes>> = request("/api/me", Some("unknown"));
    forged.extensions_mut().insert(Access::new(ISSUER, "sec"));
    assert_eq!(service.oneshot(forged).await.unwrap().status(), 401);
    assert!(!reached.load(Ordering::SeqCst));
}

/// A service that panics unless the very one is called that was ready, as tower allows it.
struct Picky {
    is_ready: bool,
}

impl Clone for Picky {
    fn clone(&self) -> Self {
        Self { is_ready: false }
    }
}

impl Service<Request<Full<Bytes>>> for Picky {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        assert!(self.is_ready, "it was not ready");
        std::future::ready(Ok(Response::new(Full::default())))
    }
}

#[tokio::test]
async fn the_service_that_was_ready_is_the_one_that_is_called() {
    let fixture = Fixture::new();
    let tokens = fixture.tokens("sec").await;
    let mut service = api(&fixture).layer(Requirement::any_token()).layer(Picky { is_ready: false });
    for _ in 0..2 {
        let request = request("/api/me", Some(tokens.text("access_token")));
        assert_eq!(service.ready().await.unwrap().call(request).await.unwrap().status(), 200);
    }
}
