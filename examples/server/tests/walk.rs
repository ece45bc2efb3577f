//! The walk: from the authorization request to the API, over real connections.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may panic")]

mod support;

use reqwest::{Method, StatusCode};
use serde_json::json;
use support::{AUTHORIZE, CALLBACK, CLIENT, Page, USER, start, start_with};

/// A client in another language: no PKCE, and always the same `state`.
#[tokio::test]
async fn from_the_request_to_the_api() {
    let server = start().await;
    let browser = server.browser();

    let login = browser.get(AUTHORIZE).await.location();
    let form = browser.get(&login).await.form().set("user_id", USER.0).set("password", "wrong");
    let again = browser.submit(&form).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED);
    assert!(again.text.contains("User ID or password is wrong"), "{}", again.text);
    assert_eq!(again.form().get("next"), form.get("next"));
    assert_eq!(again.form().action, form.action);

    let resumed = browser.submit(&again.form().set("user_id", USER.0).set("password", USER.1)).await.location();
    assert_eq!(resumed, AUTHORIZE);
    let consent = browser.get(&resumed).await;
    for text in ["Example client", "See who you are", "<bdi>localhost</bdi>", USER.0] {
        assert!(consent.text.contains(text), "{text}: {}", consent.text);
    }
    let answer = browser.submit(&consent.form().set("confirm", "yes")).await;
    assert_eq!(answer.answer("state").as_deref(), Some("foobar"));
    assert_eq!(answer.answer("iss").as_ref(), Some(&server.url));

    let code = answer.answer("code").unwrap();
    let wrong = browser.token(("client_1", "wrong"), &[("grant_type", "authorization_code"), ("code", &code)]).await;
    assert_eq!((wrong.status, &wrong.json()["error"]), (StatusCode::UNAUTHORIZED, &json!("invalid_client")));
    let token = browser.redeem(&code).await.json();
    let names: Vec<&String> = token.as_object().unwrap().keys().collect();
    assert_eq!(names, ["access_token", "expires_in", "refresh_token", "scope", "token_type"]);
    assert_eq!((&token["token_type"], &token["scope"]), (&json!("Bearer"), &json!("profile")));

    let access_token = token["access_token"].as_str().unwrap();
    let answer = browser.me(access_token).await;
    assert_eq!(answer.json(), json!({ "client_id": "client_1", "user_id": USER.0, "scope": "profile" }));
    assert_eq!(browser.redeem(&code).await.json()["error"], "invalid_grant");
    assert_eq!(browser.me(access_token).await.status, StatusCode::UNAUTHORIZED, "the replay revoked it");
    server.running.stop().await;
}

#[tokio::test]
async fn consent_is_remembered_for_the_same_scopes() {
    let server = start_with("", &CLIENT_2.replace("NAME", "Other")).await;
    let browser = server.browser();
    let narrow = AUTHORIZE.replace("client_1", "client_2");
    let page = browser.consent_page(&narrow).await;
    assert!(page.text.contains(">profile</code>"), "{}", page.text);

    assert!(browser.submit(&page.form().set("confirm", "yes")).await.answer("code").is_some());
    assert!(browser.get(&narrow).await.answer("code").is_some());
    assert_eq!(browser.get(&narrow.replace("profile", "profile%20email")).await.status, StatusCode::OK);
    assert_eq!(browser.get(&format!("{narrow}&prompt=consent")).await.status, StatusCode::OK);
    assert_eq!(browser.get(AUTHORIZE).await.status, StatusCode::OK, "another client asks for itself");
}

const CLIENT_2: &str = "
[[clients]]
client_id = 'client_2'
client_secret = 'client_secret_2'
client_name = 'NAME'
redirect_uris = ['http://localhost:8000/callback']
scope = 'profile email'
policy = { require_pkce = false }
";

