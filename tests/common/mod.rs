//! A server over the memory store, driven as a host and its clients would: HTTP in, HTTP out, with a clock that only
//! the test moves.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

pub mod endpoint;
pub mod intercept;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use grantwell::grants::{AuthorizationCode, ClientCredentials, RefreshToken};
use grantwell::model::{AuthMethod, Client, ClientId, ClientMetadata, ClientPolicy, ClientSecret};
use grantwell::storage::{
    AccessTokenStore, AuthorizationCodeStore, ClientStore, ConsentStore, RefreshTokenStore, Selector,
};
use grantwell::stores::MemoryStore;
use grantwell::{
    AuthorizationServer, Authorize, Builder, Clock, Decision, Digest, Introspection, Login, PendingConsent, Revocation,
    SecretKey, Timestamp,
};
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use http::{Method, Request, Response, StatusCode};
use serde_json::Value;

pub const ISSUER: &str = "https://as.example";
pub const START: u64 = 1_800_000_000;
pub const CALLBACK: &str = "https://app.example/cb";
/// RFC 7636 appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Time that stands still until it is moved.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    pub fn new() -> Self {
        Self(Arc::new(AtomicU64::new(START)))
    }

    pub fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Puts it forward or back, to these seconds since the epoch.
    pub fn set(&self, unix: u64) {
        self.0.store(unix, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.0.load(Ordering::SeqCst))
    }
}

/// A server, its store, its clock.
#[derive(Clone)]
pub struct Fixture {
    pub server: AuthorizationServer,
    pub store: Arc<MemoryStore>,
    pub clock: ManualClock,
}

/// What a token-like endpoint answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    pub json: Value,
}

impl Answer {
    pub fn text(&self, name: &str) -> &str {
        self.json[name].as_str().unwrap_or_else(|| panic!("no {name} in {:?}", self.json))
    }

    /// Asserts an error answer of RFC 6749 section 5.2.
    #[track_caller]
    pub fn is_refused(&self, status: u16, error: &str) {
        assert_eq!((self.status.as_u16(), self.json["error"].as_str()), (status, Some(error)), "{:?}", self.json);
        assert_eq!(self.headers["cache-control"], "no-store");
        assert!(self.json.get("access_token").is_none());
    }

    #[track_caller]
    pub fn is_ok(&self) -> &Self {
        assert_eq!(self.status, StatusCode::OK, "{:?}", self.json);
        self
    }
}

/// The metadata of the fixture's clients: code and refresh grants, scope `profile email`, one https redirect URI.
pub fn metadata(method: AuthMethod) -> ClientMetadata {
    ClientMetadata {
        redirect_uris: vec![CALLBACK.parse().unwrap()],
        token_endpoint_auth_method: method,
        grant_types: vec!["authorization_code".to_owned(), "refresh_token".to_owned()],
        scope: "profile email".parse().unwrap(),
        client_name: Some("The App".to_owned()),
        ..ClientMetadata::default()
    }
}

pub fn secret(id: &str) -> ClientSecret {
    ClientSecret::Digest(Digest::of(&format!("{id}-secret")))
}

pub fn confidential(id: &str, metadata: ClientMetadata) -> Client {
    Client::new(ClientId::from(id), Some(secret(id)), metadata).unwrap()
}

pub fn public(id: &str, metadata: ClientMetadata) -> Client {
    let metadata = ClientMetadata { token_endpoint_auth_method: AuthMethod::NONE, ..metadata };
    Client::new(ClientId::from(id), None, metadata).unwrap()
}

/// A client whose requests need no PKCE.
pub fn without_pkce(client: Client) -> Client {
    let policy = ClientPolicy { require_pkce: false, ..client.policy().clone() };
    client.with_policy(policy).unwrap()
}

