//! Authorization server metadata (RFC 8414).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use common::*;
use grantwell::client_auth::{ClientAuthentication, Credentials, Unauthenticated};
use grantwell::grants::{AuthorizationCode, ClientCredentials, RefreshToken};
use grantwell::model::{AuthMethod, Client};
use grantwell::stores::MemoryStore;
use grantwell::{
    AuthorizationServer, BuildError, Builder, Context, Error, Introspection, Lifetimes, Revocation, SecretKey,
};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

const WELL_KNOWN: &str = "/.well-known/oauth-authorization-server";

fn bare(issuer: &str) -> Builder<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    AuthorizationServer::builder(issuer, store.clone(), store)
}

fn keys() -> SecretKey {
    SecretKey::from_bytes([7; 32])
}

fn document(server: &AuthorizationServer) -> Value {
    serde_json::from_slice(server.metadata()).unwrap()
}

async fn well_known(server: &AuthorizationServer, method: Method, path: &str) -> Response<Bytes> {
    let mut request = get(path);
    *request.method_mut() = method;
    server.well_known().call(request).await
}

#[test]
fn only_client_credentials() {
    let server = bare(ISSUER).grant(ClientCredentials::new()).build().unwrap();
    assert_eq!(
        document(&server),
        json!({
            "issuer": ISSUER,
            "token_endpoint": "https://as.example/token",
            "response_types_supported": [],
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        })
    );
}

#[test]
fn only_introspection() {
    let server = bare(ISSUER).endpoint(Introspection::new()).build().unwrap();
    assert_eq!(
        document(&server),
        json!({
            "issuer": ISSUER,
            "introspection_endpoint": "https://as.example/introspect",
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "response_types_supported": [],
            "grant_types_supported": [],
        })
    );
}

#[tokio::test]
async fn everything_and_every_url_answers() {
    let fixture = Fixture::with(|builder| builder.scopes_supported("profile email".parse().unwrap()));
    let document = document(&fixture.server);
    let methods = json!(["client_secret_basic", "client_secret_post", "none"]);
    assert_eq!(
        document,
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://as.example/authorize",
            "token_endpoint": "https://as.example/token",
            "revocation_endpoint": "https://as.example/revoke",
            "introspection_endpoint": "https://as.example/introspect",
            "scopes_supported": ["profile", "email"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
            "token_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_methods_supported": methods,
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
        })
    );
    for name in ["token_endpoint", "revocation_endpoint", "introspection_endpoint"] {
        let path = document[name].as_str().unwrap().strip_prefix(ISSUER).unwrap();
        fixture.send(post(path, &[])).await.is_refused(401, "invalid_client");
    }
}

#[tokio::test]
async fn what_is_not_advertised_is_not_served() {
    let fixture = Fixture::new();
    let machines_only = AuthorizationServer::builder(ISSUER, fixture.store.clone(), fixture.store.clone());
    let server = machines_only.grant(ClientCredentials::new()).build().unwrap();
    let fixture = Fixture { server, ..fixture };
    for path in ["/introspect", "/revoke", "/authorize", "/register", "/userinfo", "/jwks"] {
        assert_eq!(fixture.send(post(path, &[])).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for grant_type in ["authorization_code", "refresh_token"] {
        fixture.token("sec", &[("grant_type", grant_type)]).await.is_refused(400, "unsupported_grant_type");
    }
    let response = fixture.respond(&code_request("sec"), Some(&fixture.login("alice"))).await;
    is_error_redirect(&response, "unsupported_response_type", Some("xyz"));
}

#[tokio::test]
async fn the_issuers_path_stands_behind_the_well_known_path() {
    for (issuer, suffix) in [
        ("https://as.example", ""),
        ("https://as.example/", ""),
        ("https://as.example/tenant/1", "/tenant/1"),
        ("https://as.example/tenant/", "/tenant"),
        ("http://localhost:9000/as", "/as"),
        ("http://127.0.0.1:9000", ""),
        ("http://[::1]:9000/as", "/as"),
    ] {
        let server = bare(issuer).grant(ClientCredentials::new()).build().unwrap();
        for path in [format!("{WELL_KNOWN}{suffix}"), format!("/oauth-authorization-server{suffix}")] {
            let response = well_known(&server, Method::GET, &path).await;
            assert_eq!((response.status(), response.body()), (StatusCode::OK, server.metadata()), "{issuer} {path}");
        }
        assert_eq!(document(&server)["issuer"], issuer);
        let base = issuer.trim_end_matches('/');
        assert_eq!(document(&server)["token_endpoint"], format!("{base}/token"));
        for wrong in [
            format!("{WELL_KNOWN}{suffix}/"),
            format!("{WELL_KNOWN}{suffix}/x"),
            format!("{WELL_KNOWN}x{suffix}"),
            format!("{suffix}{WELL_KNOWN}/x"),
            format!("{WELL_KNOWN}/other"),
            "/.well-known/openid-configuration".to_owned(),
            "/.well-known".to_owned(),
            "/".to_owned(),
            suffix.to_owned() + "/x",
        ] {
            let response = well_known(&server, Method::GET, &wrong).await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{issuer} {wrong}");
        }
        if !suffix.is_empty() {
            let response = well_known(&server, Method::GET, WELL_KNOWN).await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{issuer}");
        }
    }
}

#[test]
fn base_url_and_authorization_path_are_settings() {
    let server = bare("https://as.example/t")
        .secret_keys(keys(), [])
        .grant(AuthorizationCode::new())
        .base_url("https://login.example/oauth/")
        .authorization_path("/connect/authorize")
        .build()
        .unwrap();
    let document = document(&server);
    assert_eq!(document["issuer"], "https://as.example/t");
    assert_eq!(document["authorization_endpoint"], "https://login.example/oauth/connect/authorize");
    assert_eq!(document["token_endpoint"], "https://login.example/oauth/token");
}

#[tokio::test]
async fn the_document_may_be_cached_and_is_for_get_alone() {
    let fixture = Fixture::new();
    for method in [Method::GET, Method::HEAD] {
        let response = well_known(&fixture.server, method, WELL_KNOWN).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[CACHE_CONTROL], "public, max-age=300");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert!(!response.headers().contains_key("pragma"));
        has_clean_headers(response.headers());
    }
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let response = well_known(&fixture.server, method, WELL_KNOWN).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()[ALLOW], "GET, HEAD");
    }
}

