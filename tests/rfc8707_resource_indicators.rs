//! Resource indicators (RFC 8707): a request names whom its tokens are for, the host says who may.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use common::*;
use grantwell::extensions::{Resource, ResourceIndicators, ResourcePolicy, ResourceRequest, ResourceTerms};
use grantwell::grants::legacy::{Implicit, Password, PasswordVerifier};
use grantwell::issue::{Claims, TokenFormat};
use grantwell::model::{AccessTokenFormat, AuthMethod, Client, ClientMetadata};
use grantwell::{AuthorizationServer, Authorize, Context, Decision, Error, Introspection, Login, Secret, StorageError};
use serde_json::{Value, json};

/// For every client, with the scope `profile`.
const API: &str = "https://api.example/";
/// For every client, with the scope `email`.
const FILES: &str = "https://files.example/v1";
/// For every client, with the scope `profile` again.
const WIKI: &str = "https://wiki.example/";
/// For the client `cc`.
const LEDGER: &str = "urn:example:ledger";

fn resource(uri: &str) -> Resource {
    Resource::new(uri.parse().unwrap())
}

fn resources() -> Vec<Resource> {
    vec![
        resource(API).scope("profile".parse().unwrap()),
        resource(FILES).scope("email".parse().unwrap()),
        resource(LEDGER).clients(["cc"]),
        resource(WIKI).scope("profile".parse().unwrap()),
    ]
}

fn protected() -> Fixture {
    Fixture::with(|builder| builder.extension(ResourceIndicators::of(resources())))
}

/// `params` with these resources named.
fn naming<'a>(params: &[(&'a str, &'a str)], resources: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    params.iter().copied().chain(resources.iter().map(|uri| ("resource", *uri))).collect()
}

/// The authorization request of `sec` for the scope `profile email`.
fn asking_for<'a>(resources: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    naming(&changed(&code_request("sec"), "scope", Some("profile email")), resources)
}

fn refreshing<'a>(tokens: &'a Answer, resources: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    naming(&[("grant_type", "refresh_token"), ("refresh_token", tokens.text("refresh_token"))], resources)
}

const MACHINE: [(&str, &str); 1] = [("grant_type", "client_credentials")];

/// A code of `sec` for these resources, approved by alice.
async fn code(fixture: &Fixture, resources: &[&str]) -> String {
    fixture.code_for(&asking_for(resources), "alice").await
}

/// The tokens of a flow of `sec` and alice that names these resources at first.
async fn tokens(fixture: &Fixture, resources: &[&str]) -> Answer {
    let answer = fixture.redeem("sec", &code(fixture, resources).await).await;
    answer.is_ok();
    answer
}

/// `aud` and scope of the access token, as a resource server is told them.
async fn told(fixture: &Fixture, access_token: &str) -> (Value, String) {
    let answer = fixture.post_as("/introspect", "rs", &[("token", access_token)]).await;
    (answer.json["aud"].clone(), answer.text("scope").to_owned())
}

/// Asserts whom the answer's token is for, and with what scope, which the client is told too.
async fn is_for(fixture: &Fixture, answer: &Answer, aud: Value, scope: &str) {
    let told = told(fixture, answer.is_ok().text("access_token")).await;
    assert_eq!((told, answer.text("scope")), ((aud, scope.to_owned()), scope));
}

async fn is_refused_at_once(fixture: &Fixture, request: &[(&str, &str)], error: &str) {
    is_error_redirect(&fixture.respond(request, Some(&fixture.login("alice"))).await, error, Some("xyz"));
}

/// A rule that the test changes; `None`: it cannot be asked.
#[derive(Clone)]
struct Changing(Arc<Mutex<Option<Vec<Resource>>>>);

impl Changing {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Some(resources()))))
    }

    fn set(&self, resources: Option<Vec<Resource>>) {
        *self.0.lock().unwrap() = resources;
    }
}