/// `sec`, `sec2`, `pub`, `pub2`, `post`, `nopkce`, `native`, `cc`, `rs`: each with the secret `{id}-secret`.
pub fn clients() -> Vec<Client> {
    let basic = || metadata(AuthMethod::CLIENT_SECRET_BASIC);
    let native_uris = ["http://127.0.0.1/cb", "http://[::1]/cb", "http://localhost/cb", "com.example.app:/cb"];
    let native = ClientMetadata {
        redirect_uris: native_uris.iter().map(|uri| uri.parse().unwrap()).collect(),
        ..metadata(AuthMethod::NONE)
    };
    let machine =
        || ClientMetadata { grant_types: vec!["client_credentials".to_owned()], redirect_uris: Vec::new(), ..basic() };
    vec![
        confidential("sec", basic()),
        confidential("sec2", basic()),
        public("pub", basic()),
        public("pub2", basic()),
        confidential("post", metadata(AuthMethod::CLIENT_SECRET_POST)),
        without_pkce(confidential("nopkce", basic())),
        public("native", native),
        confidential("cc", machine()),
        confidential("rs", machine()),
    ]
}

/// A store that every part can use.
pub trait EveryStore:
    ClientStore + AuthorizationCodeStore + AccessTokenStore + RefreshTokenStore + ConsentStore
{
}

impl<S: ClientStore + AuthorizationCodeStore + AccessTokenStore + RefreshTokenStore + ConsentStore> EveryStore for S {}

/// The builder of the usual server: every grant, both endpoints, consent remembered.
pub fn builder<S: EveryStore>(issuer: &str, store: &Arc<S>, clock: &ManualClock) -> Builder<S> {
    builder_with(RefreshToken::rotating(), issuer, store, clock)
}

/// The builder of the usual server, with this refresh token grant.
pub fn builder_with<S: EveryStore>(
    refresh: RefreshToken,
    issuer: &str,
    store: &Arc<S>,
    clock: &ManualClock,
) -> Builder<S> {
    with_every_part(AuthorizationServer::builder(issuer, store.clone(), store.clone()), refresh, clock)
}

/// Every grant, both endpoints, consent remembered.
pub fn with_every_part<S: EveryStore>(builder: Builder<S>, refresh: RefreshToken, clock: &ManualClock) -> Builder<S> {
    builder
        .secret_keys(SecretKey::from_bytes([7; 32]), [])
        .grant(AuthorizationCode::new())
        .grant(refresh)
        .grant(ClientCredentials::new())
        .endpoint(Introspection::new().resource_server("rs"))
        .endpoint(Revocation::new())
        .remember_consent()
        .clock(clock.clone())
}

impl Fixture {
    pub fn new() -> Self {
        Self::with(|builder| builder)
    }

    /// The usual server, changed by `change`.
    pub fn with(change: impl FnOnce(Builder<MemoryStore>) -> Builder<MemoryStore>) -> Self {
        Self::made(|store, clock| change(builder(ISSUER, store, clock)))
    }

    /// The usual server, with this refresh token grant.
    pub fn refreshing(refresh: RefreshToken) -> Self {
        Self::made(|store, clock| builder_with(refresh, ISSUER, store, clock))
    }

    /// The server that `build` makes over the memory store or over a store that wraps it.
    pub fn made<S>(build: impl FnOnce(&Arc<MemoryStore>, &ManualClock) -> Builder<S>) -> Self {
        let (store, clock) = (Arc::new(MemoryStore::new()), ManualClock::new());
        for client in clients() {
            store.insert_client(client);
        }
        let server = build(&store, &clock).build().unwrap();
        Self { server, store, clock }
    }

    /// Another server over the same store and clock: the process after a restart, another replica, another issuer.
    pub fn over_the_same_store<S>(&self, build: impl FnOnce(&Arc<MemoryStore>, &ManualClock) -> Builder<S>) -> Self {
        let server = build(&self.store, &self.clock).build().unwrap();
        Self { server, ..self.clone() }
    }

    /// The whole store as text, to see that nothing changed.
    pub fn snapshot(&self) -> String {
        format!("{:?}", self.store)
    }

