//! The services as `tower_service::Service`s.
#![cfg(feature = "tower")]

mod common;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use common::*;
use futures::stream;
use grantwell::MAX_BODY;
use http::{Request, Response, StatusCode, Uri};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full, StreamBody};
use tower_service::Service;

const CHUNK: usize = 1024;

/// What a framework does: waits until the service is ready, then calls it.
async fn call<S, B>(mut service: S, request: Request<B>) -> Response<Bytes>
where
    S: Service<Request<B>, Response = Response<Full<Bytes>>, Error = Infallible>,
{
    std::future::poll_fn(|context| service.poll_ready(context)).await.unwrap();
    let (head, body) = service.call(request).await.unwrap().into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

/// The usual redemption with another body.
async fn token<B>(fixture: &Fixture, body: B) -> Response<Bytes>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let request = post_basic("/token", "cc", "cc-secret", &[]).map(|_| body);
    call(fixture.server.endpoints(), request).await
}

fn chunk() -> Frame<Bytes> {
    Frame::data(Bytes::from_static(&[b'&'; CHUNK]))
}

#[tokio::test]
async fn a_body_in_chunks_is_read_as_one() {
    let fixture = Fixture::new();
    let chunks = ["grant_ty", "pe=client_", "credentials"].map(|text| Ok::<_, Infallible>(Frame::data(text.into())));
    let response = token(&fixture, StreamBody::new(stream::iter(chunks))).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(serde_json::from_slice::<serde_json::Value>(response.body()).unwrap()["access_token"].is_string());
}

#[tokio::test]
async fn a_body_is_read_up_to_the_limit_and_not_beyond() {
    let fixture = Fixture::new();
    let read = Arc::new(AtomicUsize::new(0));
    let counter = read.clone();
    let endless = stream::repeat_with(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok::<_, Infallible>(chunk())
    });
    let response = token(&fixture, StreamBody::new(endless)).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(response.body()).unwrap()["error"], "invalid_request");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(read.load(Ordering::Relaxed), MAX_BODY / CHUNK + 1);
    let form = "grant_type=client_credentials";
    for (length, status) in [(MAX_BODY, StatusCode::OK), (MAX_BODY + 1, StatusCode::PAYLOAD_TOO_LARGE)] {
        let body = format!("{form}{}", "&".repeat(length - form.len()));
        assert_eq!(token(&fixture, Full::new(Bytes::from(body))).await.status(), status);
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_a_bad_request() {
    let fixture = Fixture::new();
    let before = fixture.snapshot();
    let whole = Frame::data(Bytes::from_static(b"grant_type=client_credentials"));
    let broken = stream::iter([Ok(whole), Err(std::io::Error::other("reset by peer"))]);
    let response = token(&fixture, StreamBody::new(broken)).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(response.body()).unwrap()["error"], "invalid_request");
    assert!(!String::from_utf8_lossy(response.body()).contains("reset"));
    assert_eq!(fixture.snapshot(), before);
}

#[tokio::test]
async fn the_host_buffers_its_own_routes_the_same_way() {
    let request = Request::new(StreamBody::new(stream::repeat_with(|| Ok::<_, Infallible>(chunk()))));
    let refused = grantwell::buffer(request).await.unwrap_err();
    assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let request = Request::builder().uri("/decide").body(Full::new(Bytes::from_static(b"ticket=x"))).unwrap();
    let buffered = grantwell::buffer(request).await.unwrap();
    assert_eq!((buffered.uri().path(), &buffered.body()[..]), ("/decide", &b"ticket=x"[..]));
}

#[tokio::test]
async fn the_endpoints_answer_below_any_prefix() {
    let fixture = Fixture::with(|builder| builder.base_url("https://as.example/oauth"));
    let request = |uri: &'static str| {
        let mut request = post_basic("/", "cc", "cc-secret", &[("grant_type", "client_credentials")]);
        *request.uri_mut() = Uri::from_static(uri);
        request.map(Full::new)
    };
    for (uri, status) in [
        ("/oauth/token", StatusCode::OK),
        ("/token", StatusCode::OK),
        ("https://as.example/oauth/token", StatusCode::OK),
        ("/oauth/nothing", StatusCode::NOT_FOUND),
        ("/other/token", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(call(fixture.server.endpoints(), request(uri)).await.status(), status, "{uri}");
    }
}

#[tokio::test]
async fn the_metadata_is_served() {
    let fixture = Fixture::new();
    let request = get("/.well-known/oauth-authorization-server").map(Full::new);
    let response = call(fixture.server.well_known(), request).await;
    assert_eq!((response.status(), response.body()), (StatusCode::OK, fixture.server.metadata()));
}

#[test]
fn the_services_fit_every_framework() {
    fn fits<S: Service<Request<Full<Bytes>>, Error = Infallible> + Clone + Send + Sync + 'static>(_: &S)
    where
        S::Future: Send,
    {
    }
    let fixture = Fixture::new();
    fits(&fixture.server.endpoints());
    fits(&fixture.server.well_known());
}
