//! JWT access tokens at an API (RFC 9068 section 4).
#![cfg(feature = "jose")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use bytes::Bytes;
use common::*;
use grantwell::issue::JwtAccessTokens;
use grantwell::jose::{Algorithm, JwkSet, PrivateKey, PublicKeys, SharedSecret, Signer as _};
use grantwell::model::Subject;
use grantwell::resource::{Access, JwtTokens, Requirement, ResourceServer, StoredTokens, TokenSource};
use grantwell::signing::RotatingKeys;
use grantwell::{Error, ErrorCode};
use http::Request;
use serde_json::{Value, json};

const RESOURCE: &str = "https://api.example/v1";

/// The keys of an issuer, which count how often they are looked at, and how often anew.
struct Keys {
    set: JwkSet,
    reads: AtomicUsize,
    refreshes: AtomicUsize,
    is_down: bool,
}

#[async_trait]
impl PublicKeys for Keys {
    async fn jwk_set(&self) -> Result<Arc<JwkSet>, Error> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        if self.is_down {
            return Err(Error::new(ErrorCode::TemporarilyUnavailable, "the keys cannot be fetched now"));
        }
        Ok(Arc::new(self.set.clone()))
    }

    async fn refreshed(&self) -> Result<Arc<JwkSet>, Error> {
        self.refreshes.fetch_add(1, Ordering::SeqCst);
        self.jwk_set().await
    }
}

impl Keys {
    fn of(keys: &[&PrivateKey]) -> Self {
        let set = JwkSet { keys: keys.iter().map(|key| key.jwk().clone()).collect() };
        Self { set, reads: AtomicUsize::new(0), refreshes: AtomicUsize::new(0), is_down: false }
    }

    fn counts(&self) -> (usize, usize) {
        (self.reads.load(Ordering::SeqCst), self.refreshes.load(Ordering::SeqCst))
    }
}

fn key(kid: &str) -> PrivateKey {
    PrivateKey::generate(Algorithm::ES256).unwrap().with_kid(kid)
}

/// Signs the very texts, whatever they say.
async fn signed(key: &PrivateKey, header: &str, payload: &str) -> String {
    let message = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(payload));
    let signature = key.sign(message.as_bytes()).await.unwrap();
    format!("{message}.{}", BASE64URL.encode(signature))
}

const HEADER: &str = r#"{"alg":"ES256","kid":"one","typ":"at+jwt"}"#;

fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "sub": "alice",
        "aud": RESOURCE,
        "client_id": "app",
        "iat": START,
        "exp": START + 300,
        "jti": "a1",
        "scope": "profile email",
        "auth_time": START - 10,
        "acr": "mfa",
        "amr": ["pwd", "otp"],
        "roles": ["editor"],
    })
}

/// The claims with `name` set to `value`, or without it.
fn with(name: &str, value: Value) -> String {
    let mut claims = claims();
    match value {
        Value::Null => claims.as_object_mut().unwrap().remove(name),
        value => claims.as_object_mut().unwrap().insert(name.to_owned(), value),
    };
    claims.to_string()
}

fn api(tokens: impl TokenSource) -> ResourceServer {
    ResourceServer::new(RESOURCE.parse().unwrap(), tokens).clock(ManualClock::new())
}

fn bearing(token: &str) -> Request<Bytes> {
    let mut request = get("/v1/me");
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// The access, or the code of the refusal.
async fn check(api: &ResourceServer, token: &str) -> Result<Access, &'static str> {
    let answer = api.check(&bearing(token), &Requirement::all_of("profile")).await;
    answer.map_err(|refused| refused.error().unwrap().code().as_str())
}

#[tokio::test]
async fn a_right_token_says_who_may_do_what() {
    let own = key("one");
    let api = api(JwtTokens::new(ISSUER, Arc::new(Keys::of(&[&own]))));
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"] {
        let header = HEADER.replace("at+jwt", typ);
        let access = check(&api, &signed(&own, &header, &claims().to_string()).await).await.unwrap();
        assert_eq!((access.issuer.as_str(), access.client_id.as_str()), (ISSUER, "app"));
        assert_eq!((access.subject, access.scope), (Some(Subject::from("alice")), "profile email".parse().unwrap()));
        assert_eq!(access.audience, [RESOURCE]);
        let times = [access.issued_at, access.expires_at, access.auth_time].map(|time| time.unwrap().as_unix());
        assert_eq!(times, [START, START + 300, START - 10]);
        assert_eq!((access.acr.as_deref(), access.amr), (Some("mfa"), vec!["pwd".to_owned(), "otp".to_owned()]));
        assert_eq!(
            (access.authorization, Value::Object(access.claims)),
            (None, json!({"jti": "a1", "roles": ["editor"]}))
        );
    }
}

