//! The configuration with everything in it, client by client.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may panic")]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use support::{Browser, CALLBACK, Page, Server, USER, config_of, full, start_on};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

async fn start() -> Server {
    start_on(config_of(&full())).await
}

/// How a client authenticates.
#[derive(Clone, Copy)]
enum Client {
    Basic(&'static str, &'static str),
    Post(&'static str, &'static str),
    Public(&'static str),
}

impl Client {
    const WITH_USERS: [Self; 3] =
        [Self::Basic("web", "web-secret"), Self::Post("post", "post-secret"), Self::Public("spa")];

    const fn id(self) -> &'static str {
        match self {
            Self::Basic(id, _) | Self::Post(id, _) | Self::Public(id) => id,
        }
    }

    fn sign(self, request: RequestBuilder, params: &[(&str, &str)]) -> RequestBuilder {
        let own = match self {
            Self::Basic(id, secret) => return request.basic_auth(id, Some(secret)).form(params),
            Self::Post(id, secret) => vec![("client_id", id), ("client_secret", secret)],
            Self::Public(id) => vec![("client_id", id)],
        };
        request.form(&[params, &own].concat())
    }

    async fn post(self, browser: &Browser, path: &str, params: &[(&str, &str)]) -> Page {
        Page::of(self.sign(browser.request(Method::POST, path), params)).await
    }

    /// A token that the user allows, for these resources.
    async fn token(self, browser: &Browser, user_id: &str, resource: &str) -> Value {
        let query: String = url::form_urlencoded::Serializer::new("/authorize?response_type=code".to_owned())
            .append_pair("client_id", self.id())
            .append_pair("redirect_uri", CALLBACK)
            .append_pair("code_challenge", CHALLENGE)
            .append_pair("code_challenge_method", "S256")
            .append_pair("resource", resource)
            .finish();
        let resumed = browser.log_in(&query, (user_id, USER.1)).await.location();
        let consent = browser.get(&resumed).await.form();
        let code = browser.submit(&consent.set("confirm", "yes")).await.answer("code").unwrap();
        let params = [
            ("grant_type", "authorization_code"),
            ("code", &*code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        let page = self.post(browser, "/token", &params).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        page.json()
    }
}

const MACHINE: Client = Client::Basic("machine", "machine-secret");
const API: Client = Client::Basic("api", "api-secret");

/// The part of a JWT.
fn part(token: &Value, number: usize) -> Value {
    let part = token["access_token"].as_str().unwrap().split('.').nth(number).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn each_client_with_users_gets_tokens_and_refreshes_them() {
    let server = start().await;
    for (client, user_id) in Client::WITH_USERS.into_iter().zip(["id001", "id002", "id001"]) {
        let browser = server.browser();
        let api = format!("{}/api", server.url);
        let token = client.token(&browser, user_id, &api).await;
        let refresh_token = token["refresh_token"].as_str().unwrap();
        let params = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        let refreshed = client.post(&browser, "/token", &params).await.json();
        for token in [&token, &refreshed] {
            let access_token = token["access_token"].as_str().unwrap();
            assert!(!access_token.contains('.'), "opaque is the default: {access_token}");
            let me = browser.me(access_token).await.json();
            assert_eq!((&me["client_id"], &me["user_id"]), (&json!(client.id()), &json!(user_id)));
            let facts = API.post(&browser, "/introspect", &[("token", access_token)]).await.json();
            assert_eq!((&facts["active"], &facts["aud"]), (&json!(true), &json!([api])), "{facts}");
        }
    }
}

#[tokio::test]
async fn the_machine_has_jwts_for_the_api() {
    let server = start().await;
    let browser = server.browser();
    let api = format!("{}/api", server.url);
    let keys = browser.get("/jwks").await.json()["keys"].clone();
    let algorithms: Vec<_> = keys.as_array().unwrap().iter().map(|key| key["alg"].as_str().unwrap()).collect();
    assert!(algorithms.contains(&"RS256") && algorithms.contains(&"ES256"), "{algorithms:?}");

    for resource in [&[("resource", &*api)][..], &[]] {
        let params = [&[("grant_type", "client_credentials")][..], resource].concat();
        let token = MACHINE.post(&browser, "/token", &params).await.json();
        let (header, claims) = (part(&token, 0), part(&token, 1));
        assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!("RS256")));
        assert!(keys.as_array().unwrap().iter().any(|key| key["kid"] == header["kid"] && key["alg"] == header["alg"]));
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!(server.url), &json!(api)));
        assert_eq!((&claims["client_id"], &claims["scope"]), (&json!("machine"), &json!("profile")));

        let access_token = token["access_token"].as_str().unwrap();
        assert_eq!(browser.me(access_token).await.json()["client_id"], "machine");
        MACHINE.post(&browser, "/revoke", &[("token", access_token)]).await;
        assert_eq!(browser.me(access_token).await.status, StatusCode::UNAUTHORIZED, "it is revoked");
    }
}

#[tokio::test]
async fn reports_are_for_web_alone() {
    let server = start().await;
    let browser = server.browser();
    let reports = format!("{}/reports", server.url);
    let token = Client::WITH_USERS[0].token(&browser, USER.0, &reports).await;
    assert_eq!((&part(&token, 1)["aud"], &part(&token, 1)["sub"]), (&json!(reports), &json!(USER.0)));
    assert_eq!(token["scope"], "offline_access reports");
    assert_eq!(browser.me(token["access_token"].as_str().unwrap()).await.status, StatusCode::UNAUTHORIZED);

    let params = [("grant_type", "client_credentials"), ("resource", &*reports)];
    assert_eq!(MACHINE.post(&browser, "/token", &params).await.json()["error"], "invalid_target");
}

#[tokio::test]
async fn every_endpoint_that_is_advertised_is_there() {
    let server = start().await;
    let browser = server.browser();
    let names: Vec<&str> = server.running.endpoints().iter().map(|(name, _)| name.as_str()).collect();
    for name in ["metadata", "authorization", "token", "revocation", "introspection", "JWKS", "API", "API metadata"] {
        assert!(names.contains(&name), "{names:?}");
    }
    for (name, url) in server.running.endpoints() {
        let page = browser.get(url.strip_prefix(&server.url).unwrap()).await;
        assert_ne!(page.status, StatusCode::NOT_FOUND, "{name}");
    }
}