#[async_trait]
impl ResourcePolicy for Changing {
    async fn review(&self, request: &ResourceRequest<'_>) -> Result<Option<ResourceTerms>, StorageError> {
        let resources = self.0.lock().unwrap().clone();
        resources.ok_or(StorageError::new("the directory does not answer"))?.review(request).await
    }
}

fn changing() -> (Fixture, Changing) {
    let rule = Changing::new();
    (Fixture::with(|builder| builder.extension(ResourceIndicators::new(rule.clone()))), rule)
}

/// Nothing is said of any resource.
struct Silent;

impl ResourcePolicy for Silent {}

#[tokio::test]
async fn without_a_policy_and_by_one_that_says_nothing_every_resource_is_refused() {
    for fixture in [Fixture::new(), Fixture::with(|builder| builder.extension(ResourceIndicators::new(Silent)))] {
        is_refused_at_once(&fixture, &asking_for(&[API]), "invalid_target").await;
        fixture.token("cc", &naming(&MACHINE, &[API])).await.is_refused(400, "invalid_target");
        let code = fixture.code("sec").await;
        fixture.token("sec", &naming(&redemption(&code), &[API])).await.is_refused(400, "invalid_target");
        let tokens = fixture.redeem("sec", &code).await;
        fixture.token("sec", &refreshing(&tokens, &[API])).await.is_refused(400, "invalid_target");
        let refreshed = fixture.token("sec", &refreshing(&tokens, &[])).await;
        is_for(&fixture, &refreshed, Value::Null, "profile").await;
    }
}

#[tokio::test]
async fn a_resource_that_is_not_listed_or_is_anothers_is_refused() {
    let fixture = protected();
    for (uri, is_listed) in [
        (API, true),
        ("https://api.example", true),
        ("https://api.example//", false),
        ("https://api.example/?", false),
        ("https://API.example/", false),
        ("http://api.example/", false),
        ("https://api.example/v1", false),
        (FILES, true),
        ("https://files.example/v1/", false),
        ("https://files.example/", false),
    ] {
        let answer = fixture.token("cc", &naming(&MACHINE, &[uri])).await;
        match is_listed {
            true => _ = answer.is_ok(),
            false => answer.is_refused(400, "invalid_target"),
        }
    }
    for other in ["https://files.example/v1/", "https://files.example/", LEDGER] {
        is_refused_at_once(&fixture, &asking_for(&[API, other]), "invalid_target").await;
    }
    fixture.token("rs", &naming(&MACHINE, &[LEDGER])).await.is_refused(400, "invalid_target");
}

/// Knows every resource, as it is named.
struct Everything;

#[async_trait]
impl ResourcePolicy for Everything {
    async fn review(&self, request: &ResourceRequest<'_>) -> Result<Option<ResourceTerms>, StorageError> {
        Ok(Some(ResourceTerms::new(request.resource.clone())))
    }
}

#[tokio::test]
async fn a_resource_is_named_by_an_absolute_uri_without_a_fragment() {
    let fixture = Fixture::with(|builder| builder.extension(ResourceIndicators::new(Everything)));
    let (longest, too_long) = (format!("urn:{}", "x".repeat(508)), format!("urn:{}", "x".repeat(509)));
    let absolute = [
        API,
        FILES,
        LEDGER,
        "https://api.example",
        "https://api.example:8443/a%2Fb/?tenant=1&x=[y]",
        "http://[::1]:9000/",
        "api+v1.x-y:z",
        &longest,
    ];
    for uri in absolute {
        let answer = fixture.token("cc", &naming(&MACHINE, &[uri])).await;
        is_for(&fixture, &answer, json!([uri]), "profile email").await;
    }
    let bad = [
        "api",
        "/api",
        "//api.example/",
        "https:",
        ":x",
        "1https://api.example/",
        "ht_tps://api.example/",
        "https://api.example/#",
        "https://api.example/#x",
        "https://api.example/a b",
        "https://api.example/\n",
        "https://api.example/\0",
        "https://api.example/é",
        "https://api.example/<x>",
        "https://api.example/\"",
        "https://api.example\\x",
        "https://api.example/%",
        "https://api.example/%4",
        "https://api.example/%zz",
        " https://api.example/",
        &too_long,
    ];
    for uri in bad {
        fixture.token("cc", &naming(&MACHINE, &[uri])).await.is_refused(400, "invalid_target");
        fixture.token("cc", &naming(&MACHINE, &[API, uri])).await.is_refused(400, "invalid_target");
        is_refused_at_once(&fixture, &asking_for(&[uri]), "invalid_target").await;
    }
    let empty = fixture.token("cc", &naming(&MACHINE, &[""])).await;
    is_for(&fixture, &empty, Value::Null, "profile email").await;
}

