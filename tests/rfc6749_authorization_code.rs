//! The authorization code grant (RFC 6749 section 4.1, RFC 9700 section 2.1.1).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use common::intercept::{Intercepted, Rendezvous};
use common::*;
use grantwell::hooks::{SubjectPolicy, Verdict};
use grantwell::model::{AuthMethod, Authorization, Client, ClientMetadata, ClientPolicy};
use grantwell::storage::{AuthorizationCodeStore as _, CodeState, PurgeStore as _, Selector};
use grantwell::{Clock as _, Decision, Digest, Lifetimes, StorageError};

#[tokio::test]
async fn a_replayed_code_is_refused_and_what_it_bought_is_revoked() {
    let fixture = Fixture::new();
    let bystander = fixture.tokens("sec").await;
    for client in ["sec", "pub", "post"] {
        let code = fixture.code(client).await;
        let tokens = fixture.redeem(client, &code).await;
        fixture.redeem(client, &code).await.is_refused(400, "invalid_grant");
        assert!(!fixture.is_active(tokens.text("access_token")).await);
        fixture.refresh(client, tokens.text("refresh_token")).await.is_refused(400, "invalid_grant");
    }
    assert!(fixture.is_active(bystander.text("access_token")).await);
}

#[tokio::test]
async fn a_replay_revokes_also_when_the_code_would_have_expired() {
    let fixture = Fixture::new();
    let code = fixture.code("sec").await;
    let tokens = fixture.redeem("sec", &code).await;
    fixture.clock.advance(600);
    fixture.redeem("sec", &code).await.is_refused(400, "invalid_grant");
    assert!(!fixture.is_active(tokens.text("access_token")).await);
}

#[tokio::test]
async fn a_replay_that_is_wrong_in_anything_else_changes_nothing() {
    let fixture = Fixture::new();
    let code = fixture.code("sec").await;
    let tokens = fixture.redeem("sec", &code).await;
    let before = fixture.snapshot();
    let wrong = [("code_verifier", Some(CHALLENGE)), ("code_verifier", None), ("redirect_uri", None)];
    for (name, value) in wrong {
        fixture.token("sec", &changed(&redemption(&code), name, value)).await.is_refused(400, "invalid_grant");
    }
    fixture.redeem("sec2", &code).await.is_refused(400, "invalid_grant");
    fixture.redeem("pub", &code).await.is_refused(400, "invalid_grant");
    fixture.redeem("sec", &format!("{code}A")).await.is_refused(400, "invalid_grant");
    let bad_secret = post_basic("/token", "sec", "wrong", &redemption(&code));
    fixture.send(bad_secret).await.is_refused(401, "invalid_client");
    assert_eq!(fixture.snapshot(), before);
    assert!(fixture.is_active(tokens.text("access_token")).await);
}

#[tokio::test]
async fn a_code_lives_sixty_seconds() {
    let fixture = Fixture::new();
    let (early, late) = (fixture.code("sec").await, fixture.code("sec").await);
    fixture.clock.advance(59);
    fixture.redeem("sec", &early).await.is_ok();
    fixture.clock.advance(1);
    fixture.redeem("sec", &late).await.is_refused(400, "invalid_grant");
}

#[tokio::test]
async fn a_code_lives_as_long_as_the_operator_says_but_at_most_ten_minutes() {
    let build = |authorization_code| {
        let fixture = Fixture::new();
        let lifetimes = Lifetimes { authorization_code, ..Lifetimes::default() };
        builder(ISSUER, &fixture.store, &fixture.clock).lifetimes(lifetimes).build()
    };
    let of_client = |lifetime| {
        let policy = ClientPolicy { authorization_code_lifetime: Some(lifetime), ..ClientPolicy::default() };
        confidential("sec", metadata(AuthMethod::CLIENT_SECRET_BASIC)).with_policy(policy)
    };
    for (lifetime, is_allowed) in [(0, false), (1, true), (600, true), (601, false)] {
        assert_eq!(build(lifetime).is_ok(), is_allowed, "{lifetime}");
        assert_eq!(of_client(lifetime).is_ok(), is_allowed, "{lifetime}");
    }
    let fixture = Fixture::new();
    fixture.store.insert_client(of_client(600).unwrap());
    let (early, late) = (fixture.code("sec").await, fixture.code("sec").await);
    fixture.clock.advance(599);
    fixture.redeem("sec", &early).await.is_ok();
    fixture.clock.advance(1);
    fixture.redeem("sec", &late).await.is_refused(400, "invalid_grant");
}

#[tokio::test]
async fn the_token_request_cannot_widen_the_scope() {
    let fixture = Fixture::new();
    for scope in ["admin", "profile email", "\"", ""] {
        let code = fixture.code("sec").await;
        let answer = fixture.token("sec", &changed(&redemption(&code), "scope", Some(scope))).await;
        assert_eq!(answer.is_ok().text("scope"), "profile");
    }
}

