//! What every service with the five hooks does, and what one does that has grown.

use oauth2::TokenIntrospectionResponse as _;
use reqwest::StatusCode;
use serde_json::json;

use crate::{Answer, Browser, Client, Service, refused_with};

/// Login, consent, code with PKCE, token with Basic, API; the code is good once.
pub async fn a_user_allows_an_app(service: &Service) {
    let app = Client::app(service).await;
    let mut browser = Browser::new(&service.url("/"));
    let code = app.ask(&mut browser, "yes").await.unwrap();
    let tokens = app.redeem(&code).await.unwrap();
    assert_eq!(service.caller(tokens.access()).await, json!({ "user": "alice", "client": "app" }));
    service.refuses("a-token-nobody-issued").await;
    refused_with("invalid_grant", app.redeem(&code).await);
}

/// The consent page's other button.
pub async fn a_user_denies_an_app(service: &Service) {
    let app = Client::app(service).await;
    let mut browser = Browser::new(&service.url("/"));
    assert_eq!(app.ask(&mut browser, "no").await.err().as_deref(), Some("access_denied"));
}

/// A code that another client got, or without its PKCE verifier, is refused and stays good.
pub async fn a_wrong_redemption_costs_nothing(service: &Service) {
    let (app, other) = (Client::app(service).await, Client::service(service).await);
    let mut browser = Browser::new(&service.url("/"));
    let code = app.ask(&mut browser, "yes").await.unwrap();
    refused_with("unauthorized_client", other.redeem(&code).await);
    refused_with("invalid_grant", app.redeem(&code.clone().with_verifier("x".repeat(43))).await);
    app.redeem(&code).await.unwrap();
}

/// A consent page makes one code, however often it is sent, and none once that was redeemed.
pub async fn a_user_goes_back_to_the_consent_page(service: &Service) {
    let app = Client::app(service).await;
    let mut browser = Browser::new(&service.url("/"));
    let code = app.ask(&mut browser, "yes").await.unwrap();
    assert!(matches!(browser.decide("yes").await, Answer::Redirect(to) if code.is_in(&to)), "a double click");
    app.redeem(&code).await.unwrap();
    assert!(matches!(browser.decide("yes").await, Answer::Page(StatusCode::BAD_REQUEST, _)));
}

/// Client credentials.
pub async fn a_client_acts_for_itself(service: &Service) {
    let tokens = Client::service(service).await.own_tokens().await.unwrap();
    assert_eq!(service.caller(tokens.access()).await, json!({ "user": null, "client": "service" }));
    refused_with("unauthorized_client", Client::app(service).await.own_tokens().await);
    assert!(tokens.refresh().is_none());
}

/// Of 50 redemptions of a code at once, one is answered with a token.
pub async fn a_code_is_redeemed_once(service: &Service) {
    let app = Client::app(service).await;
    let code = app.ask(&mut Browser::new(&service.url("/")), "yes").await.unwrap();
    let redeem = |app: Client, code| tokio::spawn(async move { app.redeem(&code).await });
    let tasks: Vec<_> = (0..50).map(|_| redeem(app.clone(), code.clone())).collect();
    let mut winners = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => winners += 1,
            refused => refused_with("invalid_grant", refused),
        }
    }
    assert_eq!(winners, 1);
}

/// Asserts which grants and endpoints the service advertises beside the two of the five hooks.
pub async fn advertises(service: &Service, grants: &[&str], endpoints: &[&str]) {
    let metadata = service.metadata().await;
    let all: Vec<&str> =
        ["authorization_code", "client_credentials"].into_iter().chain(grants.iter().copied()).collect();
    assert_eq!(metadata["grant_types_supported"], json!(all));
    for endpoint in ["introspection_endpoint", "revocation_endpoint"] {
        assert_eq!(metadata.get(endpoint).is_some(), endpoints.contains(&endpoint), "{endpoint}");
    }
}

/// Introspection: a client sees its own tokens, the resource server every access token.
pub async fn tokens_are_introspected(service: &Service) {
    let (app, resource_server) = (Client::app(service).await, Client::service(service).await);
    let (tokens, foreign) = (app.tokens(service).await, resource_server.own_tokens().await.unwrap());
    for client in [&app, &resource_server] {
        let answer = client.introspect(tokens.access()).await.unwrap();
        assert!(answer.active());
        assert_eq!((answer.sub(), answer.client_id().unwrap().as_str()), (Some("alice"), "app"));
    }
    assert!(!app.introspect(foreign.access()).await.unwrap().active());
    assert!(!app.introspect("a-token-nobody-issued").await.unwrap().active());
}

/// Revocation: of its own token, and of no other client's.
pub async fn a_client_revokes_its_token(service: &Service) {
    let (app, other) = (Client::app(service).await, Client::service(service).await);
    let tokens = app.tokens(service).await;
    assert!(other.revoke(tokens.access_token().into()).await.is_err());
    service.caller(tokens.access()).await;
    app.revoke(tokens.access_token().into()).await.unwrap();
    service.refuses(tokens.access()).await;
    let own = other.own_tokens().await.unwrap();
    other.revoke(own.access_token().into()).await.unwrap();
    service.refuses(own.access()).await;
}

/// A code that is used again ends the token that the first use bought (RFC 6749 section 4.1.2).
pub async fn a_replayed_code_revokes_what_it_bought(service: &Service) {
    let app = Client::app(service).await;
    let code = app.ask(&mut Browser::new(&service.url("/")), "yes").await.unwrap();
    let tokens = app.redeem(&code).await.unwrap();
    service.caller(tokens.access()).await;
    refused_with("invalid_grant", app.redeem(&code).await);
    service.refuses(tokens.access()).await;
}

/// Refresh tokens rotate.
pub async fn a_client_refreshes(service: &Service) {
    let app = Client::app(service).await;
    let first = app.tokens(service).await;
    let second = app.refresh(first.refresh().unwrap()).await.unwrap();
    let third = app.refresh(second.refresh().unwrap()).await.unwrap();
    assert_ne!(first.refresh().unwrap().secret(), second.refresh().unwrap().secret());
    for tokens in [&first, &second, &third] {
        assert_eq!(service.caller(tokens.access()).await, json!({ "user": "alice", "client": "app" }));
    }
    // Asked again at once, as if the answer was lost: the same successor. Further back there is nothing.
    let again = app.refresh(second.refresh().unwrap()).await.unwrap();
    assert_eq!(again.refresh().unwrap().secret(), third.refresh().unwrap().secret());
    refused_with("invalid_grant", app.refresh(first.refresh().unwrap()).await);
}

/// Revoking a refresh token revokes what was allowed with it (RFC 7009 section 2.1).
pub async fn revoking_a_refresh_token_ends_everything(service: &Service) {
    let app = Client::app(service).await;
    let tokens = app.tokens(service).await;
    let refresh_token = tokens.refresh().unwrap();
    app.revoke(refresh_token.clone().into()).await.unwrap();
    refused_with("invalid_grant", app.refresh(refresh_token).await);
    service.refuses(tokens.access()).await;
}
