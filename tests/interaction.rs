//! What the host does next: login, consent, the ticket, `prompt` and `max_age` (OpenID Connect Core section 3.1.2).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use bytes::Bytes;
use common::*;
use grantwell::model::{AuthMethod, ClientMetadata};
use grantwell::storage::PurgeStore as _;
use grantwell::{Authorize, Clock as _, Decision, Login, PendingLogin, SecretKey};
use http::{Response, StatusCode};

/// What `params` leads to when it is not a login, under a name.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Login,
    Consent,
    Code,
    Error(String),
}

async fn next(fixture: &Fixture, url: &str, login: Option<&Login>) -> Next {
    match fixture.server.authorize(&get(url), login).await {
        Authorize::Login(_) => Next::Login,
        Authorize::Consent(_) => Next::Consent,
        Authorize::Respond(response) => match response_param(&response, "error") {
            Some(error) => Next::Error(error),
            None => {
                assert!(response_param(&response, "code").is_some(), "{response:?}");
                Next::Code
            }
        },
    }
}

async fn asked(fixture: &Fixture, params: &[(&str, &str)], login: Option<&Login>) -> Next {
    next(fixture, &format!("/authorize?{}", encode(params)), login).await
}

async fn login_page(fixture: &Fixture, params: &[(&str, &str)], login: Option<&Login>) -> PendingLogin {
    match fixture.authorize(params, login).await {
        Authorize::Login(pending) => pending,
        other => panic!("no login page: {other:?}"),
    }
}

fn error(code: &str) -> Next {
    Next::Error(code.to_owned())
}

fn with<'a>(params: &[(&'a str, &'a str)], name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    changed(params, name, Some(value))
}

fn approve(scope: &str) -> Decision {
    Decision::Approve { scope: Some(scope.parse().unwrap()), remember: false }
}

const APPROVE_ONCE: Decision = Decision::Approve { scope: None, remember: false };