#[tokio::test]
async fn a_request_names_at_most_eight_resources() {
    let fixture = Fixture::with(|builder| builder.extension(ResourceIndicators::new(Everything)));
    let uris: Vec<String> = (0..200).map(|number| format!("urn:{number}")).collect();
    let uris: Vec<&str> = uris.iter().map(String::as_str).collect();
    for (number, is_allowed) in [(8, true), (9, false), (200, false)] {
        let answer = fixture.token("cc", &naming(&MACHINE, &uris[..number])).await;
        if is_allowed {
            is_for(&fixture, &answer, json!(uris[..number]), "profile email").await;
            assert_eq!(fixture.consent(&asking_for(&uris[..8]), &fixture.login("alice")).await.resources(), &uris[..8]);
        } else {
            answer.is_refused(400, "invalid_target");
            is_refused_at_once(&fixture, &asking_for(&uris[..number]), "invalid_target").await;
        }
    }
}

#[tokio::test]
async fn tokens_are_for_what_the_authorization_request_named() {
    let fixture = protected();
    for (named, aud, scope) in [
        (&[API][..], json!([API]), "profile"),
        (&["https://api.example"], json!([API]), "profile"),
        (&[WIKI, "https://api.example", API, WIKI], json!([WIKI, API]), "profile"),
        (&[], Value::Null, "profile email"),
    ] {
        let first = tokens(&fixture, named).await;
        is_for(&fixture, &first, aud.clone(), scope).await;
        let refreshed = fixture.token("sec", &refreshing(&first, &[])).await;
        is_for(&fixture, &refreshed, aud.clone(), scope).await;
        let of_refresh = [("token", refreshed.text("refresh_token"))];
        assert_eq!(fixture.post_as("/introspect", "sec", &of_refresh).await.json["aud"], aud);
    }
}

#[tokio::test]
async fn a_client_that_names_its_resource_at_both_endpoints_gets_its_token() {
    let fixture = protected();
    for named in [API, "https://api.example"] {
        let code = fixture.code_for(&naming(&code_request("pub"), &[named]), "alice").await;
        let first = fixture.token("pub", &naming(&redemption(&code), &[named])).await;
        is_for(&fixture, &first, json!([API]), "profile").await;
        let refreshed = fixture.token("pub", &refreshing(&first, &[named])).await;
        is_for(&fixture, &refreshed, json!([API]), "profile").await;
    }
}

#[tokio::test]
async fn a_redemption_may_narrow_and_never_widens() {
    let fixture = protected();
    let code_for_one = code(&fixture, &[API]).await;
    let before = fixture.snapshot();
    for wider in [&[FILES][..], &[API, FILES], &[LEDGER], &["https://unknown.example/"]] {
        fixture.token("sec", &naming(&redemption(&code_for_one), wider)).await.is_refused(400, "invalid_target");
    }
    assert_eq!(fixture.snapshot(), before);
    is_for(&fixture, &fixture.redeem("sec", &code_for_one).await, json!([API]), "profile").await;

    let code_for_two = code(&fixture, &[API, WIKI]).await;
    let narrowed = fixture.token("sec", &naming(&redemption(&code_for_two), &[WIKI])).await;
    is_for(&fixture, &narrowed, json!([WIKI]), "profile").await;
    let all = fixture.token("sec", &refreshing(&narrowed, &[])).await;
    is_for(&fixture, &all, json!([API, WIKI]), "profile").await;
}

