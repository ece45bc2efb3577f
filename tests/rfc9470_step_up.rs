//! An API that needs a better or more recent login (RFC 9470).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use bytes::Bytes;
use common::*;
use grantwell::resource::{Requirement, ResourceServer, StoredTokens};
use grantwell::{Decision, Login};
use http::Request;

fn api(fixture: &Fixture) -> ResourceServer {
    ResourceServer::unnamed(StoredTokens::new(ISSUER, fixture.store.clone())).clock(fixture.clock.clone())
}

/// A request with a token of alice, who logged in at the clock's time by `acr`.
async fn request(fixture: &Fixture, acr: Option<&str>) -> Request<Bytes> {
    let login = Login { acr: acr.map(str::to_owned), amr: vec!["otp".to_owned()], ..fixture.login("alice") };
    let request = changed(&code_request("sec"), "prompt", Some("consent"));
    let consent = fixture.consent(&request, &login).await;
    let answer = fixture.server.decide(consent.ticket(), Some(&login), Decision::APPROVE).await;
    let tokens = fixture.redeem("sec", &redirect_param(&answer, "code").unwrap()).await;
    bearing(tokens.is_ok().text("access_token"))
}

fn bearing(token: &str) -> Request<Bytes> {
    let mut request = get("/transfer");
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// The status and the challenge, but for the description.
async fn refusal(api: &ResourceServer, request: &Request<Bytes>, required: Requirement) -> (u16, String) {
    let response = api.check(request, &required).await.unwrap_err().response();
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    let description = r#"error_description="the user has to log in again, as this request needs it", "#;
    (response.status().as_u16(), challenge.replace(description, ""))
}

#[tokio::test]
async fn the_class_of_the_login_is_one_of_those_required() {
    let fixture = Fixture::new();
    let api = api(&fixture);
    let required = || Requirement::all_of("profile").acr_values("urn:example:gold urn:example:silver");
    for (acr, is_enough) in [
        (Some("urn:example:gold"), true),
        (Some("urn:example:silver"), true),
        (Some("urn:example:gol"), false),
        (Some("URN:EXAMPLE:GOLD"), false),
        (Some("urn:example:gold urn:example:silver"), false),
        (Some(""), false),
        (None, false),
    ] {
        let request = request(&fixture, acr).await;
        assert_eq!(api.check(&request, &required()).await.is_ok(), is_enough, "{acr:?}");
        if !is_enough {
            let challenge =
                r#"Bearer error="insufficient_user_authentication", acr_values="urn:example:gold urn:example:silver""#;
            assert_eq!(refusal(&api, &request, required()).await, (401, challenge.to_owned()));
        }
    }
}

#[tokio::test]
async fn the_login_is_as_recent_as_required_to_the_second() {
    let fixture = Fixture::new();
    let (api, required) = (api(&fixture), || Requirement::any_token().max_age(300));
    let request = request(&fixture, None).await;
    fixture.clock.advance(300);
    assert!(api.check(&request, &required()).await.is_ok());
    fixture.clock.advance(1);
    let challenge = r#"Bearer error="insufficient_user_authentication", max_age="300""#;
    assert_eq!(refusal(&api, &request, required()).await, (401, challenge.to_owned()));
    assert!(api.check(&request, &Requirement::any_token()).await.is_ok(), "another request needs no such login");
    let at_once = refusal(&api, &request, Requirement::any_token().max_age(0).acr_values("mfa")).await.1;
    assert_eq!(at_once, r#"Bearer error="insufficient_user_authentication", acr_values="mfa", max_age="0""#);
}

#[tokio::test]
async fn a_new_login_is_enough_and_the_handler_learns_of_it() {
    let fixture = Fixture::new();
    let required = Requirement::all_of("profile").acr_values("mfa").max_age(60);
    let first = request(&fixture, Some("password")).await;
    assert_eq!(refusal(&api(&fixture), &first, required.clone()).await.0, 401);
    fixture.clock.advance(100);
    let second = request(&fixture, Some("mfa")).await;
    let access = api(&fixture).check(&second, &required).await.unwrap();
    assert_eq!((access.acr.as_deref(), access.amr), (Some("mfa"), vec!["otp".to_owned()]));
    assert_eq!(access.auth_time.map(|time| time.as_unix()), Some(START + 100));
}

#[tokio::test]
async fn a_client_that_acts_for_itself_has_no_login() {
    let fixture = Fixture::new();
    let own = fixture.token("cc", &[("grant_type", "client_credentials")]).await;
    let request = bearing(own.text("access_token"));
    for required in [Requirement::any_token().max_age(u64::MAX), Requirement::any_token().acr_values("mfa")] {
        assert_eq!(refusal(&api(&fixture), &request, required).await.0, 401);
    }
}

#[tokio::test]
async fn the_token_and_its_scope_come_first() {
    let fixture = Fixture::new();
    let required = || Requirement::all_of("admin").acr_values("mfa").max_age(0);
    let unknown = api(&fixture).check(&bearing("unknown"), &required()).await.unwrap_err();
    assert_eq!(unknown.error().unwrap().code().as_str(), "invalid_token");
    let narrow = api(&fixture).check(&request(&fixture, None).await, &required()).await.unwrap_err();
    assert_eq!(narrow.error().unwrap().code().as_str(), "insufficient_scope");
}

#[tokio::test]
async fn introspection_says_how_and_when_the_user_logged_in() {
    let fixture = Fixture::new();
    let request = request(&fixture, Some("mfa")).await;
    let token = request.headers()["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned();
    fixture.clock.advance(10);
    let answer = fixture.post_as("/introspect", "rs", &[("token", &token)]).await;
    assert_eq!((&answer.json["acr"], &answer.json["auth_time"]), (&"mfa".into(), &START.into()));
    let own = fixture.token("cc", &[("grant_type", "client_credentials")]).await;
    let answer = fixture.post_as("/introspect", "rs", &[("token", own.text("access_token"))]).await;
    assert!(answer.is_ok().json.get("acr").is_none() && answer.json.get("auth_time").is_none());
}

#[test]
fn what_cannot_stand_in_a_challenge_is_refused_at_once() {
    for bad in ["a\"b", "a\\b", "a\r\nb", "é", " a", "a ", "a  b", "a\tb", "a\0"] {
        assert!(std::panic::catch_unwind(|| Requirement::all_of(bad)).is_err(), "{bad:?}");
        assert!(std::panic::catch_unwind(|| Requirement::any_of(bad)).is_err(), "{bad:?}");
        assert!(std::panic::catch_unwind(|| Requirement::any_token().acr_values(bad)).is_err(), "{bad:?}");
    }
    let dynamic: grantwell::model::Scope = "profile email".parse().unwrap();
    assert_eq!(Requirement::from(dynamic), Requirement::all_of("profile email"));
}