fn query_of(url: &str) -> Vec<(String, String)> {
    let (_, query) = url.split_once('?').unwrap();
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn owned(params: &[(&str, &str)]) -> Vec<(String, String)> {
    params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A 303 to the authorization endpoint of the host.
#[track_caller]
fn starts_again(response: &Response<Bytes>, params: &[(&str, &str)]) {
    assert!(location(response).starts_with("/authorize?"), "{}", location(response));
    assert_eq!(query_of(location(response)), owned(params));
}

#[tokio::test]
async fn a_login_leads_back_to_the_very_same_request() {
    let fixture = Fixture::new();
    let request = with(&code_request("sec"), "state", "a b&c=%41+<\"'>#?/");
    let mut sent = with(&request, "login_hint", "alice@example.com");
    sent.extend([("foo", "bar"), ("nonce", "n")]);
    let pending = login_page(&fixture, &sent, None).await;
    assert!(pending.resume_url().starts_with("/authorize?"));
    assert_eq!(query_of(pending.resume_url()), owned(&with(&request, "login_hint", "alice@example.com")));
    assert_eq!(pending.client().id().as_str(), "sec");
    assert_eq!(pending.login_hint(), Some("alice@example.com"));
    assert!(!pending.selects_account());
    assert_eq!(next(&fixture, pending.resume_url(), None).await, Next::Login);
    let login = fixture.login("alice");
    assert_eq!(next(&fixture, pending.resume_url(), Some(&login)).await, Next::Consent);
    let post = post("/authorize", &request);
    let Authorize::Login(of_post) = fixture.server.authorize(&post, None).await else { panic!("no login page") };
    assert_eq!(query_of(of_post.resume_url()), owned(&request));
}

#[tokio::test]
async fn the_way_back_is_below_the_base_url() {
    let fixture = Fixture::with(|b| b.base_url("https://as.example/oauth/").authorization_path("/auth"));
    let pending = login_page(&fixture, &code_request("sec"), None).await;
    assert!(pending.resume_url().starts_with("/oauth/auth?"), "{}", pending.resume_url());
}

#[tokio::test]
async fn the_consent_page_names_client_scope_and_host() {
    let fixture = Fixture::new();
    let pending = fixture.consent(&code_request("sec"), &fixture.login("alice")).await;
    assert_eq!(pending.client().metadata().client_name.as_deref(), Some("The App"));
    assert_eq!(pending.scopes().as_str(), "profile");
    assert_eq!(pending.redirect_host(), "app.example");
    assert_eq!(pending.request().target.redirect_uri.as_str(), CALLBACK);
    let request = with(&code_request("native"), "redirect_uri", "com.example.app:/cb");
    let pending = fixture.consent(&request, &fixture.login("alice")).await;
    assert_eq!(pending.redirect_host(), "com.example.app");
}

#[tokio::test]
async fn approval_may_narrow_and_never_widens() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    for (asked, decision, granted) in [
        ("profile email", APPROVE_ONCE, Some("profile email")),
        ("profile email", approve("profile"), Some("profile")),
        ("profile email", approve("email profile admin"), Some("profile email")),
        ("profile", approve("profile email"), Some("profile")),
        ("profile", approve("email"), None),
        ("profile email", approve("admin"), None),
        ("profile email", approve(""), None),
    ] {
        let request = with(&code_request("sec"), "scope", asked);
        let pending = fixture.consent(&request, &login).await;
        let before = fixture.snapshot();
        let response = fixture.server.decide(pending.ticket(), Some(&login), decision).await;
        match granted {
            Some(scope) => {
                let code = redirect_param(&response, "code").unwrap();
                assert_eq!(fixture.redeem("sec", &code).await.is_ok().text("scope"), scope);
            }
            None => {
                is_error_redirect(&response, "access_denied", Some("xyz"));
                assert_eq!(fixture.snapshot(), before);
            }
        }
    }
}

#[tokio::test]
async fn a_denial_saves_nothing_and_may_be_thought_over() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    let pending = fixture.consent(&code_request("sec"), &login).await;
    let before = fixture.snapshot();
    for _ in 0..2 {
        let response = fixture.server.decide(pending.ticket(), Some(&login), Decision::Deny).await;
        is_error_redirect(&response, "access_denied", Some("xyz"));
    }
    assert_eq!(fixture.snapshot(), before);
    let response = fixture.server.decide(pending.ticket(), Some(&login), Decision::APPROVE).await;
    fixture.redeem("sec", &redirect_param(&response, "code").unwrap()).await.is_ok();
}

#[tokio::test]
async fn under_another_login_a_ticket_decides_nothing() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    let pending = fixture.consent(&code_request("sec"), &login).await;
    let before = fixture.snapshot();
    let no_session = Login { session: None, ..login.clone() };
    let bob_in_her_session = Login { subject: "bob".into(), ..login.clone() };
    let other_session = Login::new("alice", "another", fixture.clock.now());
    for other in [None, Some(no_session), Some(bob_in_her_session), Some(other_session), Some(fixture.login("bob"))] {
        for decision in [Decision::APPROVE, Decision::Deny] {
            let response = fixture.server.decide(pending.ticket(), other.as_ref(), decision).await;
            starts_again(&response, &code_request("sec"));
        }
    }
    assert_eq!(fixture.snapshot(), before);
    let response = fixture.server.decide(pending.ticket(), Some(&login), Decision::APPROVE).await;
    assert!(redirect_param(&response, "code").is_some());
}

#[tokio::test]
async fn a_ticket_expires() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    let (early, late) =
        (fixture.consent(&code_request("sec"), &login).await, fixture.consent(&code_request("sec"), &login).await);
    fixture.clock.advance(899);
    let response = fixture.server.decide(early.ticket(), Some(&login), APPROVE_ONCE).await;
    assert!(redirect_param(&response, "code").is_some());
    fixture.clock.advance(1);
    let before = fixture.snapshot();
    for decision in [Decision::APPROVE, Decision::Deny] {
        starts_again(&fixture.server.decide(late.ticket(), Some(&login), decision).await, &code_request("sec"));
    }
    assert_eq!(fixture.snapshot(), before);
}

