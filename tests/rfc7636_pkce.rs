//! Proof Key for Code Exchange (RFC 7636, RFC 9700 sections 2.1.1 and 4.8.2).

mod common;

use common::*;
use grantwell::danger;

#[tokio::test]
async fn the_example_of_appendix_b() {
    let fixture = Fixture::new();
    for client in ["sec", "pub", "post"] {
        fixture.tokens(client).await;
    }
}

#[tokio::test]
async fn a_challenge_is_required_of_every_client_unless_its_policy_says_otherwise() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    for client in ["sec", "pub"] {
        for empty in [None, Some("")] {
            let mut request = changed(&code_request(client), "code_challenge", empty);
            request.retain(|(name, _)| *name != "code_challenge_method");
            is_error_redirect(&fixture.respond(&request, Some(&login)).await, "invalid_request", Some("xyz"));
        }
    }
    let mut request = code_request("nopkce");
    request.retain(|(name, _)| !name.starts_with("code_challenge"));
    let code = fixture.code_for(&request, "alice").await;
    fixture.token("nopkce", &changed(&redemption(&code), "code_verifier", None)).await.is_ok();
}

#[tokio::test]
async fn the_challenge_is_s256_and_well_formed() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    let (short, long, very_long) = (&CHALLENGE[1..], format!("{CHALLENGE}A"), "A".repeat(129));
    let padded = format!("{}=", &CHALLENGE[1..]);
    let bad = ["+", "/", " ", "é"].map(|odd| format!("{}{odd}", &CHALLENGE[1..]));
    for challenge in [short, &long, &very_long, &padded, &bad[0], &bad[1], &bad[2], &bad[3]] {
        let request = code_request("sec");
        let request = changed(&request, "code_challenge", Some(challenge));
        is_error_redirect(&fixture.respond(&request, Some(&login)).await, "invalid_request", Some("xyz"));
    }
    for method in [Some("plain"), Some("s256"), Some("S512"), None] {
        let request = changed(&code_request("sec"), "code_challenge_method", method);
        is_error_redirect(&fixture.respond(&request, Some(&login)).await, "invalid_request", Some("xyz"));
    }
    let request = changed(&code_request("nopkce"), "code_challenge", None);
    is_error_redirect(&fixture.respond(&request, Some(&login)).await, "invalid_request", Some("xyz"));
}

#[tokio::test]
async fn the_verifier_is_enforced_and_a_wrong_one_costs_nothing() {
    let fixture = Fixture::new();
    let code = fixture.code("sec").await;
    let (nul, short, long) = (format!("{VERIFIER}\0"), &VERIFIER[1..], "a".repeat(129));
    for verifier in
        [None, Some(""), Some(CHALLENGE), Some(&nul), Some(short), Some(&long), Some(&VERIFIER.to_uppercase())]
    {
        let request = redemption(&code);
        fixture.token("sec", &changed(&request, "code_verifier", verifier)).await.is_refused(400, "invalid_grant");
    }
    fixture.redeem("sec", &code).await.is_ok();
}

#[tokio::test]
async fn a_verifier_without_a_challenge_is_refused() {
    let fixture = Fixture::new();
    let mut request = code_request("nopkce");
    request.retain(|(name, _)| !name.starts_with("code_challenge"));
    let code = fixture.code_for(&request, "alice").await;
    fixture.redeem("nopkce", &code).await.is_refused(400, "invalid_grant");
    fixture.token("nopkce", &changed(&redemption(&code), "code_verifier", None)).await.is_ok();
}

#[tokio::test]
async fn plain_only_when_it_is_called_for() {
    let fixture = Fixture::with(|builder| builder.extension(danger::pkce_allowing_plain()));
    for method in [Some("plain"), None] {
        let request = changed(&code_request("sec"), "code_challenge", Some(VERIFIER));
        let code = fixture.code_for(&changed(&request, "code_challenge_method", method), "alice").await;
        let wrong = redemption(&code);
        let wrong = changed(&wrong, "code_verifier", Some(CHALLENGE));
        fixture.token("sec", &wrong).await.is_refused(400, "invalid_grant");
        fixture.redeem("sec", &code).await.is_ok();
    }
    let metadata: serde_json::Value = serde_json::from_slice(fixture.server.metadata()).unwrap();
    assert_eq!(metadata["code_challenge_methods_supported"], serde_json::json!(["S256", "plain"]));
}
