//! What tokens are for: the resources of the configuration (RFC 8707), and the API that is one of them (RFC 9728).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may panic")]

mod support;

use grantwell_server::StartError;
use reqwest::{Method, StatusCode};
use serde_json::json;
use support::{AUTHORIZE, Browser, Page, config, config_of, start, start_on, start_with};

#[tokio::test]
async fn a_refusal_leads_to_the_apis_metadata_and_that_to_the_server() {
    for (issuer, base) in [("http://localhost", ""), ("http://localhost/tenant", "/tenant"), ("http://localhost/", "")]
    {
        let server = start_with(&format!("issuer = '{issuer}'"), ENTRIES).await;
        let browser = server.browser();
        let refused = browser.get(&format!("{base}/api/me")).await;
        let path = format!("/.well-known/oauth-protected-resource{base}/api");
        let expected = format!("Bearer resource_metadata=\"http://localhost{path}\"");
        assert_eq!((refused.status, refused.header("www-authenticate")), (StatusCode::UNAUTHORIZED, &*expected));

        let metadata = browser.get(&path).await.json();
        let api = format!("http://localhost{base}/api");
        assert_eq!((&metadata["resource"], &metadata["authorization_servers"]), (&json!(api), &json!([issuer])));
        let request = browser.request(Method::POST, &format!("{base}/token")).basic_auth("reader", Some("secret"));
        let token = Page::of(request.form(&[("grant_type", "client_credentials"), ("resource", &api)])).await;
        assert_eq!(token.status, StatusCode::OK, "{}", token.text);
    }
}

/// Two clients that act for themselves, and a resource for one of them.
const ENTRIES: &str = "
[[resources]]
resource = '{issuer}/reports'
scope = 'reports'
clients = ['reader']

[[clients]]
client_id = 'reader'
client_secret = 'secret'
grant_types = ['client_credentials']
scope = 'profile reports'

[[clients]]
client_id = 'other'
client_secret = 'secret'
grant_types = ['client_credentials']
scope = 'profile reports'
";

async fn token_for(browser: &Browser, client_id: &str, resource: &str) -> (StatusCode, serde_json::Value) {
    let params = [("grant_type", "client_credentials"), ("resource", resource)];
    let page = browser.token((client_id, "secret"), &params).await;
    (page.status, page.json())
}

#[tokio::test]
async fn a_resource_is_for_the_clients_that_are_named() {
    let server = start_with("", ENTRIES).await;
    let (browser, issuer) = (server.browser(), &server.url);
    let (status, token) = token_for(&browser, "reader", &format!("{issuer}/reports")).await;
    assert_eq!((status, &token["scope"]), (StatusCode::OK, &json!("reports")), "{token}");

    let api = format!("{issuer}/api");
    for (client_id, resource) in [
        ("other", format!("{issuer}/reports")),
        ("reader", format!("{issuer}/elsewhere")),
        ("reader", "{issuer}/reports".to_owned()),
        ("reader", format!("{api}/")),
    ] {
        let (status, answer) = token_for(&browser, client_id, &resource).await;
        assert_eq!((status, &answer["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_target")), "{resource}");
    }
    for client_id in ["reader", "other"] {
        let (status, token) = token_for(&browser, client_id, &api).await;
        assert_eq!((status, &token["scope"]), (StatusCode::OK, &json!("profile reports")), "{token}");
    }
}

#[tokio::test]
async fn the_api_takes_tokens_that_are_for_it_or_for_nothing_in_particular() {
    let server = start_with("", ENTRIES).await;
    let browser = server.browser();
    for (resource, status) in [("/api", StatusCode::OK), ("/reports", StatusCode::UNAUTHORIZED)] {
        let (_, token) = token_for(&browser, "reader", &format!("{}{resource}", server.url)).await;
        assert_eq!(browser.me(token["access_token"].as_str().unwrap()).await.status, status, "{resource}");
    }
    let token = browser.token(("reader", "secret"), &[("grant_type", "client_credentials")]).await.json();
    assert_eq!(browser.me(token["access_token"].as_str().unwrap()).await.status, StatusCode::OK);
}