#[tokio::test]
async fn what_is_no_ticket_of_this_server_and_purpose_leads_to_a_page() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    let good = fixture.consent(&code_request("sec"), &login).await.ticket().to_owned();
    let before = fixture.snapshot();
    let demanded = login_page(&fixture, &with(&code_request("sec"), "prompt", "login"), Some(&login)).await;
    let (_, login_ticket) = query_of(demanded.resume_url()).pop().unwrap();
    let tenant = fixture.over_the_same_store(|store, clock| builder("https://other.example", store, clock));
    let foreign = tenant.consent(&code_request("sec"), &login).await.ticket().to_owned();
    let mut bad = vec![String::new(), "x".to_owned(), "é\0".to_owned(), "A".repeat(10_000), login_ticket, foreign];
    bad.extend([format!("{good}="), format!("{good}A"), format!(" {good}"), good[..good.len() - 1].to_owned()]);
    for place in 0..good.len() {
        let other = if good.as_bytes()[place] == b'A' { "B" } else { "A" };
        bad.push(format!("{}{other}{}", &good[..place], &good[place + 1..]));
    }
    for ticket in bad {
        is_error_page(&fixture.server.decide(&ticket, Some(&login), Decision::APPROVE).await);
    }
    assert_eq!(fixture.snapshot(), before);
}

#[tokio::test]
async fn a_double_click_gives_the_identical_answer_while_the_code_is_unused() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    let pending = fixture.consent(&code_request("sec"), &login).await;
    let click = || fixture.server.decide(pending.ticket(), Some(&login), Decision::APPROVE);
    let first = click().await;
    fixture.clock.advance(59);
    assert_eq!(location(&click().await), location(&first));
    let tokens = fixture.redeem("sec", &redirect_param(&first, "code").unwrap()).await;
    let (purged, later) = (fixture.clock.now(), click().await);
    is_error_page(&later);
    assert!(String::from_utf8_lossy(later.body()).contains("given already"));
    fixture.clock.advance(840);
    fixture.store.purge(purged, usize::MAX).await.unwrap();
    is_error_page(&click().await);
    assert!(fixture.is_active(tokens.is_ok().text("access_token")).await, "a late click revokes nothing");
    fixture.clock.advance(1);
    fixture.store.purge(fixture.clock.now(), usize::MAX).await.unwrap();
    starts_again(&click().await, &code_request("sec"));
}

#[tokio::test]
async fn an_expired_code_is_never_given_again() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    let pending = fixture.consent(&code_request("sec"), &login).await;
    let click = || fixture.server.decide(pending.ticket(), Some(&login), APPROVE_ONCE);
    assert!(redirect_param(&click().await, "code").is_some());
    for seconds in [60, 600, 239] {
        fixture.clock.advance(seconds);
        fixture.store.purge(fixture.clock.now(), usize::MAX).await.unwrap();
        is_error_page(&click().await);
    }
    fixture.clock.advance(1);
    fixture.store.purge(fixture.clock.now(), usize::MAX).await.unwrap();
    starts_again(&click().await, &code_request("sec"));
}

#[tokio::test]
async fn a_ticket_decides_one_scope() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    let request = with(&code_request("sec"), "scope", "profile email");
    for (first, second) in [(APPROVE_ONCE, approve("profile")), (approve("profile"), APPROVE_ONCE)] {
        let pending = fixture.consent(&request, &login).await;
        let response = fixture.server.decide(pending.ticket(), Some(&login), first.clone()).await;
        assert!(redirect_param(&response, "code").is_some());
        let before = fixture.snapshot();
        is_error_page(&fixture.server.decide(pending.ticket(), Some(&login), second).await);
        assert_eq!(fixture.snapshot(), before);
        let again = fixture.server.decide(pending.ticket(), Some(&login), first).await;
        assert_eq!(location(&again), location(&response));
    }
}