#[tokio::test]
async fn every_mutation_of_a_code_is_refused_and_costs_it_nothing() {
    let fixture = Fixture::new();
    let code = fixture.code("sec").await;
    let before = fixture.snapshot();
    for mutation in mutations(&code) {
        fixture.redeem("sec", &mutation).await.is_refused(400, "invalid_grant");
    }
    assert_eq!(fixture.snapshot(), before);
    fixture.redeem("sec", &code).await.is_ok();
}

/// Each byte replaced, deleted, doubled; other cases; the bits that base64url leaves over; the stored digest.
fn mutations(code: &str) -> Vec<String> {
    let replaced = (0..code.len()).flat_map(|at| ["A", "B", "=", "%", "\0"].map(|new| (at, new)));
    let replaced = replaced.map(|(at, new)| format!("{}{new}{}", &code[..at], &code[at + 1..]));
    let deleted = (0..code.len()).map(|at| format!("{}{}", &code[..at], &code[at + 1..]));
    let doubled = (0..code.len()).map(|at| format!("{}{}", &code[..=at], &code[at..]));
    let endings = ('a'..='z').chain('A'..='Z').chain('0'..='9');
    let endings = endings.map(|end| format!("{}{end}", &code[..code.len() - 1]));
    let others = ["=", " ", "\n", "\0", "A"].map(|tail| format!("{code}{tail}"));
    let whole = [code.to_uppercase(), code.to_lowercase(), format!(" {code}"), Digest::of(code).to_string()];
    let all = replaced.chain(deleted).chain(doubled).chain(endings).chain(others).chain(whole);
    all.filter(|mutation| mutation != code).collect()
}

/// A subject policy that says what it was told to.
#[derive(Clone)]
struct Says(Arc<Mutex<Verdict>>);

#[async_trait]
impl SubjectPolicy for Says {
    async fn review(&self, _: &Authorization, _: &Client) -> Result<Verdict, StorageError> {
        Ok(self.0.lock().unwrap().clone())
    }
}

#[tokio::test]
async fn the_host_is_asked_about_the_subject_at_redemption() {
    let says = Says(Arc::new(Mutex::new(Verdict::Refuse)));
    let fixture = Fixture::with(|builder| builder.subject_policy(says.clone()));
    let request = changed(&code_request("sec"), "scope", Some("profile email"));
    let code = fixture.code_for(&request, "alice").await;
    let before = fixture.snapshot();
    fixture.redeem("sec", &code).await.is_refused(400, "invalid_grant");
    *says.0.lock().unwrap() = Verdict::Narrow("admin".parse().unwrap());
    fixture.redeem("sec", &code).await.is_refused(400, "invalid_grant");
    assert_eq!(fixture.snapshot(), before);
    *says.0.lock().unwrap() = Verdict::Narrow("email admin".parse().unwrap());
    assert_eq!(fixture.redeem("sec", &code).await.is_ok().text("scope"), "email");
}

#[tokio::test]
async fn what_is_revoked_between_approval_and_redemption_buys_nothing() {
    let fixture = Fixture::new();
    let session = fixture.server.session_selector("session of alice");
    let (alice, sec) = ("alice".into(), "sec".into());
    let at_client = Selector::SubjectAtClient("alice".into(), "sec".into());
    for selector in [Selector::Subject(alice), Selector::Client(sec), at_client, session] {
        let code = fixture.code("sec").await;
        assert_eq!(fixture.revoke(&selector).await, 1, "{selector:?}");
        fixture.redeem("sec", &code).await.is_refused(400, "invalid_grant");
    }
    let code = fixture.code("sec").await;
    fixture.revoke(&Selector::Subject("bob".into())).await;
    fixture.redeem("sec", &code).await.is_ok();
}

#[tokio::test]
async fn a_client_that_was_deleted_or_lost_the_grant_cannot_redeem() {
    let fixture = Fixture::new();
    let code = fixture.code("sec").await;
    fixture.store.remove_client(&"sec".into());
    fixture.redeem("sec", &code).await.is_refused(401, "invalid_client");
    let grant_types = vec!["refresh_token".to_owned()];
    let metadata = ClientMetadata { grant_types, ..metadata(AuthMethod::CLIENT_SECRET_BASIC) };
    fixture.store.insert_client(confidential("sec", metadata));
    fixture.redeem("sec", &code).await.is_refused(400, "unauthorized_client");
}

#[tokio::test]
async fn a_client_without_the_refresh_grant_gets_no_refresh_token() {
    let fixture = Fixture::new();
    let metadata = ClientMetadata {
        grant_types: vec!["authorization_code".to_owned()],
        ..metadata(AuthMethod::CLIENT_SECRET_BASIC)
    };
    fixture.store.insert_client(confidential("sec", metadata));
    assert!(fixture.tokens("sec").await.json.get("refresh_token").is_none());
}

#[tokio::test]
async fn a_code_is_bound_to_its_client() {
    let fixture = Fixture::new();
    for (own, other) in [("sec", "sec2"), ("pub", "pub2"), ("sec", "pub"), ("pub", "sec")] {
        let code = fixture.code(own).await;
        fixture.redeem(other, &code).await.is_refused(400, "invalid_grant");
        fixture.redeem(own, &code).await.is_ok();
    }
}