/// A JWT is for the API where its request names nothing, so that the API's clients are those that are named there too.
#[tokio::test]
async fn to_name_no_resource_is_no_way_around_the_clients_that_are_named() {
    let jwts = |client_id: &str| {
        format!(
            "[[clients]]\nclient_id = '{client_id}'\nclient_secret = 'secret'\ngrant_types = ['client_credentials']
            scope = 'profile'\npolicy = {{ access_token_format = 'jwt' }}\n"
        )
    };
    let built_in = "resource = \"{issuer}/api\"\n";
    assert!(support::built_in().contains(built_in));
    let own = support::built_in().replace(built_in, &format!("{built_in}clients = ['reader']\n"));
    let text = format!("{own}\n[signing]\nalgorithms = ['ES256']\n{}{}", jwts("reader"), jwts("other"));
    let server = start_on(config_of(&text)).await;
    let browser = server.browser();
    for (client_id, status) in [("reader", StatusCode::OK), ("other", StatusCode::BAD_REQUEST)] {
        let answer = browser.token((client_id, "secret"), &[("grant_type", "client_credentials")]).await;
        assert_eq!(answer.status, status, "{client_id}: {}", answer.text);
        let (named, _) = token_for(&browser, client_id, &format!("{}/api", server.url)).await;
        assert_eq!(named, status, "{client_id}");
        match answer.json()["access_token"].as_str() {
            Some(token) => assert_eq!(browser.me(token).await.status, StatusCode::OK),
            None => assert_eq!(answer.json()["error"], "invalid_target"),
        }
    }
}

/// An authorization request is refused as well, and the client hears of it.
#[tokio::test]
async fn a_user_is_not_asked_for_a_resource_that_the_client_may_not_have() {
    let server = start_with("", ENTRIES).await;
    let browser = server.browser();
    let refused = browser.get(&format!("{AUTHORIZE}&resource={}/reports", server.url)).await;
    assert_eq!(refused.answer("error").as_deref(), Some("invalid_target"));
    let page = browser.consent_page(&format!("{AUTHORIZE}&resource={}/api", server.url)).await;
    assert!(page.text.contains(&format!("<bdi>{}/api</bdi>", server.url)), "{}", page.text);
}

#[tokio::test]
async fn the_issuer_is_put_into_clients_once_the_port_is_known() {
    let server = start_with("", OWN).await;
    let (browser, url) = (server.browser(), &server.url);
    let request = "/authorize?client_id=own&response_type=code&prompt=none";
    let answer = browser.get(request).await.location();
    assert!(answer.starts_with(&format!("{url}/callback?error=login_required")), "{answer}");
    let page = browser.consent_page(&request.replace("none", "consent")).await;
    assert!(page.text.contains(&format!("At {url}, and again {url}/")), "{}", page.text);
}

const OWN: &str = "
[[clients]]
client_id = 'own'
client_secret = 'secret'
client_name = 'At {issuer}, and again {issuer}/'
redirect_uris = ['{issuer}/callback']
scope = 'profile'
policy = { require_pkce = false }
";

#[tokio::test]
async fn what_is_wrong_under_this_issuer_alone_is_told_by_the_entrys_name() {
    let mut config = config("", "");
    config.issuer = Some(format!("https://as.example/{}", "a".repeat(500)));
    let error = grantwell_server::start(config).await.err().unwrap();
    assert!(matches!(error, StartError::Config(_)));
    assert!(error.to_string().starts_with("resource \"{issuer}/api\": not an absolute URI"), "{error}");
}

#[tokio::test]
async fn without_signing_keys_there_is_no_jwks() {
    let server = start().await;
    assert_eq!(server.browser().get("/jwks").await.status, StatusCode::NOT_FOUND);
    assert!(server.running.endpoints().iter().all(|(name, _)| name != "JWKS"));
}