#[tokio::test]
async fn a_decision_that_comes_too_late_is_not_remembered() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    let request = with(&code_request("sec"), "scope", "profile email");
    let pending = fixture.consent(&request, &login).await;
    let response = fixture.server.decide(pending.ticket(), Some(&login), approve("profile")).await;
    assert!(redirect_param(&response, "code").is_some());
    is_error_page(&fixture.server.decide(pending.ticket(), Some(&login), Decision::APPROVE).await);
    assert_eq!(asked(&fixture, &request, Some(&login)).await, Next::Consent);
}

#[tokio::test]
async fn parallel_clicks_make_one_code() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    let pending = fixture.consent(&code_request("sec"), &login).await;
    let clicks = (0..50).map(|_| fixture.server.decide(pending.ticket(), Some(&login), Decision::APPROVE));
    let answers = futures::future::join_all(clicks).await;
    assert!(answers.iter().all(|answer| location(answer) == location(&answers[0])));
}

async fn remember(fixture: &Fixture, params: &[(&str, &str)], subject: &str) {
    let login = fixture.login(subject);
    let pending = fixture.consent(params, &login).await;
    let response = fixture.server.decide(pending.ticket(), Some(&login), Decision::APPROVE).await;
    assert!(redirect_param(&response, "code").is_some());
}

#[tokio::test]
async fn consent_is_remembered_for_what_it_covered() {
    let fixture = Fixture::new();
    let uris = [CALLBACK, "https://app.example/other"].map(|uri| uri.parse().unwrap());
    let two = ClientMetadata {
        redirect_uris: uris.to_vec(),
        scope: "profile email admin".parse().unwrap(),
        ..metadata(AuthMethod::CLIENT_SECRET_BASIC)
    };
    fixture.store.insert_client(confidential("two", two));
    let request = with(&code_request("two"), "scope", "profile email");
    remember(&fixture, &request, "alice").await;
    let (alice, bob) = (fixture.login("alice"), fixture.login("bob"));
    for (changed, login, expected) in [
        (request.clone(), &alice, Next::Code),
        (with(&request, "state", "other"), &alice, Next::Code),
        (with(&request, "scope", "email profile"), &alice, Next::Code),
        (with(&request, "scope", "email"), &alice, Next::Code),
        (with(&request, "scope", "profile email admin"), &alice, Next::Consent),
        (with(&request, "scope", "admin"), &alice, Next::Consent),
        (changed(&request, "scope", None), &alice, Next::Consent),
        (request.clone(), &bob, Next::Consent),
        (code_request("sec"), &alice, Next::Consent),
        (with(&request, "redirect_uri", "https://app.example/other"), &alice, Next::Consent),
        (with(&request, "prompt", "consent"), &alice, Next::Consent),
    ] {
        assert_eq!(asked(&fixture, &changed, Some(login)).await, expected, "{changed:?}");
    }
    let tenant = fixture.over_the_same_store(|store, clock| builder("https://other.example", store, clock));
    assert_eq!(asked(&tenant, &request, Some(&alice)).await, Next::Consent, "another issuer's consent");
}

#[tokio::test]
async fn a_silent_code_has_the_scope_that_was_asked_for() {
    let fixture = Fixture::new();
    remember(&fixture, &with(&code_request("sec"), "scope", "profile email"), "alice").await;
    let code = fixture.code_for(&with(&code_request("sec"), "scope", "email"), "alice").await;
    assert_eq!(fixture.redeem("sec", &code).await.is_ok().text("scope"), "email");
}

#[tokio::test]
async fn consent_is_remembered_only_if_that_was_said_and_only_as_far_as_it_was_given() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    let request = with(&code_request("sec"), "scope", "profile email");
    let narrowed = Decision::Approve { scope: Some("profile".parse().unwrap()), remember: true };
    for (decision, expected) in
        [(APPROVE_ONCE, Next::Consent), (Decision::Deny, Next::Consent), (narrowed, Next::Consent)]
    {
        let pending = fixture.consent(&request, &login).await;
        let _ = fixture.server.decide(pending.ticket(), Some(&login), decision).await;
        assert_eq!(asked(&fixture, &request, Some(&login)).await, expected);
    }
    assert_eq!(asked(&fixture, &code_request("sec"), Some(&login)).await, Next::Code);
}