#[tokio::test]
async fn no_token_lets_one_resource_take_the_scope_of_another() {
    let fixture = protected();
    let code = code(&fixture, &[API, FILES]).await;
    let before = fixture.snapshot();
    for named in [&[][..], &[FILES, API]] {
        let answer = fixture.token("sec", &naming(&redemption(&code), named)).await;
        answer.is_refused(400, "invalid_target");
        assert!(answer.text("error_description").contains("name one of them"));
    }
    assert_eq!(fixture.snapshot(), before);
    let first = fixture.token("sec", &naming(&redemption(&code), &[API])).await;
    is_for(&fixture, &first, json!([API]), "profile").await;
    fixture.token("sec", &refreshing(&first, &[])).await.is_refused(400, "invalid_target");
    let second = fixture.token("sec", &refreshing(&first, &[FILES])).await;
    is_for(&fixture, &second, json!([FILES]), "email").await;
    fixture.token("cc", &naming(&MACHINE, &[API, FILES])).await.is_refused(400, "invalid_target");
}

#[tokio::test]
async fn each_refresh_narrows_for_itself() {
    let fixture = protected();
    let code = code(&fixture, &[API, FILES, WIKI]).await;
    let mut latest = fixture.token("sec", &naming(&redemption(&code), &[WIKI])).await;
    for (named, aud, scope) in [
        (&[API][..], json!([API]), "profile"),
        (&[FILES], json!([FILES]), "email"),
        (&[WIKI, API], json!([WIKI, API]), "profile"),
    ] {
        fixture
            .token("sec", &refreshing(&latest, &[named, &[LEDGER]].concat()))
            .await
            .is_refused(400, "invalid_target");
        latest = fixture.token("sec", &refreshing(&latest, named)).await;
        is_for(&fixture, &latest, aud, scope).await;
    }
    let other_scope = changed(&refreshing(&latest, &[API]), "scope", Some("email"));
    fixture.token("sec", &other_scope).await.is_refused(400, "invalid_scope");
}

#[tokio::test]
async fn an_authorization_that_named_nothing_is_not_widened() {
    let fixture = protected();
    let code = code(&fixture, &[]).await;
    fixture.token("sec", &naming(&redemption(&code), &[API])).await.is_refused(400, "invalid_target");
    let tokens = fixture.redeem("sec", &code).await;
    fixture.token("sec", &refreshing(&tokens, &[API])).await.is_refused(400, "invalid_target");
    is_for(&fixture, &fixture.token("sec", &refreshing(&tokens, &[])).await, Value::Null, "profile email").await;
}

#[tokio::test]
async fn a_replay_or_reuse_for_another_resource_revokes_nothing() {
    let fixture = protected();
    let code = code(&fixture, &[API]).await;
    let first = fixture.redeem("sec", &code).await;
    let second = fixture.token("sec", &refreshing(&first, &[])).await;
    fixture.clock.advance(600);
    fixture.token("sec", &naming(&redemption(&code), &[FILES])).await.is_refused(400, "invalid_target");
    fixture.token("sec", &refreshing(&first, &[FILES])).await.is_refused(400, "invalid_target");
    assert!(fixture.is_active(second.text("access_token")).await);
    fixture.token("sec", &refreshing(&first, &[API])).await.is_refused(400, "invalid_grant");
    assert!(!fixture.is_active(second.text("access_token")).await);
}