#[tokio::test]
async fn what_may_be_otherwise_in_a_right_token() {
    let own = key("one");
    let api = api(JwtTokens::new(ISSUER, Arc::new(Keys::of(&[&own]))));
    for (name, value) in [
        ("aud", json!(["https://other.example", RESOURCE])),
        ("nbf", json!(START)),
        ("nbf", json!(START + 60)),
        ("iat", json!(START + 60)),
        ("auth_time", Value::Null),
        ("acr", Value::Null),
        ("amr", Value::Null),
        ("exp", json!(START + 1)),
    ] {
        let token = signed(&own, HEADER, &with(name, value.clone())).await;
        assert!(check(&api, &token).await.is_ok(), "{name} {value}");
    }
}

#[tokio::test]
async fn a_client_that_acts_for_itself_is_no_subject() {
    let own = key("one");
    let api = api(JwtTokens::new(ISSUER, Arc::new(Keys::of(&[&own]))));
    let for_itself = check(&api, &signed(&own, HEADER, &with("sub", json!("app"))).await).await.unwrap();
    assert_eq!((for_itself.subject, for_itself.client_id), (None, "app".into()));
    let mut of_a_user = claims();
    of_a_user["sub"] = json!("app");
    of_a_user["authorization_id"] = json!("AAECAwQFBgcICQoLDA0ODw");
    let access = check(&api, &signed(&own, HEADER, &of_a_user.to_string()).await).await.unwrap();
    assert_eq!(access.subject, Some(Subject::from("app")), "a user who has a client's name");
    assert_eq!(access.authorization.unwrap().to_string(), "AAECAwQFBgcICQoLDA0ODw");
}