#[tokio::test]
async fn no_header_changes_the_document() {
    let fixture = Fixture::new();
    let mut request = get("https://evil.example/.well-known/oauth-authorization-server");
    for name in ["host", "x-forwarded-host", "x-forwarded-proto", "x-original-url", "forwarded", "origin"] {
        request.headers_mut().insert(name, "evil.example".parse().unwrap());
    }
    let response = fixture.server.well_known().call(request).await;
    assert_eq!(response.body(), fixture.server.metadata());
    assert_eq!(response.headers()["access-control-allow-origin"], "*", "it is the same for everybody");
}

#[test]
fn an_issuer_is_an_https_url() {
    for issuer in [
        "",
        "as.example",
        "/as",
        "https://",
        "https:as.example",
        "https:/as.example",
        "https:///as.example",
        "https:\\\\as.example",
        "https://as.example\\t",
        "https://as.example?x=1",
        "https://as.example?",
        "https://as.example/#f",
        "https://as.example#",
        "https://user@as.example",
        "https://user:pass@as.example",
        "https://@as.example",
        "http://as.example",
        "http://localhost.evil.example",
        "http://192.0.2.1",
        "ftp://as.example",
        "https://as.example/a b",
        "https://as.example/é",
        "https://as.example/\n",
        " https://as.example",
    ] {
        let refused = |built: Result<AuthorizationServer, BuildError>| matches!(built, Err(BuildError::Configuration(text)) if text.contains("https URL"));
        assert!(refused(bare(issuer).grant(ClientCredentials::new()).build()), "{issuer:?}");
        assert!(refused(bare(ISSUER).base_url(issuer).grant(ClientCredentials::new()).build()), "{issuer:?}");
    }
}

#[test]
fn other_contradictions_are_refused() {
    let lifetimes = Lifetimes::default();
    for lifetimes in [
        Lifetimes { authorization_code: 0, ..lifetimes },
        Lifetimes { authorization_code: 601, ..lifetimes },
        Lifetimes { access_token: 0, ..lifetimes },
        Lifetimes { ticket: 0, ..lifetimes },
    ] {
        let built = bare(ISSUER).grant(ClientCredentials::new()).lifetimes(lifetimes).build();
        assert!(matches!(built, Err(BuildError::Configuration(_))), "{lifetimes:?}");
    }
    let built = bare(ISSUER).secret_keys(keys(), []).grant(AuthorizationCode::new()).authorization_path("authorize");
    assert_eq!(built.build().unwrap_err(), BuildError::Path("authorize".to_owned()));
    assert_eq!(bare(ISSUER).build().unwrap_err(), BuildError::Nothing);
    let alone = bare(ISSUER).secret_keys(keys(), []).grant(RefreshToken::rotating()).build();
    assert_eq!(alone.unwrap_err(), BuildError::Unreachable("refresh_token"));
}

/// A method of the host's own by a standard name.
struct OwnBasic;

#[async_trait]
impl ClientAuthentication for OwnBasic {
    fn method(&self) -> AuthMethod {
        AuthMethod::CLIENT_SECRET_BASIC
    }

    fn credentials(&self, _: &Unauthenticated<'_>) -> Result<Option<Credentials>, Error> {
        Ok(None)
    }

    async fn verify(
        &self,
        _: &Context,
        _: &Unauthenticated<'_>,
        _: Option<&Client>,
        _: &Credentials,
    ) -> Result<bool, Error> {
        Ok(false)
    }
}

#[test]
fn nothing_is_registered_twice() {
    let with_keys = || bare(ISSUER).secret_keys(keys(), []).grant(AuthorizationCode::new());
    for (built, twice) in [
        (with_keys().grant(AuthorizationCode::new()), "authorization_code"),
        (with_keys().grant(RefreshToken::rotating()).grant(RefreshToken::rotating()), "refresh_token"),
        (with_keys().endpoint(Introspection::new()).endpoint(Introspection::new()), "/introspect"),
        (with_keys().endpoint(Revocation::new()).endpoint(Revocation::new()), "/revoke"),
        (with_keys().client_authentication(OwnBasic), "client_secret_basic"),
    ] {
        match built.build() {
            Err(BuildError::Twice { name, .. }) => assert_eq!(name, twice),
            other => panic!("{twice}: {other:?}"),
        }
    }
}

#[test]
fn what_seals_needs_keys() {
    let code = bare(ISSUER).grant(AuthorizationCode::new()).build();
    let refresh = bare(ISSUER).grant(ClientCredentials::new()).grant(RefreshToken::rotating()).build();
    for built in [code, refresh] {
        assert!(matches!(built, Err(BuildError::NoSecretKeys)), "{built:?}");
    }
}
