//! A host's own parts, made from outside by the public traits alone, and configurations that contradict themselves.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use common::*;
use grantwell::client_auth::{ClientAuthentication, Credentials, Unauthenticated};
use grantwell::extensions::Pkce;
use grantwell::grants::legacy::Implicit;
use grantwell::grants::{AuthorizationCode, ClientCredentials, RefreshToken};
use grantwell::hooks::{Attempt, RateLimiter};
use grantwell::issue::{Approved, Claims, Extension, TokenFormat, TokenRequest, TokenResponse};
use grantwell::model::{AuthMethod, Client, ClientId, ClientMetadata, ClientPolicy, Issued, RefreshPolicy, Rotation};
use grantwell::resource::{Requirement, ResourceServer, StoredTokens};
use grantwell::storage::{AccessTokenStore as _, ClientStore, TokenStore as _};
use grantwell::stores::MemoryStore;
use grantwell::{
    AuthorizationRequest, AuthorizationServer, BuildError, Context, Decision, Digest, Error, Metadata, Secret,
    SecretKey, StorageError, danger,
};
use serde_json::{Value, json};

/// A client is known by a header that a proxy sets.
struct ByCertificate;

#[async_trait]
impl ClientAuthentication for ByCertificate {
    fn method(&self) -> AuthMethod {
        AuthMethod::new("tls_client_auth")
    }

    fn credentials(&self, request: &Unauthenticated<'_>) -> Result<Option<Credentials>, Error> {
        let client_id = request.params.get("client_id").filter(|_| request.request.headers().contains_key("x-cert"));
        Ok(client_id.map(|id| Credentials { client_id: ClientId::from(id), proof: None }))
    }

    fn metadata(&self, metadata: &mut Metadata) {
        metadata.other.insert("tls_client_certificate_bound_access_tokens".to_owned(), json!(false));
    }

    async fn verify(
        &self,
        _: &Context,
        _: &Unauthenticated<'_>,
        client: Option<&Client>,
        _: &Credentials,
    ) -> Result<bool, Error> {
        Ok(client.is_some())
    }
}

#[tokio::test]
async fn a_client_authentication_without_a_secret() {
    let fixture = Fixture::with(|builder| builder.client_authentication(ByCertificate));
    let machine = ClientMetadata {
        grant_types: vec!["client_credentials".to_owned()],
        ..metadata(AuthMethod::new("tls_client_auth"))
    };
    fixture.store.insert_client(Client::new("mtls".into(), None, machine).unwrap());
    let mut request = post("/token", &[("grant_type", "client_credentials"), ("client_id", "mtls")]);
    fixture.send(request.clone()).await.is_refused(401, "invalid_client");
    request.headers_mut().insert("x-cert", "yes".parse().unwrap());
    fixture.send(request).await.is_ok();
    let published: Value = serde_json::from_slice(fixture.server.metadata()).unwrap();
    assert_eq!(published["tls_client_certificate_bound_access_tokens"], false);
    let methods = &published["token_endpoint_auth_methods_supported"];
    assert_eq!(*methods, json!(["client_secret_basic", "client_secret_post", "tls_client_auth", "none"]));
}

/// Keeps a parameter of the authorization request and puts it into the token's answer.
struct Colour;

#[async_trait]
impl Extension for Colour {
    fn name(&self) -> &'static str {
        "colour"
    }

    fn parameters(&self) -> &'static [&'static str] {
        &["colour"]
    }

    async fn authorize(&self, _: &Context, request: &mut AuthorizationRequest) -> Result<Option<Value>, Error> {
        assert_eq!(request.params.get("unlisted"), None, "only what is there too after the consent page");
        Ok(request.params.get("colour").map(Value::from))
    }

    async fn check(&self, _: &Context, _: &TokenRequest<'_>, approved: &mut Approved) -> Result<(), Error> {
        if let Some(colour) = approved.extensions.as_ref().and_then(|kept| kept.get("colour")) {
            approved.extras.insert("colour".to_owned(), colour.clone());
        }
        Ok(())
    }

    async fn decorate(
        &self,
        _: &Context,
        _: &TokenRequest<'_>,
        issued: &Issued,
        answer: &mut TokenResponse,
    ) -> Result<(), Error> {
        answer.extras.insert("issued_at".to_owned(), issued.access_token.issued_at.as_unix().into());
        Ok(())
    }
}

#[tokio::test]
async fn an_extension_keeps_a_parameter_and_adds_to_the_answer() {
    let fixture = Fixture::with(|builder| builder.extension(Colour));
    let mut request = code_request("sec");
    request.extend([("colour", "red"), ("unlisted", "x")]);
    let code = fixture.code_for(&request, "alice").await;
    let answer = fixture.redeem("sec", &code).await;
    assert_eq!((answer.text("colour"), answer.json["issued_at"].as_u64()), ("red", Some(START)));
}