#[tokio::test]
async fn the_token_request_repeats_the_redirect_uri_exactly_as_it_was_or_was_not_sent() {
    let fixture = Fixture::new();
    let variant = format!("{CALLBACK}/");
    for (sent, repeated, is_right) in [
        (Some(CALLBACK), Some(CALLBACK), true),
        (None, None, true),
        (Some(CALLBACK), None, false),
        (Some(CALLBACK), Some(""), false),
        (None, Some(CALLBACK), false),
        (Some(CALLBACK), Some(variant.as_str()), false),
        (Some(CALLBACK), Some("https://evil.example/cb"), false),
    ] {
        let code = fixture.code_for(&changed(&code_request("sec"), "redirect_uri", sent), "alice").await;
        let request = redemption(&code);
        let answer = fixture.token("sec", &changed(&request, "redirect_uri", repeated)).await;
        if is_right {
            answer.is_ok();
        } else {
            answer.is_refused(400, "invalid_grant");
            fixture.token("sec", &changed(&request, "redirect_uri", sent)).await.is_ok();
        }
    }
}

#[tokio::test]
async fn the_loopback_port_is_part_of_the_redirect_uri_to_repeat() {
    let fixture = Fixture::new();
    let code = fixture.code("native").await;
    for other in ["http://127.0.0.1/cb", "http://127.0.0.1:4712/cb", "http://localhost:4711/cb"] {
        let request = redemption(&code);
        let request = changed(&request, "redirect_uri", Some(other));
        fixture.token("native", &request).await.is_refused(400, "invalid_grant");
    }
    let request = redemption(&code);
    fixture.token("native", &changed(&request, "redirect_uri", Some("http://127.0.0.1:4711/cb"))).await.is_ok();
}

/// The answers to 50 requests that redeem the code at once.
async fn redeemed_fifty_times(fixture: &Fixture, code: &str) -> Vec<Answer> {
    let redeem = |fixture: Fixture, code: String| async move { fixture.redeem("sec", &code).await };
    let tasks: Vec<_> = (0..50).map(|_| tokio::spawn(redeem(fixture.clone(), code.to_owned()))).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

fn the_one_winner(answers: &[Answer]) -> &Answer {
    let (winners, losers): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(winners.len(), 1);
    losers.iter().for_each(|loser| loser.is_refused(400, "invalid_grant"));
    winners[0]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_parallel_redemptions_one_wins() {
    let fixture = Fixture::new();
    let bystander = fixture.tokens("sec").await;
    for _ in 0..20 {
        let code = fixture.code("sec").await;
        let answers = redeemed_fifty_times(&fixture, &code).await;
        let token = the_one_winner(&answers).text("access_token");
        fixture.redeem("sec", &code).await.is_refused(400, "invalid_grant");
        assert!(!fixture.is_active(token).await);
    }
    assert!(fixture.is_active(bystander.text("access_token")).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_loses_the_race_for_a_code_revokes_nothing_and_a_later_replay_does() {
    let fixture = Fixture::made(|store, clock| {
        let store = Intercepted::new(store, Rendezvous::new("query_authorization_code", 50));
        builder(ISSUER, &store, clock)
    });
    let bystander = fixture.token("cc", &[("grant_type", "client_credentials")]).await;
    let code = fixture.code("sec").await;
    let answers = redeemed_fifty_times(&fixture, &code).await;
    let token = the_one_winner(&answers).text("access_token");
    assert!(fixture.is_active(token).await);
    fixture.redeem("sec", &code).await.is_refused(400, "invalid_grant");
    assert!(!fixture.is_active(token).await);
    assert!(fixture.is_active(bystander.text("access_token")).await);
}

#[tokio::test]
async fn a_consumed_code_is_remembered_as_long_as_it_could_be_minted_again() {
    let fixture = Fixture::new();
    let login = fixture.login("alice");
    let pending = fixture.consent(&code_request("sec"), &login).await;
    let approve = || fixture.server.decide(pending.ticket(), Some(&login), Decision::APPROVE);
    let code = redirect_param(&approve().await, "code").unwrap();
    fixture.redeem("sec", &code).await.is_ok();
    fixture.clock.advance(899);
    fixture.store.purge(fixture.clock.now(), 100).await.unwrap();
    let state = fixture.store.query_authorization_code(&Digest::of(&code)).await.unwrap();
    assert!(matches!(state, Some(CodeState::Consumed(_))), "{state:?}");
    is_error_page(&approve().await);
    // And for as long as another replica's clock may be behind.
    fixture.clock.advance(300);
    fixture.store.purge(fixture.clock.now(), 100).await.unwrap();
    assert!(fixture.store.query_authorization_code(&Digest::of(&code)).await.unwrap().is_some());
    fixture.clock.advance(1);
    fixture.store.purge(fixture.clock.now(), 100).await.unwrap();
    assert_eq!(fixture.store.query_authorization_code(&Digest::of(&code)).await.unwrap(), None);
    assert_eq!(redirect_param(&approve().await, "code"), None);
}
