//! Whether a server that was started again keeps its word.

use reqwest::StatusCode;

use super::api::Api;
use super::ledger::{Grant, Ledger, Sent, Token};
use crate::support::Page;

/// Holds the server to everything in `ledger`. Afterwards none of its grants stands.
pub async fn check(api: &Api, ledger: Ledger) {
    let home = api.0.get("/").await;
    assert!(home.text.contains("Signed in as"), "the session is gone: {}", home.text);
    for token in &ledger.own_tokens {
        check_token(api, token, true).await;
    }
    for grant in ledger.grants {
        check_grant(api, grant).await;
    }
}

async fn check_grant(api: &Api, mut grant: Grant) {
    if grant.redeemed != Sent::Answered {
        let page = Page::of(api.redeem(&grant.code)).await;
        match (page.status, grant.redeemed) {
            (StatusCode::OK, _) => grant.receive(&page),
            // A code that was used before: whatever it bought dies with this replay.
            (_, Sent::Unanswered) => assert_refused(&page, &grant),
            _ => panic!("a code is missing: {} {grant:?}", page.text),
        }
    }
    if let Some(newest) = grant.refresh_tokens.last().cloned() {
        check_tokens(api, &mut grant, &newest).await;
    }

    assert_refused(&Page::of(api.redeem(&grant.code)).await, &grant);
    for refresh_token in grant.refresh_tokens.iter().rev().take(2) {
        assert_refused(&Page::of(api.refresh(refresh_token)).await, &grant);
    }
    for token in &grant.access_tokens {
        assert!(!is_active(api, token).await, "it outlived the replay of its code: {token:?} {grant:?}");
    }
}

/// Whether the grant stands is what its newest refresh token says; all else must agree.
async fn check_tokens(api: &Api, grant: &mut Grant, newest: &str) {
    let page = Page::of(api.refresh(newest)).await;
    let stands = page.status == StatusCode::OK;
    match grant.revoked {
        Sent::Never => assert!(stands, "a refresh token is missing: {} {grant:?}", page.text),
        Sent::Answered => assert!(!stands, "a revocation is missing: {grant:?}"),
        Sent::Unanswered => {}
    }
    if stands {
        grant.receive(&page);
        let successors = grant.refresh_tokens.len();
        grant.receive(&Page::of(api.refresh(newest)).await);
        assert_eq!(grant.refresh_tokens.len(), successors, "a second successor: {grant:?}");
    } else {
        assert_refused(&page, grant);
    }
    for token in &grant.access_tokens {
        check_token(api, token, stands).await;
    }
}

/// `stands`: whether the grant does that the token is under.
async fn check_token(api: &Api, token: &Token, stands: bool) {
    let is_active = is_active(api, token).await;
    match token.revoked {
        Sent::Never => assert_eq!(is_active, stands, "an access token is missing, or an orphan: {token:?}"),
        Sent::Answered => assert!(!is_active, "a revocation is missing: {token:?}"),
        Sent::Unanswered => assert!(stands || !is_active, "an orphan: {token:?}"),
    }
}

async fn is_active(api: &Api, token: &Token) -> bool {
    Page::of(api.introspect(&token.value)).await.json()["active"].as_bool().unwrap()
}

fn assert_refused(page: &Page, grant: &Grant) {
    assert_eq!(page.status, StatusCode::BAD_REQUEST, "{} {grant:?}", page.text);
    assert_eq!(page.json()["error"], "invalid_grant", "{grant:?}");
}