#[tokio::test]
async fn without_remembered_consent_every_request_asks() {
    let fixture = Fixture::new();
    let server = grantwell::AuthorizationServer::builder(ISSUER, fixture.store.clone(), fixture.store.clone())
        .secret_keys(SecretKey::from_bytes([7; 32]), [])
        .grant(grantwell::grants::AuthorizationCode::new())
        .clock(fixture.clock.clone())
        .build()
        .unwrap();
    let fixture = Fixture { server, ..fixture };
    remember(&fixture, &code_request("sec"), "alice").await;
    assert_eq!(asked(&fixture, &code_request("sec"), Some(&fixture.login("alice"))).await, Next::Consent);
}

#[tokio::test]
async fn remembered_consent_is_silent_only_where_the_answer_reaches_the_client() {
    let fixture = Fixture::new();
    let loopback = ClientMetadata {
        redirect_uris: vec!["http://127.0.0.1/cb".parse().unwrap()],
        ..metadata(AuthMethod::CLIENT_SECRET_BASIC)
    };
    fixture.store.insert_client(confidential("sec2", loopback));
    for (client, uri, expected) in [
        ("native", "http://127.0.0.1:4711/cb", Next::Consent),
        ("native", "http://[::1]:4711/cb", Next::Consent),
        ("native", "http://localhost:4711/cb", Next::Consent),
        ("native", "com.example.app:/cb", Next::Consent),
        ("pub", CALLBACK, Next::Code),
        ("sec2", "http://127.0.0.1:4711/cb", Next::Code),
    ] {
        let request = with(&code_request(client), "redirect_uri", uri);
        remember(&fixture, &request, "alice").await;
        let login = fixture.login("alice");
        assert_eq!(asked(&fixture, &request, Some(&login)).await, expected, "{client} {uri}");
        let silent = asked(&fixture, &with(&request, "prompt", "none"), Some(&login)).await;
        let expected = if expected == Next::Code { Next::Code } else { error("consent_required") };
        assert_eq!(silent, expected, "{client} {uri}");
    }
    let other_port = with(&code_request("sec2"), "redirect_uri", "http://127.0.0.1:61023/cb");
    assert_eq!(asked(&fixture, &other_port, Some(&fixture.login("alice"))).await, Next::Code);
}

#[tokio::test]
async fn prompt_none_shows_nothing() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    let request = with(&code_request("sec"), "prompt", "none");
    assert_eq!(asked(&fixture, &request, None).await, error("login_required"));
    assert_eq!(asked(&fixture, &request, Some(&login)).await, error("consent_required"));
    remember(&fixture, &code_request("sec"), "alice").await;
    assert_eq!(asked(&fixture, &request, Some(&login)).await, Next::Code);
    assert_eq!(asked(&fixture, &with(&request, "scope", "email"), Some(&login)).await, error("consent_required"));
    assert_eq!(asked(&fixture, &with(&request, "max_age", "0"), Some(&login)).await, error("login_required"));
    fixture.clock.advance(10);
    assert_eq!(asked(&fixture, &with(&request, "max_age", "9"), Some(&login)).await, error("login_required"));
    assert_eq!(asked(&fixture, &with(&request, "max_age", "10"), Some(&login)).await, Next::Code);
    for prompt in ["none login", "login none", "none consent", "none select_account", "none foo", "foo", "None"] {
        assert_eq!(
            asked(&fixture, &with(&request, "prompt", prompt), Some(&login)).await,
            error("invalid_request"),
            "{prompt}"
        );
    }
}