/// Tokens that say whose they are.
struct Readable(AtomicUsize);

#[async_trait]
impl TokenFormat for Readable {
    async fn mint(&self, _: &Context, claims: &Claims<'_>) -> Result<Secret, Error> {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Secret::new(format!("{}-{}-{number}", claims.client.id(), claims.expires_at.as_unix())))
    }
}

#[tokio::test]
async fn a_token_format() {
    let fixture = Fixture::with(|builder| builder.token_format(Readable(AtomicUsize::new(0))));
    let answer = fixture.token("cc", &[("grant_type", "client_credentials")]).await;
    assert_eq!(answer.text("access_token"), format!("cc-{}-0", START + 3600));
    assert!(fixture.is_active(answer.text("access_token")).await);
}

#[tokio::test]
async fn a_narrower_approval_takes_back_what_was_remembered() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    let both = changed(&code_request("sec"), "scope", Some("profile email"));
    let pending = fixture.consent(&both, &login).await;
    let _ = fixture.server.decide(pending.ticket(), Some(&login), Decision::APPROVE).await;
    let again = changed(&both, "prompt", Some("consent"));
    let pending = fixture.consent(&again, &login).await;
    let narrower = Decision::Approve { scope: Some("profile".parse().unwrap()), remember: true };
    let _ = fixture.server.decide(pending.ticket(), Some(&login), narrower).await;
    fixture.consent(&both, &login).await;
    assert!(redirect_param(&fixture.respond(&code_request("sec"), Some(&login)).await, "code").is_some());
}

#[tokio::test]
async fn a_server_of_codes_alone_can_be_given_what_it_needs_to_revoke() {
    let (store, clock) = (Arc::new(MemoryStore::new()), ManualClock::new());
    clients().into_iter().for_each(|client| store.insert_client(client));
    let server = AuthorizationServer::builder(ISSUER, store.clone(), store.clone())
        .secret_keys(SecretKey::from_bytes([7; 32]), [])
        .grant(AuthorizationCode::new())
        .with_revocation()
        .clock(clock.clone())
        .build()
        .unwrap();
    let fixture = Fixture { server, store: store.clone(), clock: clock.clone() };
    let code = fixture.code("sec").await;
    let token = fixture.redeem("sec", &code).await;
    let api = ResourceServer::unnamed(StoredTokens::new(ISSUER, store)).clock(clock);
    let mut request = get("/api");
    request.headers_mut().insert("authorization", format!("Bearer {}", token.text("access_token")).parse().unwrap());
    let profile = Requirement::all_of("profile");
    assert!(api.check(&request, &profile).await.is_ok());
    fixture.redeem("sec", &code).await.is_refused(400, "invalid_grant");
    assert!(api.check(&request, &profile).await.is_err());
}

/// Finds clients whatever the case of their identifier, as some databases do.
struct CaseBlind(MemoryStore);

#[async_trait]
impl ClientStore for CaseBlind {
    async fn query_client(&self, client_id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        self.0.query_client(&client_id.as_str().to_lowercase().into()).await
    }
}

#[tokio::test]
async fn a_client_is_known_by_its_exact_identifier() {
    let store = MemoryStore::new();
    clients().into_iter().for_each(|client| store.insert_client(client));
    let server = AuthorizationServer::builder(ISSUER, Arc::new(CaseBlind(store)), Arc::new(MemoryStore::new()))
        .grant(ClientCredentials::new())
        .build()
        .unwrap();
    for (id, status) in [("cc", 200), ("CC", 401)] {
        let request = post_basic("/token", id, "cc-secret", &[("grant_type", "client_credentials")]);
        assert_eq!(server.endpoints().call(request).await.status(), status, "{id}");
    }
}

struct NoAttempt;

#[async_trait]
impl RateLimiter for NoAttempt {
    async fn check(&self, _: &Attempt<'_>) -> Result<(), u32> {
        Err(5)
    }