#[tokio::test]
async fn claims_that_are_wrong_are_refused_before_a_key_is_looked_at() {
    let (own, keys) = (key("one"), Arc::new(Keys::of(&[])));
    let api = api(JwtTokens::new(ISSUER, keys.clone()));
    let mut wrong: Vec<String> = [
        ("iss", json!(format!("{ISSUER}/"))),
        ("iss", json!("https://other.example")),
        ("iss", Value::Null),
        ("iss", json!([ISSUER])),
        ("sub", Value::Null),
        ("sub", json!(17)),
        ("client_id", Value::Null),
        ("client_id", json!(["app"])),
        ("iat", Value::Null),
        ("iat", json!(START.to_string())),
        ("iat", json!(START + 61)),
        ("jti", Value::Null),
        ("jti", json!(1)),
        ("exp", Value::Null),
        ("exp", json!(START)),
        ("exp", json!(START - 1)),
        ("exp", json!((START + 300).to_string())),
        ("exp", json!(-1)),
        ("exp", json!(true)),
        ("nbf", json!(START + 61)),
        ("nbf", json!("now")),
        ("aud", Value::Null),
        ("aud", json!([])),
        ("aud", json!([RESOURCE, 1])),
        ("aud", json!({ RESOURCE: true })),
        ("scope", json!(["profile"])),
        ("scope", json!("profile  email")),
        ("scope", json!("pro\"file")),
        ("auth_time", json!("yesterday")),
        ("acr", json!(2)),
        ("amr", json!("pwd")),
        ("cnf", json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" })),
    ]
    .map(|(name, value)| with(name, value))
    .into();
    let whole = claims().to_string();
    wrong.extend([
        whole.replacen('{', r#"{"iss":"https://other.example","#, 1),
        whole.replacen('{', r#"{"exp":1,"#, 1),
        whole.replacen('{', r#"{"roles":["admin"],"#, 1),
        whole.replacen('{', r#"{"scope":"admin","#, 1),
        "[]".to_owned(),
        "null".to_owned(),
        String::new(),
        format!("{whole}{whole}"),
        whole.replace("alice", "\\ud800"),
    ]);
    for payload in wrong {
        let token = signed(&own, HEADER, &payload).await;
        assert_eq!(check(&api, &token).await.unwrap_err(), "invalid_token", "{payload}");
    }
    assert_eq!(keys.counts(), (0, 0));
}

#[tokio::test]
async fn headers_that_are_wrong_are_refused_before_a_key_is_looked_at() {
    let (own, keys) = (key("one"), Arc::new(Keys::of(&[])));
    let api = api(JwtTokens::new(ISSUER, keys.clone()));
    for header in [
        r#"{"alg":"ES256","kid":"one","typ":"JWT"}"#,
        r#"{"alg":"ES256","kid":"one","typ":"jwt"}"#,
        r#"{"alg":"ES256","kid":"one","typ":"id_token+jwt"}"#,
        r#"{"alg":"ES256","kid":"one","typ":"logout+jwt"}"#,
        r#"{"alg":"ES256","kid":"one","typ":"application/application/at+jwt"}"#,
        r#"{"alg":"ES256","kid":"one","typ":"at+jwt "}"#,
        r#"{"alg":"ES256","kid":"one","typ":""}"#,
        r#"{"alg":"ES256","kid":"one","typ":["at+jwt"]}"#,
        r#"{"alg":"ES256","kid":"one"}"#,
        r#"{"alg":"none","kid":"one","typ":"at+jwt"}"#,
        r#"{"alg":"None","kid":"one","typ":"at+jwt"}"#,
        r#"{"alg":"HS256","kid":"one","typ":"at+jwt"}"#,
        r#"{"alg":"es256","kid":"one","typ":"at+jwt"}"#,
        r#"{"alg":"ES256K","kid":"one","typ":"at+jwt"}"#,
        r#"{"kid":"one","typ":"at+jwt"}"#,
        r#"{"alg":"ES256","alg":"none","kid":"one","typ":"at+jwt"}"#,
        r#"{"alg":"ES256","kid":"one","typ":"JWT","typ":"at+jwt"}"#,
        r#"{"alg":"ES256","kid":"one","typ":"at+jwt","crit":["x"],"x":1}"#,
        r#"{"alg":"ES256","kid":"one","typ":"at+jwt","jku":"https://evil.example/jwks"}"#,
        r#"{"alg":"ES256","kid":"one","typ":"at+jwt","x5u":"https://evil.example/x5u"}"#,
    ] {
        let token = signed(&own, header, &claims().to_string()).await;
        assert_eq!(check(&api, &token).await.unwrap_err(), "invalid_token", "{header}");
    }
    assert_eq!(keys.counts(), (0, 0));
}

#[tokio::test]
async fn only_a_signature_of_the_issuers_keys_is_taken() {
    let (own, other) = (key("one"), key("one"));
    let keys = Arc::new(Keys::of(&[&own]));
    let api = api(JwtTokens::new(ISSUER, keys.clone()));
    let payload = claims().to_string();
    let right = signed(&own, HEADER, &payload).await;
    assert!(check(&api, &right).await.is_ok());
    let (message, signature) = right.rsplit_once('.').unwrap();

    let embedded = json!({ "alg": "ES256", "kid": "one", "typ": "at+jwt", "jwk": other.jwk().to_value() });
    let public = own.jwk().to_value().to_string();
    let by_hmac = |secret: &[u8]| {
        let header = HEADER.replace("ES256", "HS256");
        let message = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(&payload));
        let mac = SharedSecret::new(secret).authenticate(Algorithm::HS256, message.as_bytes()).unwrap();
        format!("{message}.{}", BASE64URL.encode(mac))
    };
    let mut admin = claims();
    admin["scope"] = json!("profile admin");
    let changed = format!("{}.{}.{signature}", BASE64URL.encode(HEADER), BASE64URL.encode(admin.to_string()));
    for (name, token) in [
        ("another key of the same name", signed(&other, HEADER, &payload).await),
        ("an embedded key", signed(&other, &embedded.to_string(), &payload).await),
        ("changed claims", changed),
        ("no signature", format!("{message}.")),
        ("two parts", message.to_owned()),
        ("a signature of zeros", format!("{message}.{}", BASE64URL.encode([0; 64]))),
        ("half a signature", format!("{message}.{}", &signature[..42])),
        ("the public key as a secret", by_hmac(public.as_bytes())),
        ("the coordinate as a secret", by_hmac(own.jwk().to_value()["x"].as_str().unwrap().as_bytes())),
        ("another algorithm", signed(&own, &HEADER.replace("ES256", "RS256"), &payload).await),
        ("a fourth part", format!("{right}.")),
        ("padding", format!("{right}=")),
    ] {
        assert_eq!(check(&api, &token).await.unwrap_err(), "invalid_token", "{name}");
    }
}

#[tokio::test]
async fn an_unknown_key_is_looked_for_anew_and_another_issuers_never() {
    let (own, next) = (key("one"), key("two"));
    let keys = Arc::new(Keys::of(&[&own]));
    let api = api(JwtTokens::new(ISSUER, keys.clone()));
    let unknown = signed(&next, &HEADER.replace("one", "two"), &claims().to_string()).await;
    assert_eq!(check(&api, &unknown).await.unwrap_err(), "invalid_token");
    assert_eq!(keys.counts(), (2, 1));
    for iss in ["https://evil.example", "", "https://as.example/", "https://as.example#"] {
        let foreign = signed(&next, &HEADER.replace("one", "two"), &with("iss", json!(iss))).await;
        assert_eq!(check(&api, &foreign).await.unwrap_err(), "invalid_token");
    }
    assert_eq!(keys.counts(), (2, 1));
}

#[tokio::test]
async fn the_algorithms_are_those_that_are_allowed() {
    let own = key("one");
    let token = signed(&own, HEADER, &claims().to_string()).await;
    let keys = Arc::new(Keys::of(&[&own]));
    for (allowed, is_taken) in [
        (vec![Algorithm::RS256, Algorithm::ES256], true),
        (vec![Algorithm::RS256, Algorithm::HS256], false),
        (vec![], false),
    ] {
        let api = api(JwtTokens::new(ISSUER, keys.clone()).algorithms(allowed.clone()));
        assert_eq!(check(&api, &token).await.is_ok(), is_taken, "{allowed:?}");
    }
}

#[tokio::test]
async fn a_token_is_for_this_api() {
    let own = key("one");
    let keys = Arc::new(Keys::of(&[&own]));
    let token = signed(&own, HEADER, &claims().to_string()).await;
    let named = |name: &str| {
        ResourceServer::new(name.parse().unwrap(), JwtTokens::new(ISSUER, keys.clone())).clock(ManualClock::new())
    };
    for name in
        ["https://api.example/", "https://api.example/v1/", "https://api.example/v2", "https://other.example/v1"]
    {
        assert_eq!(check(&named(name), &token).await.unwrap_err(), "invalid_token", "{name}");
    }
    assert!(check(&named(RESOURCE), &token).await.is_ok());
    let unnamed = ResourceServer::unnamed(JwtTokens::new(ISSUER, keys.clone())).clock(ManualClock::new());
    assert_eq!(check(&unnamed, &token).await.unwrap_err(), "invalid_token", "who has no name is nobody's audience");
}

#[tokio::test]
async fn a_token_expires_to_the_second() {
    let own = key("one");
    let clock = ManualClock::new();
    let tokens = JwtTokens::new(ISSUER, Arc::new(Keys::of(&[&own])));
    let api = ResourceServer::new(RESOURCE.parse().unwrap(), tokens).clock(clock.clone());
    let token = signed(&own, HEADER, &claims().to_string()).await;
    clock.advance(299);
    assert!(check(&api, &token).await.is_ok());
    clock.advance(1);
    assert_eq!(check(&api, &token).await.unwrap_err(), "invalid_token");
}

#[tokio::test]
async fn keys_that_cannot_be_had_are_not_a_no() {
    let own = key("one");
    let keys = Keys { is_down: true, ..Keys::of(&[&own]) };
    let api = api(JwtTokens::new(ISSUER, Arc::new(keys)));
    let token = signed(&own, HEADER, &claims().to_string()).await;
    let response = api.check(&bearing(&token), &Requirement::any_token()).await.unwrap_err().response();
    assert_eq!((response.status().as_u16(), response.headers().get("www-authenticate")), (503, None));
}

#[tokio::test]
async fn every_issuer_has_its_own_keys() {
    const OTHER: &str = "https://other.example";
    let (one, two) = (key("one"), key("one"));
    let api =
        api(JwtTokens::new(ISSUER, Arc::new(Keys::of(&[&one])))).or(JwtTokens::new(OTHER, Arc::new(Keys::of(&[&two]))));
    for (key, iss, is_right) in [(&one, ISSUER, true), (&two, OTHER, true), (&two, ISSUER, false), (&one, OTHER, false)]
    {
        let token = signed(key, HEADER, &with("iss", json!(iss))).await;
        let access = check(&api, &token).await;
        assert_eq!(access.as_ref().map(|access| access.issuer.as_str()).ok(), is_right.then_some(iss));
    }
}

#[tokio::test]
async fn a_server_of_this_library_is_understood_by_its_store_and_by_its_keys() {
    let fixture = Fixture::with(|builder| {
        let keys = RotatingKeys::new([Algorithm::ES256]);
        builder.signing_keys(keys).jwt_access_tokens(JwtAccessTokens::new(RESOURCE).by_default())
    });
    let keys = Arc::new(fixture.server.signing_keys().unwrap().clone());
    let by_keys = api(JwtTokens::new(ISSUER, keys));
    let by_store = api(StoredTokens::new(ISSUER, fixture.store.clone()));
    let (token, own) =
        (fixture.tokens("sec").await, fixture.token("cc", &[("grant_type", "client_credentials")]).await);
    for (answer, is_of_a_user) in [(&token, true), (&own, false)] {
        let token = answer.text("access_token");
        let (stored, mut signed) = (check(&by_store, token).await.unwrap(), check(&by_keys, token).await.unwrap());
        assert!(signed.claims.remove("jti").is_some());
        assert_eq!(stored, signed);
        assert_eq!((stored.subject.is_some(), stored.authorization.is_some()), (is_of_a_user, is_of_a_user));
    }
    let token = token.text("access_token");
    fixture.post_as("/revoke", "sec", &[("token", token)]).await.is_ok();
    assert_eq!(check(&by_store, token).await.unwrap_err(), "invalid_token");
    assert!(check(&by_keys, token).await.is_ok(), "who does not ask learns nothing of the revocation");
}