#[tokio::test]
async fn a_demanded_login_is_met_by_a_fresh_one_alone() {
    let fixture = Fixture::new();
    remember(&fixture, &code_request("sec"), "alice").await;
    let stale = fixture.login("alice");
    fixture.clock.advance(10);
    for (name, value) in [("prompt", "login"), ("max_age", "0"), ("max_age", "9"), ("prompt", "login select_account")] {
        let request = with(&code_request("sec"), name, value);
        let started = fixture.clock.now();
        let pending = login_page(&fixture, &request, Some(&stale)).await;
        let resumed = |login: Login| {
            let (fixture, url) = (&fixture, pending.resume_url());
            async move { next(fixture, url, Some(&login)).await }
        };
        fixture.clock.advance(5);
        let fresh = fixture.clock.now();
        let before = grantwell::Timestamp::from_unix(started.as_unix() - 10);
        assert_eq!(resumed(stale.clone()).await, error("login_required"), "unchanged: {name}={value}");
        assert_eq!(resumed(Login::new("alice", "older", before)).await, error("login_required"), "{name}={value}");
        assert_eq!(resumed(Login { auth_time: fresh, ..stale.clone() }).await, Next::Code);
        assert_eq!(resumed(Login::new("alice", "fresh", fresh)).await, Next::Code);
        assert_eq!(resumed(Login::new("alice", "fresh", started)).await, Next::Code);
        assert_eq!(resumed(Login::new("bob", "fresh", fresh)).await, Next::Consent);
        fixture.clock.advance(10);
    }
}

#[tokio::test]
async fn a_user_who_comes_back_as_before_does_not_go_round_in_circles() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    let request = with(&code_request("sec"), "prompt", "login");
    let pending = login_page(&fixture, &request, None).await;
    assert_eq!(next(&fixture, pending.resume_url(), Some(&login)).await, Next::Consent);
    fixture.clock.advance(1);
    let older = login_page(&fixture, &request, None).await;
    assert_eq!(next(&fixture, older.resume_url(), Some(&login)).await, error("login_required"));
    let elsewhere = Login { session: Some("new".to_owned()), ..login.clone() };
    assert_eq!(next(&fixture, older.resume_url(), Some(&elsewhere)).await, error("login_required"));
}

#[tokio::test]
async fn a_login_ticket_is_of_its_request_and_time() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    let request = with(&code_request("sec"), "prompt", "login");
    let pending = login_page(&fixture, &request, Some(&login)).await;
    let (name, ticket) = query_of(pending.resume_url()).pop().unwrap();
    assert_eq!(name, "login_ticket");
    let consent = fixture.consent(&code_request("sec"), &login).await;
    fixture.clock.advance(1);
    let fresh = fixture.login("alice");
    for (request, ticket) in [
        (with(&request, "state", "other"), ticket.as_str()),
        (with(&request, "scope", "email"), &ticket),
        (with(&request, "client_id", "sec2"), &ticket),
        (changed(&request, "state", None), &ticket),
        (request.clone(), "x"),
        (request.clone(), consent.ticket()),
    ] {
        let request = with(&request, "login_ticket", ticket);
        assert_eq!(asked(&fixture, &request, Some(&fresh)).await, Next::Login);
    }
    assert_eq!(next(&fixture, pending.resume_url(), Some(&fresh)).await, Next::Consent);
    fixture.clock.advance(899);
    assert_eq!(next(&fixture, pending.resume_url(), Some(&fresh)).await, Next::Login);
}

#[tokio::test]
async fn max_age_is_a_number_of_seconds() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    fixture.clock.advance(10);
    for (max_age, expected) in [
        ("0", Next::Login),
        ("9", Next::Login),
        ("10", Next::Consent),
        ("1000000000", Next::Consent),
        ("9223372036854775808", Next::Consent),
        ("-1", error("invalid_request")),
        ("+1", error("invalid_request")),
        ("1e9", error("invalid_request")),
        ("1.5", error("invalid_request")),
        (" 1", error("invalid_request")),
        ("abc", error("invalid_request")),
        ("١", error("invalid_request")),
        ("99999999999999999999", error("invalid_request")),
    ] {
        let request = with(&code_request("sec"), "max_age", max_age);
        assert_eq!(asked(&fixture, &request, Some(&login)).await, expected, "{max_age}");
    }
    let ahead = Login { auth_time: fixture.clock.now().plus(5), ..login };
    assert_eq!(asked(&fixture, &with(&code_request("sec"), "max_age", "1"), Some(&ahead)).await, Next::Consent);
}

