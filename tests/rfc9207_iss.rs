//! The issuer in every authorization response (RFC 9207).

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::*;
use grantwell::stores::MemoryStore;
use grantwell::{Authorize, Decision, Introspection, Login};
use http::Response;

const MODES: [Option<&str>; 4] = [None, Some("query"), Some("fragment"), Some("form_post")];

#[track_caller]
fn names(response: &Response<Bytes>, member: &str, issuer: &str) {
    assert!(response_param(response, member).is_some(), "no {member}");
    assert_eq!(response_param(response, "iss").as_deref(), Some(issuer));
}

#[tokio::test]
async fn iss_is_in_every_response_of_every_mode() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    for mode in MODES {
        let request = changed(&code_request("sec"), "response_mode", mode);
        let pending = fixture.consent(&changed(&request, "prompt", Some("consent")), &login).await;
        names(&fixture.server.decide(pending.ticket(), Some(&login), Decision::Deny).await, "error", ISSUER);
        names(&fixture.server.decide(pending.ticket(), Some(&login), Decision::APPROVE).await, "code", ISSUER);
        names(&fixture.respond(&request, Some(&login)).await, "code", ISSUER);
        names(&fixture.respond(&changed(&request, "prompt", Some("none")), Some(&login)).await, "code", ISSUER);
        names(&fixture.respond(&changed(&request, "prompt", Some("none")), None).await, "error", ISSUER);
        for (name, value) in [("response_type", "foo"), ("scope", "unknown"), ("code_challenge", "x"), ("state", "é")]
        {
            let request = changed(&request, name, Some(value));
            names(&fixture.respond(&request, Some(&login)).await, "error", ISSUER);
        }
    }
}

#[tokio::test]
async fn iss_is_the_issuer_to_the_byte_whatever_the_request_says() {
    for issuer in
        ["https://as.example/", "https://as.example/tenant", "http://localhost:9000", "https://as.example:8443"]
    {
        let (store, clock) = (Arc::new(MemoryStore::new()), ManualClock::new());
        clients().into_iter().for_each(|client| store.insert_client(client));
        let server = builder(issuer, &store, &clock).base_url("https://elsewhere.example/as").build().unwrap();
        let login = Login::new("alice", "s", grantwell::Clock::now(&clock));
        let mut request = get(&format!("/authorize?{}&iss=https%3A%2F%2Fevil.example", encode(&code_request("sec"))));
        for name in ["host", "x-forwarded-host", "x-original-url", "forwarded"] {
            request.headers_mut().insert(name, "host=evil.example".parse().unwrap());
        }
        let Authorize::Consent(pending) = server.authorize(&request, Some(&login)).await else { panic!("no consent") };
        let response = server.decide(pending.ticket(), Some(&login), Decision::APPROVE).await;
        names(&response, "code", issuer);
        let names_of = location(&response).matches("iss=").count();
        assert_eq!(names_of, 1);
    }
}

#[tokio::test]
async fn an_error_page_has_none_and_the_metadata_says_it_is_supported() {
    let fixture = Fixture::new();
    let response = fixture.respond(&code_request("unknown"), None).await;
    is_error_page(&response);
    assert!(!String::from_utf8_lossy(response.body()).contains(ISSUER));
    let supported = |fixture: &Fixture| {
        let metadata: serde_json::Value = serde_json::from_slice(fixture.server.metadata()).unwrap();
        metadata.get("authorization_response_iss_parameter_supported").cloned()
    };
    assert_eq!(supported(&fixture), Some(serde_json::Value::Bool(true)));
    let server = grantwell::AuthorizationServer::builder(ISSUER, fixture.store.clone(), fixture.store.clone())
        .endpoint(Introspection::new())
        .build()
        .unwrap();
    assert_eq!(supported(&Fixture { server, ..fixture }), None);
}
