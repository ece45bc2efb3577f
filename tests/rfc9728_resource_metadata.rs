//! The metadata of a protected resource, and the challenges that lead to it (RFC 9728).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use bytes::Bytes;
use common::*;
use grantwell::resource::{Requirement, ResourceIdentifier, ResourceServer, StoredTokens};
use http::{Method, Request, Response};
use serde_json::{Value, json};

fn api(fixture: &Fixture, resource: &str) -> ResourceServer {
    let tokens = StoredTokens::new(ISSUER, fixture.store.clone());
    ResourceServer::new(resource.parse().unwrap(), tokens).clock(fixture.clock.clone())
}

async fn metadata(api: &ResourceServer, uri: &str) -> Response<Bytes> {
    api.well_known().call(get(uri)).await
}

fn json_of(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

fn bearing(token: &str) -> Request<Bytes> {
    let mut request = get("/api/me");
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

#[tokio::test]
async fn the_document_says_what_the_api_is_and_who_issues_its_tokens() {
    let fixture = Fixture::new();
    let bare = api(&fixture, "https://api.example/v1");
    let response = metadata(&bare, "/.well-known/oauth-protected-resource/v1").await;
    let expected = json!({
        "resource": "https://api.example/v1",
        "authorization_servers": [ISSUER],
        "bearer_methods_supported": ["header"],
    });
    assert_eq!((response.status().as_u16(), json_of(&response)), (200, expected));

    let full = bare
        .or(StoredTokens::new("https://other.example", fixture.store.clone()))
        .or(StoredTokens::new(ISSUER, fixture.store.clone()))
        .accept_body()
        .accept_query()
        .scopes_supported("profile email".parse().unwrap())
        .metadata("resource_name", "The API")
        .metadata("resource_name#de", "Die Schnittstelle")
        .metadata("resource_documentation", "https://api.example/docs")
        .metadata("dpop_signing_alg_values_supported", json!([]))
        .metadata("resource", "https://victim.example")
        .metadata("authorization_servers", json!(["https://evil.example"]));
    let expected = json!({
        "resource": "https://api.example/v1",
        "authorization_servers": [ISSUER, "https://other.example"],
        "bearer_methods_supported": ["header", "body", "query"],
        "scopes_supported": ["profile", "email"],
        "resource_name": "The API",
        "resource_name#de": "Die Schnittstelle",
        "resource_documentation": "https://api.example/docs",
    });
    assert_eq!(json_of(&metadata(&full, "/.well-known/oauth-protected-resource/v1").await), expected);
}

#[tokio::test]
async fn the_document_is_public_and_cacheable() {
    let fixture = Fixture::new();
    let api = api(&fixture, "https://api.example/");
    for method in [Method::GET, Method::HEAD] {
        let mut request = get("/.well-known/oauth-protected-resource");
        *request.method_mut() = method;
        let response = api.well_known().call(request).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.headers()["cache-control"], "public, max-age=300");
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
    }
    let refused = api.well_known().call(post("/.well-known/oauth-protected-resource", &[])).await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["allow"]), (405, &"GET, HEAD".parse().unwrap()));
}

#[tokio::test]
async fn the_document_is_at_one_place() {
    let fixture = Fixture::new();
    let place = "/.well-known/oauth-protected-resource";
    for (resource, path, query) in [
        ("https://api.example", "", ""),
        ("https://api.example/", "", ""),
        ("https://api.example:8443/v1", "/v1", ""),
        ("https://api.example/v1/", "/v1/", ""),
        ("https://api.example/a/b%20c", "/a/b%20c", ""),
        ("https://api.example/?tenant=1", "", "?tenant=1"),
        ("https://api.example/v1?tenant=1", "/v1", "?tenant=1"),
        ("http://localhost:9000/api", "/api", ""),
        ("http://127.0.0.1:9000/api", "/api", ""),
        ("http://[::1]:9000/api", "/api", ""),
    ] {
        let api = api(&fixture, resource);
        let origin: String = resource.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        let url = resource.parse::<ResourceIdentifier>().unwrap().metadata_url();
        assert_eq!(url, format!("{origin}{place}{path}{query}"));
        assert_eq!(api.well_known().path(), Some(format!("{place}{path}").as_str()));
        for uri in [format!("{place}{path}{query}"), format!("/oauth-protected-resource{path}{query}"), url] {
            let response = metadata(&api, &uri).await;
            assert_eq!(response.status(), 200, "{resource} {uri}");
            assert_eq!(json_of(&response)["resource"], resource);
        }
        for elsewhere in ["/x", "/v1/x", "/V1", "//v1", "/v1//", "/%761"] {
            assert_eq!(metadata(&api, &format!("{place}{elsewhere}{query}")).await.status(), 404, "{resource}");
        }
        let without_query = metadata(&api, &format!("{place}{path}?tenant=2")).await.status();
        assert_eq!(without_query, if query.is_empty() { 200 } else { 404 }, "{resource}");
    }
}