#[tokio::test]
async fn select_account_offers_the_choice_once() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    let request = with(&code_request("sec"), "prompt", "select_account");
    let pending = login_page(&fixture, &request, Some(&login)).await;
    assert!(pending.selects_account());
    for login in [&login, &fixture.login("bob")] {
        assert_eq!(next(&fixture, pending.resume_url(), Some(login)).await, Next::Consent);
    }
    assert_eq!(next(&fixture, pending.resume_url(), None).await, Next::Login);
}

#[tokio::test]
async fn tickets_outlive_a_restart_and_a_rotation_but_not_their_key() {
    let fixture = Fixture::new();
    let (old, new) = (SecretKey::from_bytes([7; 32]), SecretKey::from_bytes([8; 32]));
    let login = fixture.login("alice");
    fixture.clock.advance(1);
    let demand = with(&code_request("sec"), "prompt", "login");
    for (current, previous, is_good) in [(old.clone(), None, true), (new.clone(), Some(old), true), (new, None, false)]
    {
        let pending = fixture.consent(&code_request("sec"), &login).await;
        let demanded = login_page(&fixture, &demand, Some(&login)).await;
        let restarted =
            fixture.over_the_same_store(|store, clock| builder(ISSUER, store, clock).secret_keys(current, previous));
        let response = restarted.server.decide(pending.ticket(), Some(&login), APPROVE_ONCE).await;
        let fresh = Login { auth_time: fixture.clock.now(), ..login.clone() };
        let resumed = next(&restarted, demanded.resume_url(), Some(&fresh)).await;
        let unchanged = next(&restarted, demanded.resume_url(), Some(&login)).await;
        if is_good {
            restarted.redeem("sec", &redirect_param(&response, "code").unwrap()).await.is_ok();
            assert_eq!((resumed, unchanged), (Next::Consent, error("login_required")));
        } else {
            is_error_page(&response);
            assert_eq!((resumed, unchanged), (Next::Login, Next::Login));
        }
    }
}

#[tokio::test]
async fn a_client_that_is_gone_gets_nothing() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    let pending = fixture.consent(&code_request("sec"), &login).await;
    let moved = ClientMetadata {
        redirect_uris: vec!["https://app.example/new".parse().unwrap()],
        ..metadata(AuthMethod::CLIENT_SECRET_BASIC)
    };
    for client in [None, Some(confidential("sec", moved))] {
        fixture.store.remove_client(&"sec".into());
        client.into_iter().for_each(|client| fixture.store.insert_client(client));
        let before = fixture.snapshot();
        for decision in [Decision::APPROVE, Decision::Deny] {
            is_error_page(&fixture.server.decide(pending.ticket(), Some(&login), decision).await);
        }
        assert_eq!(fixture.snapshot(), before);
    }
}

#[tokio::test]
async fn a_scope_that_was_taken_from_the_client_is_not_approved() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    let pending = fixture.consent(&code_request("sec"), &login).await;
    let narrower = ClientMetadata { scope: "email".parse().unwrap(), ..metadata(AuthMethod::CLIENT_SECRET_BASIC) };
    fixture.store.insert_client(confidential("sec", narrower));
    let before = fixture.snapshot();
    let response = fixture.server.decide(pending.ticket(), Some(&login), Decision::APPROVE).await;
    is_error_redirect(&response, "invalid_scope", Some("xyz"));
    assert_eq!(fixture.snapshot(), before);
}