#[tokio::test]
async fn the_scope_is_what_the_resources_take() {
    let fixture = Fixture::with(|builder| {
        let unlimited = resource("https://all.example/");
        builder.extension(ResourceIndicators::of([resources(), vec![unlimited]].concat()))
    });
    let scope = "profile email openid offline_access".parse().unwrap();
    fixture
        .store
        .insert_client(confidential("wide", ClientMetadata { scope, ..metadata(AuthMethod::CLIENT_SECRET_BASIC) }));
    for (asked, named, granted) in [
        (Some("profile email"), &[API][..], Some("profile")),
        (None, &[FILES], Some("email openid offline_access")),
        (Some("email"), &[API], None),
        (Some("profile"), &[API, "https://all.example/"], Some("profile")),
        (Some("openid email"), &[API], Some("openid")),
        (Some("openid"), &[API, FILES], Some("openid")),
        (Some("offline_access profile email"), &[API], Some("offline_access profile")),
    ] {
        let request = changed(&naming(&code_request("wide"), named), "scope", asked);
        let Some(granted) = granted else {
            is_refused_at_once(&fixture, &request, "invalid_scope").await;
            continue;
        };
        assert!(matches!(fixture.authorize(&request, None).await, Authorize::Login(_)));
        let code = fixture.code_for(&request, "alice").await;
        assert_eq!(fixture.redeem("wide", &code).await.is_ok().text("scope"), granted);
    }
}

#[tokio::test]
async fn what_the_user_refused_is_not_there_for_any_resource() {
    let fixture = protected();
    let login = fixture.login("alice");
    let pending = fixture.consent(&asking_for(&[API, FILES]), &login).await;
    assert_eq!(
        (pending.resources(), pending.scopes().as_str()),
        (&[API.to_owned(), FILES.to_owned()][..], "profile email")
    );
    let narrow = Decision::Approve { scope: Some("profile".parse().unwrap()), remember: false };
    let response = fixture.server.decide(pending.ticket(), Some(&login), narrow).await;
    let code = redirect_param(&response, "code").unwrap();
    fixture.token("sec", &naming(&redemption(&code), &[FILES])).await.is_refused(400, "invalid_scope");
    let tokens = fixture.token("sec", &naming(&redemption(&code), &[API])).await;
    is_for(&fixture, &tokens, json!([API]), "profile").await;
}

#[tokio::test]
async fn for_a_client_that_acts_for_itself_the_policy_alone_decides() {
    let fixture = protected();
    for (named, aud, scope) in [
        (&[LEDGER][..], json!([LEDGER]), "profile email"),
        (&[API, WIKI, API], json!([API, WIKI]), "profile"),
        (&[API], json!([API]), "profile"),
        (&[], Value::Null, "profile email"),
    ] {
        is_for(&fixture, &fixture.token("cc", &naming(&MACHINE, named)).await, aud, scope).await;
    }
    let email = changed(&naming(&MACHINE, &[API]), "scope", Some("email"));
    fixture.token("cc", &email).await.is_refused(400, "invalid_scope");
}

/// Tokens that can be told from opaque ones.
struct Plain;

#[async_trait]
impl TokenFormat for Plain {
    async fn mint(&self, context: &Context, _: &Claims<'_>) -> Result<Secret, Error> {
        Ok(Secret::new(format!("plain.{}", u64::from_be_bytes(context.random()))))
    }
}

#[tokio::test]
async fn a_resource_may_say_which_form_of_token_it_takes() {
    let (opaque, signed, any) = ("https://opaque.example/", "https://signed.example/", "https://any.example/");
    let resources = [
        resource(opaque).token_format(AccessTokenFormat::Opaque),
        resource(signed).token_format(AccessTokenFormat::Jwt),
        resource(any),
    ];
    let fixture = Fixture::with(|builder| builder.token_format(Plain).extension(ResourceIndicators::of(resources)));
    let is_plain = |answer: &Answer| answer.is_ok().text("access_token").starts_with("plain.");
    for (named, plain) in [(&[opaque][..], false), (&[any], true), (&[any, opaque], false), (&[], true)] {
        assert_eq!(is_plain(&fixture.token("cc", &naming(&MACHINE, named)).await), plain, "{named:?}");
    }
    fixture.token("cc", &naming(&MACHINE, &[opaque, any, signed])).await.is_refused(400, "invalid_target");

    let code = fixture.code_for(&naming(&code_request("sec"), &[opaque, signed, any]), "alice").await;
    fixture.redeem("sec", &code).await.is_refused(400, "invalid_target");
    let tokens = fixture.token("sec", &naming(&redemption(&code), &[any])).await;
    assert!(is_plain(&tokens));
    fixture.token("sec", &refreshing(&tokens, &[])).await.is_refused(400, "invalid_target");
    assert!(!is_plain(&fixture.token("sec", &refreshing(&tokens, &[opaque])).await));
}

