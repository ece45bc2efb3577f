//! A request for a better login (RFC 9470 sections 4 and 5, `acr_values`), at the authorization endpoint.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::*;
use grantwell::{Authorize, Login};
use serde_json::{Value, json};

fn fixture() -> Fixture {
    Fixture::with(|builder| builder.acr_values_supported(["gold", "silver"]))
}

fn asking(acr_values: &str) -> Vec<(&str, &str)> {
    changed(&code_request("sec"), "acr_values", Some(acr_values))
}

fn login(fixture: &Fixture, acr: Option<&str>) -> Login {
    Login { acr: acr.map(str::to_owned), ..fixture.login("alice") }
}

/// Back from the login page.
async fn resumed(fixture: &Fixture, params: &[(&str, &str)], before: Option<&Login>, after: &Login) -> Authorize {
    let Authorize::Login(pending) = fixture.authorize(params, before).await else { panic!("no login page") };
    fixture.server.authorize(&get(pending.resume_url()), Some(after)).await
}

#[tokio::test]
async fn what_the_host_supports_is_published() {
    let metadata: Value = serde_json::from_slice(fixture().server.metadata()).unwrap();
    assert_eq!(metadata["acr_values_supported"], json!(["gold", "silver"]));
    let metadata: Value = serde_json::from_slice(Fixture::new().server.metadata()).unwrap();
    assert_eq!(metadata.get("acr_values_supported"), None);
}

#[tokio::test]
async fn a_login_of_another_class_goes_to_the_login_page_which_learns_what_is_asked_for() {
    let fixture = fixture();
    for acr in [None, Some("bronze")] {
        let Authorize::Login(pending) = fixture.authorize(&asking("gold x silver"), Some(&login(&fixture, acr))).await
        else {
            panic!("no login page")
        };
        assert_eq!(pending.acr_values(), ["gold", "silver"]);
    }
    for acr in ["gold", "silver"] {
        let request = asking("gold silver");
        let next = fixture.authorize(&request, Some(&login(&fixture, Some(acr)))).await;
        assert!(matches!(next, Authorize::Consent(_)), "{acr}");
    }
}

#[tokio::test]
async fn who_comes_back_with_a_better_login_goes_on_and_without_one_is_sent_back_to_the_client() {
    let fixture = fixture();
    let plain = login(&fixture, Some("bronze"));
    for before in [None, Some(&plain)] {
        let gold = login(&fixture, Some("gold"));
        assert!(matches!(resumed(&fixture, &asking("gold"), before, &gold).await, Authorize::Consent(_)));
        let Authorize::Respond(response) = resumed(&fixture, &asking("gold"), before, &plain).await else {
            panic!("it goes round in circles")
        };
        is_error_redirect(&response, "unmet_authentication_requirements", Some("xyz"));
    }
}

#[tokio::test]
async fn without_a_page_there_is_no_better_login() {
    let fixture = fixture();
    let request = changed(&asking("gold"), "prompt", Some("none"));
    let response = fixture.respond(&request, Some(&login(&fixture, None))).await;
    is_error_redirect(&response, "login_required", Some("xyz"));
}

#[tokio::test]
async fn what_the_host_does_not_know_is_no_more_than_a_wish() {
    for (fixture, acr_values) in [(fixture(), "platinum"), (Fixture::new(), "gold"), (fixture(), " ")] {
        let next = fixture.authorize(&asking(acr_values), Some(&login(&fixture, None))).await;
        assert!(matches!(next, Authorize::Consent(_)), "{acr_values:?}");
    }
}