    pub async fn revoke(&self, selector: &Selector) -> usize {
        self.server.revoke_authorizations(selector).await.unwrap()
    }

    /// A login of `subject`, now.
    pub fn login(&self, subject: &str) -> Login {
        Login::new(subject, format!("session of {subject}"), self.clock.now())
    }

    /// GET at the authorization endpoint.
    pub async fn authorize(&self, params: &[(&str, &str)], login: Option<&Login>) -> Authorize {
        self.server.authorize(&get(&format!("/authorize?{}", encode(params))), login).await
    }

    /// The consent page that a request leads to.
    pub async fn consent(&self, params: &[(&str, &str)], login: &Login) -> Box<PendingConsent> {
        match self.authorize(params, Some(login)).await {
            Authorize::Consent(pending) => pending,
            other => panic!("no consent page: {other:?}"),
        }
    }

    /// The answer of the authorization endpoint where there is one at once.
    pub async fn respond(&self, params: &[(&str, &str)], login: Option<&Login>) -> Response<Bytes> {
        match self.authorize(params, login).await {
            Authorize::Respond(response) => response,
            other => panic!("no answer: {other:?}"),
        }
    }

    /// A code for `client`, approved by `alice`, with PKCE.
    pub async fn code(&self, client: &str) -> String {
        self.code_for(&code_request(client), "alice").await
    }

    /// A code for the request, approved by `subject`.
    pub async fn code_for(&self, params: &[(&str, &str)], subject: &str) -> String {
        let login = self.login(subject);
        let response = match self.authorize(params, Some(&login)).await {
            Authorize::Respond(response) => response,
            Authorize::Consent(pending) => self.server.decide(pending.ticket(), Some(&login), Decision::APPROVE).await,
            Authorize::Login(_) => panic!("a login was asked for"),
        };
        redirect_param(&response, "code").unwrap_or_else(|| panic!("no code in {:?}", response.headers()))
    }

    /// The tokens of a whole code flow of `client` and `alice`.
    pub async fn tokens(&self, client: &str) -> Answer {
        let code = self.code(client).await;
        let answer = self.redeem(client, &code).await;
        answer.is_ok();
        answer
    }

    /// Redeems a code as the usual request made it.
    pub async fn redeem(&self, client: &str, code: &str) -> Answer {
        self.token(client, &redemption(code)).await
    }

    pub async fn refresh(&self, client: &str, refresh_token: &str) -> Answer {
        self.token(client, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
    }

    /// POST at the token endpoint, authenticated as the client does it.
    pub async fn token(&self, client: &str, params: &[(&str, &str)]) -> Answer {
        self.post_as("/token", client, params).await
    }

    /// Whether introspection calls the token active, asked by the resource server.
    pub async fn is_active(&self, token: &str) -> bool {
        let answer = self.post_as("/introspect", "rs", &[("token", token)]).await;
        answer.is_ok().json["active"].as_bool().unwrap()
    }

    /// POST to an endpoint, authenticated as the client does it.
    pub async fn post_as(&self, path: &str, client: &str, params: &[(&str, &str)]) -> Answer {
        let secret = format!("{client}-secret");
        let mut params = params.to_vec();
        match client {
            "post" => params.extend([("client_id", client), ("client_secret", &secret)]),
            "pub" | "pub2" | "native" => params.push(("client_id", client)),
            _ => return self.send(post_basic(path, client, &secret, &params)).await,
        }
        self.send(post(path, &params)).await
    }

    /// Sends a request to the endpoints.
    pub async fn send(&self, request: Request<Bytes>) -> Answer {
        let response = self.server.endpoints().call(request).await;
        let (head, body) = response.into_parts();
        let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Answer { status: head.status, headers: head.headers, json }
    }
}

/// The usual authorization request.
pub fn code_request(client: &str) -> Vec<(&str, &str)> {
    let redirect_uri = if client == "native" { "http://127.0.0.1:4711/cb" } else { CALLBACK };
    vec![
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", redirect_uri),
        ("scope", "profile"),
        ("state", "xyz"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]
}

/// `params` with `name` set to `value`, or without it.
pub fn changed<'a>(params: &[(&'a str, &'a str)], name: &'a str, value: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    let mut changed: Vec<_> = params.iter().copied().filter(|(own, _)| *own != name).collect();
    changed.extend(value.map(|value| (name, value)));
    changed
}

/// The usual token request for a code.
pub fn redemption(code: &str) -> Vec<(&str, &str)> {
    vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)]
}