#[tokio::test]
async fn a_token_of_the_implicit_grant_is_for_the_resources_of_its_request() {
    let resources = [
        resource(API).scope("profile".parse().unwrap()).token_format(AccessTokenFormat::Opaque),
        resource(FILES).token_format(AccessTokenFormat::Jwt),
        resource("https://all.example/"),
    ];
    let fixture = Fixture::with(|builder| {
        builder.grant(Implicit::new()).token_format(Plain).extension(ResourceIndicators::of(resources))
    });
    let spa = ClientMetadata {
        grant_types: vec!["implicit".to_owned()],
        response_types: vec!["token".to_owned()],
        ..metadata(AuthMethod::NONE)
    };
    fixture.store.insert_client(public("spa", spa));
    let request = changed(&asking_for(&["https://api.example"]), "client_id", Some("spa"));
    let request = changed(&request, "response_type", Some("token"));
    let login = fixture.login("alice");
    let pending = fixture.consent(&request, &login).await;
    let response = fixture.server.decide(pending.ticket(), Some(&login), Decision::APPROVE).await;
    let token = redirect_param(&response, "access_token").unwrap();
    assert_eq!(told(&fixture, &token).await, (json!([API]), "profile".to_owned()));
    assert!(!token.starts_with("plain."));
    is_refused_at_once(&fixture, &naming(&request, &[FILES]), "invalid_target").await;
    is_refused_at_once(&fixture, &naming(&request, &["https://all.example/"]), "invalid_target").await;
    let narrower = changed(&naming(&request, &["https://all.example/"]), "scope", Some("profile"));
    assert_eq!(fixture.consent(&narrower, &login).await.scopes().as_str(), "profile");
}

struct AnyPassword;

#[async_trait]
impl PasswordVerifier for AnyPassword {
    async fn verify(&self, username: &str, _: &Secret, _: &Client) -> Result<Option<Login>, StorageError> {
        Ok(Some(Login::without_session(username, grantwell::Timestamp::from_unix(START))))
    }
}

#[tokio::test]
async fn a_grant_that_makes_its_authorization_at_the_token_endpoint_names_its_resources_there() {
    let fixture = Fixture::with(|builder| {
        builder.grant(Password::new(AnyPassword)).extension(ResourceIndicators::of(resources()))
    });
    let mut own = metadata(AuthMethod::CLIENT_SECRET_BASIC);
    own.grant_types.push("password".to_owned());
    fixture.store.insert_client(confidential("legacy", own));
    let request = [("grant_type", "password"), ("username", "alice"), ("password", "x"), ("scope", "profile email")];
    let first = fixture.token("legacy", &naming(&request, &["https://api.example", WIKI])).await;
    is_for(&fixture, &first, json!([API, WIKI]), "profile").await;
    let narrowed = fixture.token("legacy", &refreshing(&first, &[API])).await;
    is_for(&fixture, &narrowed, json!([API]), "profile").await;
    let all = fixture.token("legacy", &refreshing(&narrowed, &[])).await;
    is_for(&fixture, &all, json!([API, WIKI]), "profile").await;
    fixture.token("legacy", &naming(&request, &[API, FILES])).await.is_refused(400, "invalid_target");
    fixture.token("legacy", &naming(&request, &[LEDGER])).await.is_refused(400, "invalid_target");

    let unnamed = fixture.token("legacy", &request).await;
    fixture.token("legacy", &refreshing(&unnamed, &[API])).await.is_refused(400, "invalid_target");
}