#[tokio::test]
async fn consent_is_narrowed_by_the_checkboxes() {
    let server = start_with("", CLIENT_2).await;
    let browser = server.browser();
    // A request without `scope` is for all that the client registered.
    let request = AUTHORIZE.replace("client_1", "client_2").replace("&scope=profile", "");
    let form = browser.consent_page(&request).await.form();
    let sent: Vec<&str> = form.fields.iter().filter(|(name, _)| name == "scope").map(|(_, scope)| &**scope).collect();
    assert_eq!(sent, ["profile", "email"]);

    let none = browser.submit(&form.without("scope").set("confirm", "yes")).await;
    assert_eq!(none.answer("error").as_deref(), Some("access_denied"));
    let code = browser.submit(&form.set("scope", "email").set("confirm", "yes")).await.answer("code").unwrap();
    let params = [("grant_type", "authorization_code"), ("code", &*code), ("redirect_uri", CALLBACK)];
    assert_eq!(browser.token(("client_2", "client_secret_2"), &params).await.json()["scope"], "email");
}

#[tokio::test]
async fn a_denial_is_the_clients_to_hear() {
    let server = start().await;
    let browser = server.browser();
    let form = browser.consent_page(AUTHORIZE).await.form();
    let denied = browser.submit(&form.set("confirm", "no")).await;
    assert_eq!(denied.answer("error").as_deref(), Some("access_denied"));
    assert_eq!(denied.answer("state").as_deref(), Some("foobar"));
    for broken in [form.set("confirm", "maybe"), form.clone(), form.without("ticket").set("confirm", "yes")] {
        assert_eq!(browser.submit(&broken).await.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn a_fresh_login_is_asked_for_once() {
    let server = start().await;
    let browser = server.browser();
    browser.consent_page(AUTHORIZE).await;

    let login = browser.get(&format!("{AUTHORIZE}&prompt=login")).await.location();
    let form = browser.get(&login).await.form();
    let resumed = browser.submit(&form.set("user_id", USER.0).set("password", USER.1)).await.location();
    assert_eq!(browser.get(&resumed).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_posted_request_looks_for_the_session_again() {
    let server = start().await;
    let browser = server.browser();
    let (path, query) = AUTHORIZE.split_once('?').unwrap();
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let posted = Page::of(browser.request(Method::POST, path).form(&pairs)).await;
    assert_eq!(posted.location(), AUTHORIZE);
    assert!(browser.get(AUTHORIZE).await.location().starts_with("/login?next="));

    browser.log_in("/", USER).await;
    let demanding = [pairs, vec![("prompt".to_owned(), "login".to_owned())]].concat();
    let posted = Page::of(browser.request(Method::POST, path).form(&demanding)).await;
    let asked = browser.get(&posted.location()).await;
    assert!(asked.location().starts_with("/login?next="), "the login that is demanded is asked for");
}

#[tokio::test]
async fn a_client_acts_for_itself_and_a_resource_server_introspects() {
    let server = start_with("resource_servers = ['rs']", MACHINES).await;
    let browser = server.browser();
    let token = browser.token(("cc", "cc_secret"), &[("grant_type", "client_credentials")]).await.json();
    let access_token = token["access_token"].as_str().unwrap();
    assert_eq!(token["refresh_token"], json!(null));
    let answer = browser.me(access_token).await;
    assert_eq!(answer.json(), json!({ "client_id": "cc", "user_id": null, "scope": "jobs" }));

    for (client, is_active) in [(("rs", "rs_secret"), true), (CLIENT, false)] {
        let request = browser.request(Method::POST, "/introspect").basic_auth(client.0, Some(client.1));
        let facts = Page::of(request.form(&[("token", access_token)])).await.json();
        assert_eq!(facts["active"], is_active, "{client:?}");
    }
}

const MACHINES: &str = "
[[clients]]
client_id = 'cc'
client_secret = 'cc_secret'
grant_types = ['client_credentials']
scope = 'jobs'

[[clients]]
client_id = 'rs'
client_secret = 'rs_secret'
grant_types = []
";
