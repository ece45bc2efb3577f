//! JWT access tokens (RFC 9068): what they say, for whom they are made, and that nothing else changes with them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use async_trait::async_trait;
use common::*;
use grantwell::extensions::{Resource, ResourceIndicators};
use grantwell::grants::legacy::{Password, PasswordVerifier};
use grantwell::issue::JwtAccessTokens;
use grantwell::jose::{Algorithm, Jws, PrivateKey, PublicKeys as _};
use grantwell::model::{AccessTokenFormat, AuthMethod, Client, ClientMetadata, ClientPolicy};
use grantwell::signing::{FixedKeys, RotatingKeys};
use grantwell::stores::MemoryStore;
use grantwell::{Builder, Login, Secret, StorageError, Timestamp};
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

/// What a client that acts for itself asks.
const MACHINE: [(&str, &str); 1] = [("grant_type", "client_credentials")];

/// Every access token is a JWT, and `own` is the policy.
fn with_policy(own: ResourceIndicators) -> Fixture {
    Fixture::with(|builder| with_jwts(builder, JwtAccessTokens::new(API).by_default()).extension(own))
}

fn api() -> Resource {
    Resource::new(API.parse().unwrap())
}

#[tokio::test]
async fn the_policy_is_asked_about_the_audience_that_nobody_named() {
    let closed = with_policy(ResourceIndicators::of([api().scope("profile".parse().unwrap()).clients(["nobody"])]));
    let unknown = with_policy(ResourceIndicators::of([]));
    for fixture in [closed, unknown] {
        let code = fixture.code("sec").await;
        let before = fixture.snapshot();
        for (client, request) in [("cc", MACHINE.to_vec()), ("sec", redemption(&code))] {
            let answer = fixture.token(client, &request).await;
            answer.is_refused(400, "invalid_target");
            assert!(answer.text("error_description").contains("without a resource"), "{client}");
        }
        assert_eq!(fixture.snapshot(), before);
        fixture.store.insert_client(client("cc", AccessTokenFormat::Opaque));
        let opaque = fixture.token("cc", &MACHINE).await;
        let facts = fixture.post_as("/introspect", "rs", &[("token", opaque.is_ok().text("access_token"))]).await;
        assert_eq!((&facts.json["active"], facts.json.get("aud")), (&json!(true), None));
    }
    let fixture = self::fixture();
    assert_eq!(read(&fixture, fixture.tokens("sec").await.text("access_token")).await.1["aud"], API);
}

#[tokio::test]
async fn the_terms_of_the_default_audience_are_those_of_a_named_resource() {
    let fixture = with_policy(ResourceIndicators::of([api().scope("profile".parse().unwrap()).clients(["cc", "sec"])]));
    let wide = changed(&code_request("sec"), "scope", Some("profile email"));
    let first = fixture.redeem("sec", &fixture.code_for(&wide, "alice").await).await;
    let second = fixture.refresh("sec", first.is_ok().text("refresh_token")).await;
    for answer in [&first, &second, &fixture.token("cc", &MACHINE).await] {
        let (_, claims) = read(&fixture, answer.is_ok().text("access_token")).await;
        assert_eq!((&claims["aud"], &claims["scope"]), (&json!(API), &json!("profile")));
    }
    let narrowed = changed(&MACHINE, "scope", Some("email"));
    fixture.token("cc", &narrowed).await.is_refused(400, "invalid_scope");
    let named = [("grant_type", "refresh_token"), ("refresh_token", second.text("refresh_token")), ("resource", API)];
    fixture.token("sec", &named).await.is_refused(400, "invalid_target");

    let fixture = with_policy(ResourceIndicators::of([api().token_format(AccessTokenFormat::Opaque)]));
    assert!(!is_jwt(fixture.tokens("sec").await.text("access_token")));
}

