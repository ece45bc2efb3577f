//! JWT access tokens (RFC 9068): what they say, for whom they are made, and that nothing else changes with them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::*;
use grantwell::extensions::{Resource, ResourceIndicators};
use grantwell::issue::JwtAccessTokens;
use grantwell::jose::{Algorithm, Jws, PublicKeys as _};
use grantwell::model::{AccessTokenFormat, Client, ClientPolicy};
use grantwell::signing::RotatingKeys;
use grantwell::stores::MemoryStore;
use grantwell::{Builder, Login};
use serde_json::{Value, json};

const API: &str = "https://api.example/";

fn with_jwts(builder: Builder<MemoryStore>, format: JwtAccessTokens) -> Builder<MemoryStore> {
    builder.signing_keys(RotatingKeys::new([Algorithm::ES256, Algorithm::RS256])).jwt_access_tokens(format)
}

/// Every access token is a JWT.
fn fixture() -> Fixture {
    Fixture::with(|builder| with_jwts(builder, JwtAccessTokens::new(API).by_default()))
}

/// The header and claims of a token that the server's published keys verify.
async fn read(fixture: &Fixture, token: &str) -> (Value, Value) {
    let jws = Jws::parse(token).unwrap();
    let keys = fixture.server.signing_keys().unwrap().jwk_set().await.unwrap();
    let payload = jws.verify(&keys, &Algorithm::ASYMMETRIC).unwrap();
    let header = token.split('.').next().unwrap();
    let header = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, header).unwrap();
    (serde_json::from_slice(&header).unwrap(), serde_json::from_slice(&payload).unwrap())
}

fn is_jwt(token: &str) -> bool {
    Jws::parse(token).is_ok()
}

fn client(id: &str, format: AccessTokenFormat) -> Client {
    let client = clients().into_iter().find(|client| client.id().as_str() == id).unwrap();
    let policy = ClientPolicy { access_token_format: Some(format), ..client.policy().clone() };
    client.with_policy(policy).unwrap()
}

#[tokio::test]
async fn a_users_token_says_who_and_what() {
    let fixture = fixture();
    let mut login: Login = fixture.login("alice");
    login.acr = Some("gold".to_owned());
    login.amr = vec!["pwd".to_owned(), "otp".to_owned()];
    let pending = fixture.consent(&code_request("sec"), &login).await;
    let response = fixture.server.decide(pending.ticket(), Some(&login), grantwell::Decision::APPROVE).await;
    fixture.clock.advance(5);
    let answer = fixture.redeem("sec", &redirect_param(&response, "code").unwrap()).await;
    let (header, claims) = read(&fixture, answer.is_ok().text("access_token")).await;
    assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!("ES256")));
    assert!(header["kid"].is_string());
    let mut claims = claims.as_object().unwrap().clone();
    let (jti, authorization) = (claims.remove("jti").unwrap(), claims.remove("authorization_id").unwrap());
    assert!(jti.as_str().unwrap().len() >= 22 && authorization.is_string());
    let expected = json!({
        "iss": ISSUER, "sub": "alice", "aud": API, "client_id": "sec", "scope": "profile",
        "iat": START + 5, "exp": START + 5 + 3600,
        "auth_time": START, "acr": "gold", "amr": ["pwd", "otp"],
    });
    assert_eq!(Value::from(claims), expected);
    assert_eq!((answer.text("token_type"), &answer.json["expires_in"]), ("Bearer", &json!(3600)));
}

#[tokio::test]
async fn a_client_that_acts_for_itself_is_the_subject() {
    let fixture = fixture();
    let answer = fixture.token("cc", &[("grant_type", "client_credentials")]).await;
    let (_, claims) = read(&fixture, answer.is_ok().text("access_token")).await;
    assert_eq!((&claims["sub"], &claims["client_id"]), (&json!("cc"), &json!("cc")));
    for absent in ["auth_time", "acr", "amr", "authorization_id"] {
        assert_eq!(claims.get(absent), None);
    }
    let again = fixture.token("cc", &[("grant_type", "client_credentials")]).await;
    assert_ne!(again.text("access_token"), answer.text("access_token"), "jti is unique");
}

#[tokio::test]
async fn opaque_stays_the_default_and_a_client_may_differ() {
    let fixture = Fixture::with(|builder| with_jwts(builder, JwtAccessTokens::new(API)));
    fixture.store.insert_client(client("cc", AccessTokenFormat::Jwt));
    let jwt = fixture.token("cc", &[("grant_type", "client_credentials")]).await;
    assert!(is_jwt(jwt.is_ok().text("access_token")));
    assert!(!is_jwt(fixture.tokens("sec").await.text("access_token")));

    let fixture = self::fixture();
    fixture.store.insert_client(client("cc", AccessTokenFormat::Opaque));
    let opaque = fixture.token("cc", &[("grant_type", "client_credentials")]).await;
    assert!(!is_jwt(opaque.is_ok().text("access_token")));
    assert!(is_jwt(fixture.tokens("sec").await.text("access_token")));
}

#[tokio::test]
async fn a_resource_says_the_form_of_its_tokens() {
    let resources = || {
        [
            Resource::new("https://jwt.example/".parse().unwrap()).token_format(AccessTokenFormat::Jwt),
            Resource::new("https://opaque.example/".parse().unwrap()).token_format(AccessTokenFormat::Opaque),
            Resource::new("https://any.example/".parse().unwrap()),
        ]
    };
    let fixture = Fixture::with(|builder| {
        with_jwts(builder, JwtAccessTokens::new(API)).extension(ResourceIndicators::of(resources()))
    });
    for (format, resource, expected) in [
        (AccessTokenFormat::Opaque, "https://jwt.example/", true),
        (AccessTokenFormat::Jwt, "https://opaque.example/", false),
        (AccessTokenFormat::Jwt, "https://any.example/", true),
        (AccessTokenFormat::Opaque, "https://any.example/", false),
    ] {
        fixture.store.insert_client(client("cc", format));
        let request = [("grant_type", "client_credentials"), ("resource", resource)];
        let answer = fixture.token("cc", &request).await;
        let token = answer.is_ok().text("access_token");
        assert_eq!(is_jwt(token), expected, "{resource}");
        if expected {
            assert_eq!(read(&fixture, token).await.1["aud"], resource);
        }
    }
}

#[tokio::test]
async fn introspection_and_revocation_serve_both_forms() {
    let fixture = fixture();
    let answer = fixture.tokens("sec").await;
    let token = answer.text("access_token");
    let introspected = fixture.post_as("/introspect", "rs", &[("token", token)]).await;
    assert_eq!((&introspected.json["active"], &introspected.json["aud"]), (&json!(true), &json!([API])));
    fixture.post_as("/revoke", "sec", &[("token", token)]).await.is_ok();
    assert!(!fixture.is_active(token).await);

    let answer = fixture.tokens("sec").await;
    let refreshed = fixture.refresh("sec", answer.text("refresh_token")).await;
    assert!(is_jwt(refreshed.is_ok().text("access_token")));
    fixture.clock.advance(3600);
    assert!(!fixture.is_active(refreshed.text("access_token")).await);
}

#[tokio::test]
async fn another_algorithm_can_be_chosen() {
    let format = JwtAccessTokens::new(API).by_default().algorithm(Algorithm::RS256);
    let fixture = Fixture::with(|builder| with_jwts(builder, format));
    let token = fixture.tokens("sec").await;
    assert_eq!(read(&fixture, token.text("access_token")).await.0["alg"], "RS256");
}