#[tokio::test]
async fn what_the_user_did_not_see_is_not_approved() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    let wider =
        ClientMetadata { scope: "profile email admin".parse().unwrap(), ..metadata(AuthMethod::CLIENT_SECRET_BASIC) };
    let elsewhere = ClientMetadata {
        redirect_uris: vec!["https://new.example/cb".parse().unwrap()],
        ..metadata(AuthMethod::CLIENT_SECRET_BASIC)
    };
    for (left_out, registered) in [("scope", wider), ("redirect_uri", elsewhere)] {
        fixture.store.insert_client(confidential("sec", metadata(AuthMethod::CLIENT_SECRET_BASIC)));
        let request = changed(&code_request("sec"), left_out, None);
        let pending = fixture.consent(&request, &login).await;
        fixture.store.insert_client(confidential("sec", registered));
        let before = fixture.snapshot();
        for decision in [Decision::APPROVE, Decision::Deny] {
            starts_again(&fixture.server.decide(pending.ticket(), Some(&login), decision).await, &request);
        }
        assert_eq!(fixture.snapshot(), before, "{left_out}");
    }
}

#[tokio::test]
async fn a_ticket_fixes_every_parameter() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    let mut request = with(&code_request("sec"), "response_mode", "fragment");
    request.push(("nonce", "n"));
    let pending = fixture.consent(&request, &login).await;
    let other = with(&with(&request, "state", "other"), "scope", "email");
    let _ = fixture.consent(&other, &login).await;
    let response = fixture.server.decide(pending.ticket(), Some(&login), approve("profile email")).await;
    assert!(location(&response).starts_with(&format!("{CALLBACK}#code=")));
    assert_eq!(redirect_param(&response, "state").as_deref(), Some("xyz"));
    let code = redirect_param(&response, "code").unwrap();
    let token = fixture.token("sec2", &redemption(&code)).await;
    token.is_refused(400, "invalid_grant");
    assert_eq!(fixture.redeem("sec", &code).await.is_ok().text("scope"), "profile");
}

#[tokio::test]
async fn another_browser_is_asked_itself() {
    let fixture = Fixture::new();
    let mallory = fixture.login("mallory");
    let pending = fixture.consent(&code_request("sec"), &mallory).await;
    let demanded = login_page(&fixture, &with(&code_request("sec"), "prompt", "login"), Some(&mallory)).await;
    let victim = fixture.login("alice");
    let response = fixture.server.decide(pending.ticket(), Some(&victim), Decision::APPROVE).await;
    starts_again(&response, &code_request("sec"));
    assert_eq!(next(&fixture, location(&response), Some(&victim)).await, Next::Consent);
    assert_eq!(next(&fixture, demanded.resume_url(), Some(&victim)).await, Next::Consent);
}

#[tokio::test]
async fn a_request_that_would_keep_too_much_is_refused() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    let base: usize = code_request("sec").iter().map(|(name, value)| name.len() + value.len()).sum();
    let hint = "x".repeat(4096 - base - "login_hint".len());
    let most = with(&code_request("sec"), "login_hint", &hint);
    let pending = fixture.consent(&most, &login).await;
    assert!(pending.ticket().len() < 8 * 1024, "{}", pending.ticket().len());
    let hint = format!("{hint}x");
    let more = with(&code_request("sec"), "login_hint", &hint);
    for login in [None, Some(&login)] {
        is_error_redirect(&fixture.respond(&more, login).await, "invalid_request", Some("xyz"));
    }
    let unknown = with(&code_request("sec"), "unknown", &hint);
    assert_eq!(asked(&fixture, &unknown, Some(&login)).await, Next::Consent);
}

#[tokio::test]
async fn a_ticket_says_nothing() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    let tickets =
        [fixture.consent(&code_request("sec"), &login).await, fixture.consent(&code_request("sec"), &login).await];
    assert_ne!(tickets[0].ticket(), tickets[1].ticket());
    for pending in &tickets {
        assert!(pending.ticket().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        assert!(!pending.ticket().contains("alice"));
    }
    let response = fixture.server.decide(tickets[0].ticket(), None, Decision::Deny).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(response.headers()["cache-control"], "no-store");
}