#[tokio::test]
async fn a_resource_may_take_another_form_than_one_that_the_server_lacks() {
    let opaque = api().token_format(AccessTokenFormat::Opaque);
    let fixture = Fixture::with(|builder| builder.extension(ResourceIndicators::of([opaque])));
    fixture.store.insert_client(client("cc", AccessTokenFormat::Jwt));
    fixture.token("cc", &MACHINE).await.is_refused(500, "server_error");
    fixture.token("cc", &[&MACHINE[..], &[("resource", API)]].concat()).await.is_ok();
}

#[tokio::test]
async fn a_token_that_nobody_could_read_is_not_issued() {
    let fixture = fixture();
    let scope = |names: usize| (0..names).map(|number| format!("https://api.example/{number:04}")).collect::<Vec<_>>();
    let wide = scope(300).join(" ");
    let own = ClientMetadata { scope: wide.parse().unwrap(), ..metadata(AuthMethod::CLIENT_SECRET_BASIC) };
    let machine =
        ClientMetadata { grant_types: vec!["client_credentials".to_owned()], redirect_uris: Vec::new(), ..own.clone() };
    fixture.store.insert_client(confidential("wide", machine));
    fixture.store.insert_client(confidential("wide-web", own));
    let request = changed(&code_request("wide-web"), "scope", None);
    let code = fixture.code_for(&request, "alice").await;
    // Signing makes the keys.
    fixture.tokens("sec").await;
    let before = fixture.snapshot();
    for (client, request) in [("wide", MACHINE.to_vec()), ("wide-web", redemption(&code))] {
        fixture.token(client, &request).await.is_refused(400, "invalid_scope");
    }
    assert!(fixture.snapshot() == before, "something was saved");
    let narrower = scope(150).join(" ");
    let token = fixture.token("wide", &changed(&MACHINE, "scope", Some(&narrower))).await;
    assert!(fixture.is_active(token.is_ok().text("access_token")).await);
}

#[tokio::test]
async fn no_token_ends_later_than_every_reader_of_json_can_count() {
    let keys = FixedKeys::new(PrivateKey::generate(Algorithm::ES256).unwrap().with_kid("one"));
    let fixture =
        Fixture::with(|builder| builder.signing_keys(keys).jwt_access_tokens(JwtAccessTokens::new(API).by_default()));
    let endless =
        ClientPolicy { access_token_lifetime: Some(u64::MAX), ..client("cc", AccessTokenFormat::Jwt).policy().clone() };
    fixture.store.insert_client(client("cc", AccessTokenFormat::Jwt).with_policy(endless).unwrap());
    let answer = fixture.token("cc", &MACHINE).await;
    let token = answer.is_ok().text("access_token");
    let end = json!((1_u64 << 53) - 1);
    assert_eq!(read(&fixture, token).await.1["exp"], end);
    assert_eq!(fixture.post_as("/introspect", "rs", &[("token", token)]).await.json["exp"], end);
    assert_eq!(answer.json["expires_in"], (1_u64 << 53) - 1 - START);
}

struct AnyPassword;

#[async_trait]
impl PasswordVerifier for AnyPassword {
    async fn verify(&self, username: &str, _: &Secret, _: &Client) -> Result<Option<Login>, StorageError> {
        Ok(Some(Login::without_session(username, Timestamp::from_unix(START))))
    }
}

#[tokio::test]
async fn the_default_audience_is_no_resource_of_the_authorization() {
    let fixture = Fixture::with(|builder| {
        let builder = with_jwts(builder, JwtAccessTokens::new(API).by_default());
        builder.grant(Password::new(AnyPassword)).extension(ResourceIndicators::of([api()]))
    });
    let mut own = metadata(AuthMethod::CLIENT_SECRET_BASIC);
    own.grant_types.push("password".to_owned());
    fixture.store.insert_client(confidential("legacy", own));
    let first = fixture.token("legacy", &[("grant_type", "password"), ("username", "alice"), ("password", "x")]).await;
    assert_eq!(read(&fixture, first.is_ok().text("access_token")).await.1["aud"], API);
    let refresh_token = first.text("refresh_token");
    let facts = fixture.post_as("/introspect", "legacy", &[("token", refresh_token)]).await;
    assert_eq!((&facts.json["active"], facts.json.get("aud")), (&json!(true), None));
}