    async fn failed(&self, _: &Attempt<'_>) {}
}

#[tokio::test]
async fn only_what_can_be_guessed_is_limited() {
    let fixture = Fixture::with(|builder| builder.rate_limiter(NoAttempt));
    fixture.tokens("pub").await;
    let code = fixture.code("sec").await;
    assert_eq!(fixture.redeem("sec", &code).await.status, 429);
}

#[tokio::test]
async fn a_token_with_an_audience_is_good_there_alone() {
    let fixture = Fixture::new();
    let token = fixture.token("cc", &[("grant_type", "client_credentials")]).await;
    let digest = Digest::of(token.text("access_token"));
    let mut bound = fixture.store.query_token(&digest).await.unwrap().unwrap().token;
    bound.token = Digest::of("bound");
    bound.audience = vec!["https://api.example".to_owned(), "https://api.example/v2".to_owned()];
    fixture.store.save_token(&Issued { authorization: None, access_token: bound, refresh_token: None }).await.unwrap();

    let tokens = || StoredTokens::new(ISSUER, fixture.store.clone());
    let named = |name: &str| ResourceServer::new(name.parse().unwrap(), tokens()).clock(fixture.clock.clone());
    let mut request = get("/api");
    request.headers_mut().insert("authorization", "Bearer bound".parse().unwrap());
    for (api, is_meant) in [
        (ResourceServer::unnamed(tokens()).clock(fixture.clock.clone()), false),
        (named("https://other.example"), false),
        (named("https://api.example/v1"), false),
        (named("https://api.example/"), false),
        (named("https://api.example"), true),
        (named("https://api.example/v2"), true),
    ] {
        assert_eq!(api.check(&request, &Requirement::all_of("profile")).await.is_ok(), is_meant, "{api:?}");
    }
}

#[test]
fn build_names_what_contradicts_what() {
    let begin = || {
        let store = Arc::new(MemoryStore::new());
        AuthorizationServer::builder(ISSUER, store.clone(), store)
    };
    let keyed = || begin().secret_keys(SecretKey::from_bytes([7; 32]), []);
    assert!(matches!(begin().build(), Err(BuildError::Nothing)));
    let unreachable = keyed().grant(RefreshToken::rotating()).grant(ClientCredentials::new()).build();
    assert!(matches!(unreachable, Err(BuildError::Unreachable("refresh_token"))));
    let implicit = keyed().grant(RefreshToken::rotating()).grant(Implicit::new()).build();
    assert!(matches!(implicit, Err(BuildError::Unreachable("refresh_token"))));
    let code = || keyed().grant(AuthorizationCode::new());
    let twice = code().authorization_path("/token").build();
    assert!(matches!(twice, Err(BuildError::Twice { name, .. }) if name == "/token"));
    for path in ["authorize", "/a?b", "/a#b", "/a b", "/%61"] {
        assert!(matches!(code().authorization_path(path).build(), Err(BuildError::Path(own)) if own == path));
    }
    let usual = RefreshPolicy::default();
    for policy in [
        RefreshPolicy { idle_lifetime: 0, ..usual },
        RefreshPolicy { absolute_lifetime: 0, ..usual },
        RefreshPolicy { rotation: Rotation::Rotate { grace: 601 }, ..usual },
    ] {
        let built = code().grant(RefreshToken::with_policy(policy)).build();
        assert!(matches!(built, Err(BuildError::Configuration(_))), "{policy:?}");
        let policy = ClientPolicy { refresh_token: Some(policy), ..ClientPolicy::default() };
        assert!(clients().remove(0).with_policy(policy).is_err());
    }
    let without = ClientPolicy { require_pkce: false, ..ClientPolicy::default() };
    assert!(public("p", metadata(AuthMethod::NONE)).with_policy(without).is_err());
    assert!(code().extension(Pkce::default()).build().is_ok());
}

#[tokio::test]
async fn a_private_use_scheme_without_a_dot_has_to_be_called_for() {
    assert!("cursor://callback".parse::<grantwell::model::RedirectUri>().is_err());
    for never in ["javascript:alert(1)", "data:text/html,x", "http://app.example/cb", "file:///etc/passwd"] {
        assert!(danger::private_use_redirect_uri(never).is_err(), "{never}");
    }
    let fixture = Fixture::new();
    let uri = danger::private_use_redirect_uri("cursor://callback").unwrap();
    fixture
        .store
        .insert_client(public("cursor", ClientMetadata { redirect_uris: vec![uri], ..metadata(AuthMethod::NONE) }));
    let request = code_request("cursor");
    let code = fixture.code_for(&changed(&request, "redirect_uri", Some("cursor://callback")), "alice").await;
    let redemption = redemption(&code);
    let mut redemption = changed(&redemption, "redirect_uri", Some("cursor://callback"));
    redemption.push(("client_id", "cursor"));
    fixture.send(post("/token", &redemption)).await.is_ok();
}

#[tokio::test]
async fn debug_shows_no_code() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    let first = fixture.code("sec").await;
    let request = changed(&code_request("sec"), "response_mode", Some("form_post"));
    let answer = fixture.authorize(&request, Some(&login)).await;
    assert_eq!(format!("{answer:?}"), "Respond(200)");
    let grantwell::Authorize::Respond(response) = fixture.authorize(&code_request("sec"), Some(&login)).await else {
        panic!("no answer");
    };
    let code = redirect_param(&response, "code").unwrap();
    assert!(!format!("{response:?}").contains(&code) && code != first);
}