#[tokio::test]
async fn a_policy_that_cannot_be_asked_is_not_now() {
    let (fixture, rule) = changing();
    let code = code(&fixture, &[API]).await;
    let tokens = tokens(&fixture, &[API]).await;
    rule.set(None);
    let before = fixture.snapshot();
    is_refused_at_once(&fixture, &asking_for(&[API]), "temporarily_unavailable").await;
    let requests = [redemption(&code), naming(&redemption(&code), &[API]), refreshing(&tokens, &[])];
    for request in &requests {
        let answer = fixture.token("sec", request).await;
        answer.is_refused(503, "temporarily_unavailable");
        assert_eq!(answer.headers["retry-after"], "1");
    }
    fixture.token("cc", &naming(&MACHINE, &[API])).await.is_refused(503, "temporarily_unavailable");
    assert_eq!(fixture.snapshot(), before);
    fixture.token("cc", &MACHINE).await.is_ok();
    rule.set(Some(resources()));
    fixture.redeem("sec", &code).await.is_ok();
    fixture.token("sec", &refreshing(&tokens, &[])).await.is_ok();
}

#[tokio::test]
async fn a_resource_that_is_withdrawn_is_left_out_and_comes_back() {
    let (fixture, rule) = changing();
    let codes = [code(&fixture, &[API]).await, code(&fixture, &[API, FILES]).await];
    let tokens = fixture.token("sec", &naming(&redemption(&code(&fixture, &[API, FILES]).await), &[API])).await;
    rule.set(Some(vec![resources().remove(1)]));
    fixture.redeem("sec", &codes[0]).await.is_refused(400, "invalid_target");
    fixture.token("sec", &naming(&redemption(&codes[1]), &[API])).await.is_refused(400, "invalid_target");
    is_for(&fixture, &fixture.redeem("sec", &codes[1]).await, json!([FILES]), "email").await;
    fixture.token("sec", &refreshing(&tokens, &[API])).await.is_refused(400, "invalid_target");
    let tokens = fixture.token("sec", &refreshing(&tokens, &[])).await;
    is_for(&fixture, &tokens, json!([FILES]), "email").await;
    rule.set(Some(resources()));
    is_for(&fixture, &fixture.redeem("sec", &codes[0]).await, json!([API]), "profile").await;
    fixture.token("sec", &refreshing(&tokens, &[])).await.is_refused(400, "invalid_target");
    is_for(&fixture, &fixture.token("sec", &refreshing(&tokens, &[API])).await, json!([API]), "profile").await;
}

/// Only users whose name begins with `a` have the resource.
struct ByUser;

#[async_trait]
impl ResourcePolicy for ByUser {
    async fn review(&self, request: &ResourceRequest<'_>) -> Result<Option<ResourceTerms>, StorageError> {
        let is_open = request.subject.is_none_or(|subject| subject.as_str().starts_with('a'));
        Ok(is_open.then(|| ResourceTerms::new(request.resource.clone())))
    }
}

#[tokio::test]
async fn the_policy_knows_the_user_at_the_token_endpoint() {
    let fixture = Fixture::with(|builder| builder.extension(ResourceIndicators::new(ByUser)));
    for (user, is_open) in [("alice", true), ("bob", false)] {
        let code = fixture.code_for(&asking_for(&[API]), user).await;
        let answer = fixture.redeem("sec", &code).await;
        match is_open {
            true => _ = answer.is_ok(),
            false => answer.is_refused(400, "invalid_target"),
        }
    }
}

#[tokio::test]
async fn within_the_grace_resources_in_another_order_are_the_same_request() {
    let fixture = protected();
    let first = tokens(&fixture, &[API, WIKI]).await;
    let second = fixture.token("sec", &refreshing(&first, &[API, WIKI])).await;
    for same in [&[API, WIKI][..], &[WIKI, API], &[WIKI, API, WIKI]] {
        let again = fixture.token("sec", &refreshing(&first, same)).await;
        assert_eq!(again.is_ok().text("refresh_token"), second.text("refresh_token"));
    }
    for other in [&[API][..], &[]] {
        fixture.token("sec", &refreshing(&first, other)).await.is_refused(400, "invalid_grant");
    }
}