pub fn encode(params: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish()
}

pub fn get(uri: &str) -> Request<Bytes> {
    Request::builder().uri(uri).body(Bytes::new()).unwrap()
}

/// A form POST without an Authorization header.
pub fn post(path: &str, params: &[(&str, &str)]) -> Request<Bytes> {
    let request = Request::builder().method(Method::POST).uri(path);
    request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(encode(params).into()).unwrap()
}

/// A form POST with HTTP Basic; id and secret are form-encoded first (RFC 6749 section 2.3.1).
pub fn post_basic(path: &str, id: &str, secret: &str, params: &[(&str, &str)]) -> Request<Bytes> {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let credentials = STANDARD.encode(format!("{}:{}", encode(id), encode(secret)));
    let mut request = post(path, params);
    request.headers_mut().insert(AUTHORIZATION, format!("Basic {credentials}").parse().unwrap());
    request
}

/// Where a response leads.
#[track_caller]
pub fn location(response: &Response<Bytes>) -> &str {
    assert_eq!(response.status(), StatusCode::SEE_OTHER, "{}", String::from_utf8_lossy(response.body()));
    response.headers()[LOCATION].to_str().unwrap()
}

/// A parameter of the query or fragment that a response leads to.
pub fn redirect_param(response: &Response<Bytes>, name: &str) -> Option<String> {
    let location = url::Url::parse(response.headers().get(LOCATION)?.to_str().ok()?).ok()?;
    let params = location.query().or(location.fragment())?;
    url::form_urlencoded::parse(params.as_bytes()).find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
}

/// Asserts RE(error): a redirect to the registered URI with the error, `iss` and `state`, and without a code.
#[track_caller]
pub fn is_error_redirect(response: &Response<Bytes>, error: &str, state: Option<&str>) {
    assert!(location(response).starts_with(CALLBACK), "{}", location(response));
    assert_eq!(redirect_param(response, "error").as_deref(), Some(error), "{}", location(response));
    assert_eq!(redirect_param(response, "state").as_deref(), state);
    assert_eq!(redirect_param(response, "iss").as_deref(), Some(ISSUER));
    assert_eq!(redirect_param(response, "code"), None);
}

/// Asserts NR: an error page and no redirect.
#[track_caller]
pub fn is_error_page(response: &Response<Bytes>) {
    assert!(response.status().is_client_error(), "{}", response.status());
    assert!(!response.headers().contains_key(LOCATION));
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(response.headers()["content-security-policy"].to_str().unwrap().contains("frame-ancestors 'none'"));
}

/// A parameter of an authorization response, by whichever mode it travels.
pub fn response_param(response: &Response<Bytes>, name: &str) -> Option<String> {
    if response.headers().contains_key(LOCATION) {
        return redirect_param(response, name);
    }
    let page = std::str::from_utf8(response.body()).ok()?;
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\""))?;
    let value = rest.split('"').next()?;
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    Some(entities.iter().fold(value.to_owned(), |text, (entity, plain)| text.replace(entity, plain)))
}

/// Asserts that every header is visible ASCII with single spaces in between.
#[track_caller]
pub fn has_clean_headers(headers: &http::HeaderMap) {
    for (name, value) in headers {
        assert!(value.as_bytes().iter().all(|byte| matches!(byte, 0x20..=0x7e)), "{name}: {value:?}");
    }
}