#[test]
fn an_api_is_named_by_an_https_url() {
    for bad in [
        "",
        "api",
        "/api",
        "//api.example",
        "urn:example:api",
        "http://api.example/",
        "http://127.0.0.1.evil.example/",
        "http://localhost@evil.example/",
        "https://user@api.example/",
        "https://user:password@api.example/",
        "https://@api.example/",
        "https://api.example/#",
        "https://api.example/v1#part",
        "https://API.example/",
        "HTTPS://api.example/",
        "https://api.example:443/",
        "https://api.example/a/../b",
        "https://api.example/a b",
        "https://api.example/\"",
        "https://api.example/\\",
        "https://api.example\\v1",
        "https://api.example/?x=\\",
        "https://api.example/?x=\\\"",
        "https://api.example/?x=\"",
        "https://api.example/?x=<y>",
        "https://api.example/?x=a b",
        "https://api.example/?x={y}",
        "https://api.example/?x=a|b^c`d",
        "https://api.example/a|b",
        "https://api.example/\r\nx: y",
        "https://api.example/é",
        "https:///v1",
        "https:api.example",
        " https://api.example/",
        "https://0x7f.1/",
    ] {
        assert!(bad.parse::<ResourceIdentifier>().is_err(), "{bad:?}");
    }
}

#[tokio::test]
async fn every_challenge_leads_to_the_document() {
    let fixture = Fixture::new();
    let token = fixture.tokens("sec").await.text("access_token").to_owned();
    let api = api(&fixture, "https://api.example/v1");
    let malformed = get("/api/me?access_token=a&access_token=b");
    for (request, required, status, begins) in [
        (get("/api/me"), Requirement::any_token(), 401, "Bearer "),
        (bearing("unknown"), Requirement::any_token(), 401, "Bearer error=\"invalid_token\", "),
        (malformed, Requirement::any_token(), 400, "Bearer error=\"invalid_request\", "),
        (bearing(&token), Requirement::all_of("admin"), 403, "Bearer error=\"insufficient_scope\", "),
        (bearing(&token), Requirement::any_token().acr_values("mfa"), 401, "Bearer error=\"insufficient_user_auth"),
    ] {
        let response = api.clone().accept_query().check(&request, &required).await.unwrap_err().response();
        let challenge = response.headers()["www-authenticate"].to_str().unwrap();
        let leads = r#"resource_metadata="https://api.example/.well-known/oauth-protected-resource/v1""#;
        assert!(challenge.starts_with(begins) && challenge.ends_with(leads), "{challenge}");
        assert_eq!(response.status(), status, "{challenge}");
    }
    let bare = api.check(&get("/api/me"), &Requirement::any_token()).await.unwrap_err().response();
    let leads = r#"Bearer resource_metadata="https://api.example/.well-known/oauth-protected-resource/v1""#;
    assert_eq!((bare.headers()["www-authenticate"].to_str().unwrap(), bare.body().is_empty()), (leads, true));
}

#[tokio::test]
async fn an_api_without_a_name_has_no_document() {
    let fixture = Fixture::new();
    let api = ResourceServer::unnamed(StoredTokens::new(ISSUER, fixture.store.clone()));
    assert_eq!(api.well_known().path(), None);
    for uri in ["/.well-known/oauth-protected-resource", "/oauth-protected-resource", "/"] {
        assert_eq!(metadata(&api, uri).await.status(), 404);
    }
}