#[tokio::test]
async fn consent_is_remembered_for_its_resources() {
    let fixture = protected();
    let login = fixture.login("alice");
    let asks = async |named: &[&str]| match fixture.authorize(&asking_for(named), Some(&login)).await {
        Authorize::Consent(_) => true,
        Authorize::Respond(response) => redirect_param(&response, "code").is_none(),
        Authorize::Login(_) => panic!("a login was asked for"),
    };
    code(&fixture, &[API, FILES]).await;
    assert!(!asks(&[FILES, API]).await);
    assert!(!asks(&["https://api.example"]).await);
    assert!(asks(&[]).await, "no resource named is another request");

    code(&fixture, &[]).await;
    assert!(!asks(&[]).await);
    assert!(asks(&[API]).await, "the newer consent is of no resource");

    let narrow = async |named: &[&str], scope: &str| {
        let request = changed(&asking_for(named), "prompt", Some("consent"));
        let pending = fixture.consent(&changed(&request, "scope", Some(scope)), &login).await;
        let _ = fixture.server.decide(pending.ticket(), Some(&login), Decision::APPROVE).await;
    };
    narrow(&[API, FILES], "profile").await;
    assert!(asks(&[API, FILES]).await, "the scope of another consent does not count");
    narrow(&[FILES, API], "email").await;
    assert!(!asks(&[API, FILES]).await, "the scopes for the same resources add up");
}

#[tokio::test]
async fn a_decision_about_other_resources_than_were_shown_restarts_the_request() {
    let (fixture, rule) = changing();
    let login = fixture.login("alice");
    let pending = fixture.consent(&asking_for(&["https://api.example"]), &login).await;
    let renamed = resource("https://api.example").scope("profile".parse().unwrap());
    rule.set(Some(vec![renamed]));
    let response = fixture.server.decide(pending.ticket(), Some(&login), Decision::APPROVE).await;
    assert!(location(&response).contains("/authorize?") && location(&response).contains("resource="));
    rule.set(Some(Vec::new()));
    let response = fixture.server.decide(pending.ticket(), Some(&login), Decision::APPROVE).await;
    is_error_redirect(&response, "invalid_target", Some("xyz"));
    rule.set(Some(resources()));
    let response = fixture.server.decide(pending.ticket(), Some(&login), Decision::APPROVE).await;
    let tokens = fixture.redeem("sec", &redirect_param(&response, "code").unwrap()).await;
    is_for(&fixture, &tokens, json!([API]), "profile").await;
}

#[tokio::test]
async fn a_resource_server_is_shown_the_tokens_of_its_resources_and_told_of_no_others() {
    let fixture = protected();
    let asked = fixture.over_the_same_store(|store, clock| {
        AuthorizationServer::builder(ISSUER, store.clone(), store.clone())
            .endpoint(Introspection::new().resource_server("rs").resource_server_for("sec2", [API]))
            .clock(clock.clone())
    });
    let both = tokens(&fixture, &[API, WIKI]).await;
    let [api, wiki] = [tokens(&fixture, &[API]).await, tokens(&fixture, &[WIKI]).await];
    let [api, wiki] = [&api, &wiki].map(|answer| answer.text("access_token"));
    let plain = fixture.tokens("sec").await;
    for (asks, token, expected) in [
        ("sec2", both.text("access_token"), Some(json!([API]))),
        ("sec2", api, Some(json!([API]))),
        ("sec2", wiki, None),
        ("sec2", plain.text("access_token"), Some(Value::Null)),
        ("rs", wiki, Some(json!([WIKI]))),
        ("sec", both.text("access_token"), Some(json!([API, WIKI]))),
        ("nopkce", both.text("access_token"), None),
    ] {
        let answer = asked.post_as("/introspect", asks, &[("token", token)]).await;
        match expected {
            Some(aud) => assert_eq!((&answer.json["active"], &answer.json["aud"]), (&json!(true), &aud), "{asks}"),
            None => assert_eq!(answer.json, json!({ "active": false }), "{asks}"),
        }
    }
}
