//! The refresh token grant (RFC 6749 section 6, RFC 9700 sections 2.2.2 and 4.14).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use common::intercept::{Intercepted, Rendezvous};
use common::*;
use grantwell::grants::RefreshToken;
use grantwell::hooks::{SubjectPolicy, Verdict};
use grantwell::model::{AuthMethod, Authorization, Client, ClientMetadata, ClientPolicy, RefreshPolicy, Rotation};
use grantwell::storage::Selector;
use grantwell::{SecretKey, StorageError};

const GRACE: u64 = 30;

fn rotating(grace: u64) -> RefreshPolicy {
    RefreshPolicy { rotation: Rotation::Rotate { grace }, ..RefreshPolicy::default() }
}

/// A fixture whose replaced tokens are reuse at once.
fn without_grace() -> Fixture {
    Fixture::refreshing(RefreshToken::with_policy(rotating(0)))
}

fn with_policy(id: &str, policy: RefreshPolicy) -> Client {
    let policy = ClientPolicy { refresh_token: Some(policy), ..ClientPolicy::default() };
    confidential(id, metadata(AuthMethod::CLIENT_SECRET_BASIC)).with_policy(policy).unwrap()
}

fn with_scope(id: &str, scope: &str) -> Client {
    let scope = scope.parse().unwrap();
    confidential(id, ClientMetadata { scope, ..metadata(AuthMethod::CLIENT_SECRET_BASIC) })
}

/// The tokens of a code flow for the scope.
async fn tokens_for(fixture: &Fixture, client: &str, scope: &str) -> Answer {
    let request = changed(&code_request(client), "scope", Some(scope));
    let code = fixture.code_for(&request, "alice").await;
    fixture.redeem(client, &code).await.is_ok().clone()
}

async fn refresh_for(fixture: &Fixture, client: &str, token: &str, scope: &str) -> Answer {
    let request = [("grant_type", "refresh_token"), ("refresh_token", token), ("scope", scope)];
    fixture.token(client, &request).await
}

#[tokio::test]
async fn each_use_yields_a_new_token() {
    let fixture = Fixture::new();
    for client in ["sec", "pub", "post"] {
        let mut tokens = vec![fixture.tokens(client).await];
        for _ in 0..3 {
            let answer = fixture.refresh(client, tokens.last().unwrap().text("refresh_token")).await;
            tokens.push(answer.is_ok().clone());
        }
        for name in ["refresh_token", "access_token"] {
            let distinct: std::collections::HashSet<_> = tokens.iter().map(|answer| answer.text(name)).collect();
            assert_eq!(distinct.len(), 4, "{name}");
        }
        for answer in &tokens {
            assert!(fixture.is_active(answer.text("access_token")).await);
        }
    }
}

#[tokio::test]
async fn a_replaced_token_revokes_its_authorization_and_no_other() {
    let fixture = without_grace();
    let bystander = fixture.tokens("sec").await;
    for client in ["sec", "pub"] {
        let first = fixture.tokens(client).await;
        let second = fixture.refresh(client, first.text("refresh_token")).await;
        fixture.refresh(client, first.text("refresh_token")).await.is_refused(400, "invalid_grant");
        fixture.refresh(client, second.text("refresh_token")).await.is_refused(400, "invalid_grant");
        for answer in [&first, &second] {
            assert!(!fixture.is_active(answer.text("access_token")).await);
        }
    }
    assert!(fixture.is_active(bystander.text("access_token")).await);
    fixture.refresh("sec", bystander.text("refresh_token")).await.is_ok();
}

#[tokio::test]
async fn within_the_grace_a_replaced_token_has_the_same_successor() {
    let fixture = Fixture::new();
    let first = fixture.tokens("sec").await;
    let second = fixture.refresh("sec", first.text("refresh_token")).await;
    for wait in [0, 1, GRACE - 2] {
        fixture.clock.advance(wait);
        let again = fixture.refresh("sec", first.text("refresh_token")).await;
        assert_eq!(again.is_ok().text("refresh_token"), second.text("refresh_token"));
        assert_ne!(again.text("access_token"), second.text("access_token"));
        assert!(fixture.is_active(again.text("access_token")).await);
    }
    fixture.refresh("sec", second.text("refresh_token")).await.is_ok();
}

#[tokio::test]
async fn after_the_grace_a_replaced_token_revokes() {
    let fixture = Fixture::new();
    let first = fixture.tokens("sec").await;
    let second = fixture.refresh("sec", first.text("refresh_token")).await;
    fixture.clock.advance(GRACE);
    fixture.refresh("sec", first.text("refresh_token")).await.is_refused(400, "invalid_grant");
    assert!(!fixture.is_active(second.text("access_token")).await);
    fixture.refresh("sec", second.text("refresh_token")).await.is_refused(400, "invalid_grant");
}

#[tokio::test]
async fn the_grace_is_for_the_same_scope_only() {
    let fixture = Fixture::new();
    let first = tokens_for(&fixture, "sec", "profile email").await;
    let first = first.text("refresh_token");
    let second = fixture.refresh("sec", first).await;
    let before = fixture.snapshot();
    refresh_for(&fixture, "sec", first, "email").await.is_refused(400, "invalid_grant");
    assert_eq!(fixture.snapshot(), before);
    for same in ["profile email", "email profile"] {
        let again = refresh_for(&fixture, "sec", first, same).await;
        assert_eq!(again.is_ok().text("refresh_token"), second.text("refresh_token"), "{same}");
    }
}

#[tokio::test]
async fn two_generations_back_is_refused_and_revokes_only_after_the_window() {
    let fixture = Fixture::new();
    let first = fixture.tokens("sec").await;
    let second = fixture.refresh("sec", first.text("refresh_token")).await;
    let third = fixture.refresh("sec", second.text("refresh_token")).await;
    let before = fixture.snapshot();
    fixture.clock.advance(GRACE - 1);
    fixture.refresh("sec", first.text("refresh_token")).await.is_refused(400, "invalid_grant");
    assert_eq!(fixture.snapshot(), before);
    fixture.clock.advance(1);
    fixture.refresh("sec", first.text("refresh_token")).await.is_refused(400, "invalid_grant");
    assert!(!fixture.is_active(third.text("access_token")).await);
}

/// The token's handle, generation and MAC.
fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().unwrap()
}

#[tokio::test]
async fn a_token_that_this_server_did_not_make_changes_nothing() {
    let fixture = without_grace();
    let own = fixture.tokens("sec").await;
    let other = fixture.tokens("sec").await;
    let old = own.text("refresh_token").to_owned();
    let own = fixture.refresh("sec", &old).await;
    let [handle, generation, mac] = parts(own.text("refresh_token"));
    let [other_handle, _, other_mac] = parts(other.text("refresh_token"));
    let [_, old_generation, old_mac] = parts(&old);
    let zeros = "A".repeat(43);
    let before = fixture.snapshot();
    for forged in [
        format!("{handle}.{generation}.{zeros}"),
        format!("{handle}.{generation}.{other_mac}"),
        format!("{handle}.{generation}.{old_mac}"),
        format!("{handle}.{old_generation}.{mac}"),
        format!("{handle}.2.{mac}"),
        format!("{handle}.18446744073709551615.{mac}"),
        format!("{handle}.18446744073709551616.{mac}"),
        format!("{handle}.-1.{mac}"),
        format!("{handle}.01.{mac}"),
        format!("{handle}.+1.{mac}"),
        format!("{other_handle}.{generation}.{mac}"),
        format!("{}.{generation}.{mac}", &zeros[..22]),
        format!("{handle}.{generation}.{mac}="),
        format!("{handle}.{generation}.{mac}.{mac}"),
        format!("{handle}.{generation}."),
        format!("{handle}.{generation}"),
        handle.to_owned(),
        "..".to_owned(),
        own.text("refresh_token").to_lowercase(),
    ] {
        fixture.refresh("sec", &forged).await.is_refused(400, "invalid_grant");
        assert_eq!(fixture.snapshot(), before, "{forged}");
    }
    fixture.refresh("sec", own.text("refresh_token")).await.is_ok();
}

#[tokio::test]
async fn every_byte_of_the_mac_counts() {
    let fixture = Fixture::new();
    let tokens = fixture.tokens("sec").await;
    let token = tokens.text("refresh_token");
    let before = fixture.snapshot();
    for at in 0..token.len() {
        let new = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
        let forged = format!("{}{new}{}", &token[..at], &token[at + 1..]);
        fixture.refresh("sec", &forged).await.is_refused(400, "invalid_grant");
    }
    assert_eq!(fixture.snapshot(), before);
}

#[tokio::test]
async fn nothing_else_passes_for_a_refresh_token_nor_a_refresh_token_for_anything_else() {
    let fixture = Fixture::new();
    let code = fixture.code("sec").await;
    let tokens = fixture.tokens("sec").await;
    let (access, refresh) = (tokens.text("access_token"), tokens.text("refresh_token"));
    let login = fixture.login("alice");
    let ticket =
        fixture.consent(&changed(&code_request("sec"), "prompt", Some("consent")), &login).await.ticket().to_owned();
    let before = fixture.snapshot();
    for other in [access, &code, &ticket] {
        fixture.refresh("sec", other).await.is_refused(400, "invalid_grant");
    }
    for other in [access, refresh, &ticket] {
        fixture.redeem("sec", other).await.is_refused(400, "invalid_grant");
    }
    for other in [refresh, &code, &ticket] {
        assert!(!fixture.is_active(other).await);
    }
    for other in [access, refresh, &code] {
        is_error_page(&fixture.server.decide(other, Some(&login), grantwell::Decision::APPROVE).await);
    }
    assert_eq!(fixture.snapshot(), before);
}

#[tokio::test]
async fn a_token_is_bound_to_its_client_which_authenticates() {
    let fixture = without_grace();
    for (own, others) in [("sec", ["sec2", "pub"]), ("pub", ["pub2", "sec"])] {
        let old = fixture.tokens(own).await;
        let current = fixture.refresh(own, old.text("refresh_token")).await;
        let before = fixture.snapshot();
        for other in others {
            for token in [&old, &current] {
                fixture.refresh(other, token.text("refresh_token")).await.is_refused(400, "invalid_grant");
            }
        }
        let request = [("grant_type", "refresh_token"), ("refresh_token", old.text("refresh_token"))];
        fixture.send(post("/token", &request)).await.is_refused(401, "invalid_client");
        let unproven = [&request[..], &[("client_id", "sec")]].concat();
        fixture.send(post("/token", &unproven)).await.is_refused(401, "invalid_client");
        fixture.send(post_basic("/token", "sec", "wrong", &request)).await.is_refused(401, "invalid_client");
        assert_eq!(fixture.snapshot(), before);
    }
}

#[tokio::test]
async fn a_refresh_may_narrow_the_scope_and_the_next_has_it_all_again() {
    let fixture = Fixture::new();
    let tokens = tokens_for(&fixture, "sec", "profile email").await;
    let narrow = refresh_for(&fixture, "sec", tokens.text("refresh_token"), "email").await;
    assert_eq!(narrow.is_ok().text("scope"), "email");
    let all = fixture.refresh("sec", narrow.text("refresh_token")).await;
    assert_eq!(all.is_ok().text("scope"), "profile email");
}

#[tokio::test]
async fn no_refresh_widens_the_scope() {
    let fixture = Fixture::new();
    let tokens = fixture.tokens("sec").await;
    let before = fixture.snapshot();
    for scope in ["email", "profile email", "admin", "profile  email", "\"", "PROFILE"] {
        refresh_for(&fixture, "sec", tokens.text("refresh_token"), scope).await.is_refused(400, "invalid_scope");
    }
    assert_eq!(fixture.snapshot(), before);
}

#[tokio::test]
async fn the_scope_shrinks_with_the_clients_registration() {
    let fixture = Fixture::new();
    let tokens = tokens_for(&fixture, "sec", "profile email").await;
    fixture.store.insert_client(with_scope("sec", "email other"));
    let refresh_token = tokens.text("refresh_token");
    refresh_for(&fixture, "sec", refresh_token, "profile").await.is_refused(400, "invalid_scope");
    let less = fixture.refresh("sec", refresh_token).await;
    assert_eq!(less.is_ok().text("scope"), "email");
    fixture.store.insert_client(with_scope("sec", "other"));
    fixture.refresh("sec", less.text("refresh_token")).await.is_refused(400, "invalid_grant");
    fixture.store.insert_client(with_scope("sec", "profile email"));
    let all = fixture.refresh("sec", less.text("refresh_token")).await;
    assert_eq!(all.is_ok().text("scope"), "profile email");
}

/// Says what it was told to.
#[derive(Clone)]
struct Says(Arc<Mutex<Verdict>>);

#[async_trait]
impl SubjectPolicy for Says {
    async fn review(&self, _: &Authorization, _: &Client) -> Result<Verdict, StorageError> {
        Ok(self.0.lock().unwrap().clone())
    }
}

#[tokio::test]
async fn the_host_is_asked_about_the_subject_at_each_refresh() {
    let says = Says(Arc::new(Mutex::new(Verdict::Allow)));
    let fixture = Fixture::with(|builder| builder.subject_policy(says.clone()));
    let tokens = tokens_for(&fixture, "sec", "profile email").await;
    let before = fixture.snapshot();
    *says.0.lock().unwrap() = Verdict::Refuse;
    fixture.refresh("sec", tokens.text("refresh_token")).await.is_refused(400, "invalid_grant");
    assert_eq!(fixture.snapshot(), before);
    *says.0.lock().unwrap() = Verdict::Narrow("email".parse().unwrap());
    let less = fixture.refresh("sec", tokens.text("refresh_token")).await;
    assert_eq!(less.is_ok().text("scope"), "email");
}

#[tokio::test]
async fn what_was_revoked_is_not_refreshed() {
    let fixture = Fixture::new();
    let at_client = Selector::SubjectAtClient("alice".into(), "sec".into());
    let session = fixture.server.session_selector("session of alice");
    for selector in [at_client, Selector::Subject("alice".into()), Selector::Client("sec".into()), session] {
        let tokens = fixture.tokens("sec").await;
        fixture.revoke(&selector).await;
        fixture.refresh("sec", tokens.text("refresh_token")).await.is_refused(400, "invalid_grant");
    }
}

#[tokio::test]
async fn a_client_that_was_deleted_or_lost_the_grant_does_not_refresh() {
    let fixture = Fixture::new();
    let tokens = fixture.tokens("sec").await;
    let grant_types = vec!["authorization_code".to_owned()];
    let metadata = ClientMetadata { grant_types, ..metadata(AuthMethod::CLIENT_SECRET_BASIC) };
    fixture.store.insert_client(confidential("sec", metadata));
    fixture.refresh("sec", tokens.text("refresh_token")).await.is_refused(400, "unauthorized_client");
    fixture.store.remove_client(&"sec".into());
    fixture.refresh("sec", tokens.text("refresh_token")).await.is_refused(401, "invalid_client");
}

#[tokio::test]
async fn a_kept_token_stays_the_same_and_each_use_puts_its_end_off() {
    let policy = RefreshPolicy { rotation: Rotation::Keep, idle_lifetime: 100, absolute_lifetime: 250 };
    let fixture = Fixture::refreshing(RefreshToken::with_policy(policy));
    let tokens = fixture.tokens("sec").await;
    let token = tokens.text("refresh_token");
    for _ in 0..2 {
        fixture.clock.advance(99);
        for _ in 0..2 {
            let again = fixture.refresh("sec", token).await;
            assert_eq!(again.is_ok().text("refresh_token"), token);
            assert!(fixture.is_active(again.text("access_token")).await);
        }
    }
    fixture.clock.advance(52);
    fixture.refresh("sec", token).await.is_refused(400, "invalid_grant");
}

#[tokio::test]
async fn the_clients_policy_goes_before_the_servers() {
    let keeping = RefreshPolicy { rotation: Rotation::Keep, ..RefreshPolicy::default() };
    for (server, client, is_kept) in [(keeping, rotating(0), false), (rotating(0), keeping, true)] {
        let fixture = Fixture::refreshing(RefreshToken::with_policy(server));
        fixture.store.insert_client(with_policy("sec2", client));
        for (id, is_kept) in [("sec2", is_kept), ("sec", !is_kept)] {
            let tokens = fixture.tokens(id).await;
            let again = fixture.refresh(id, tokens.text("refresh_token")).await;
            assert_eq!(again.is_ok().text("refresh_token") == tokens.text("refresh_token"), is_kept, "{id}");
        }
    }
}

#[tokio::test]
async fn a_public_clients_tokens_are_rotated_whatever_the_server_does() {
    let fixture = Fixture::refreshing(RefreshToken::keeping());
    let tokens = fixture.tokens("pub").await;
    let next = fixture.refresh("pub", tokens.text("refresh_token")).await;
    assert_ne!(next.is_ok().text("refresh_token"), tokens.text("refresh_token"));
    fixture.clock.advance(GRACE);
    fixture.refresh("pub", tokens.text("refresh_token")).await.is_refused(400, "invalid_grant");
    assert!(!fixture.is_active(next.text("access_token")).await);
    let keeping = RefreshPolicy { rotation: Rotation::Keep, ..RefreshPolicy::default() };
    let policy = ClientPolicy { refresh_token: Some(keeping), ..ClientPolicy::default() };
    assert!(public("pub", metadata(AuthMethod::NONE)).with_policy(policy).is_err());
}

fn short(rotation: Rotation) -> Fixture {
    Fixture::refreshing(RefreshToken::with_policy(RefreshPolicy {
        rotation,
        idle_lifetime: 100,
        absolute_lifetime: 250,
    }))
}

#[tokio::test]
async fn a_token_ends_when_it_is_not_used() {
    for rotation in [Rotation::Keep, Rotation::Rotate { grace: 0 }] {
        let fixture = short(rotation);
        let (early, late) = (fixture.tokens("sec").await, fixture.tokens("sec").await);
        fixture.clock.advance(99);
        fixture.refresh("sec", early.text("refresh_token")).await.is_ok();
        fixture.clock.advance(1);
        fixture.refresh("sec", late.text("refresh_token")).await.is_refused(400, "invalid_grant");
        assert!(fixture.is_active(late.text("access_token")).await, "{rotation:?}");
    }
}

#[tokio::test]
async fn no_use_puts_the_absolute_end_off() {
    for rotation in [Rotation::Keep, Rotation::Rotate { grace: 0 }] {
        let fixture = short(rotation);
        let mut tokens = fixture.tokens("sec").await;
        for wait in [90, 90, 69] {
            fixture.clock.advance(wait);
            tokens = fixture.refresh("sec", tokens.text("refresh_token")).await;
            tokens.is_ok();
        }
        fixture.clock.advance(1);
        fixture.refresh("sec", tokens.text("refresh_token")).await.is_refused(400, "invalid_grant");
    }
}

#[tokio::test]
async fn no_access_token_outlives_the_authorization() {
    let policy = RefreshPolicy { rotation: Rotation::Keep, idle_lifetime: 10_000, absolute_lifetime: 10_000 };
    let fixture = Fixture::refreshing(RefreshToken::with_policy(policy));
    let tokens = fixture.tokens("sec").await;
    assert_eq!(tokens.json["expires_in"], 3600);
    fixture.clock.advance(9_999);
    let last = fixture.refresh("sec", tokens.text("refresh_token")).await;
    let lifetime = last.is_ok().json["expires_in"].as_u64().unwrap();
    assert_eq!(lifetime, 61, "code, refresh token and access token: 60 + 10,000 s after the approval");
    fixture.clock.advance(lifetime - 1);
    assert!(fixture.is_active(last.text("access_token")).await);
    fixture.clock.advance(1);
    assert!(!fixture.is_active(last.text("access_token")).await);
}

/// The answers to 50 refreshes at once with the same token.
async fn refreshed_fifty_times(fixture: &Fixture, token: &str) -> Vec<Answer> {
    let refresh = |fixture: Fixture, token: String| async move { fixture.refresh("sec", &token).await };
    let tasks: Vec<_> = (0..50).map(|_| tokio::spawn(refresh(fixture.clone(), token.to_owned()))).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

/// A fixture where 50 requests read a family before the first one rotates it.
fn all_read_first(refresh: RefreshToken) -> Fixture {
    Fixture::made(|store, clock| {
        let store = Intercepted::new(store, Rendezvous::new("query_refresh_token", 50));
        builder_with(refresh, ISSUER, &store, clock)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_parallel_refreshes_get_one_and_the_same_successor() {
    for fixture in [Fixture::new(), all_read_first(RefreshToken::rotating())] {
        let tokens = fixture.tokens("sec").await;
        let answers = refreshed_fifty_times(&fixture, tokens.text("refresh_token")).await;
        let successor = answers[0].is_ok().text("refresh_token");
        assert_ne!(successor, tokens.text("refresh_token"));
        for answer in &answers {
            assert_eq!(answer.is_ok().text("refresh_token"), successor);
            assert!(fixture.is_active(answer.text("access_token")).await);
        }
        fixture.refresh("sec", successor).await.is_ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_grace_one_of_fifty_wins_and_losing_the_race_is_no_reuse() {
    let fixture = all_read_first(RefreshToken::with_policy(rotating(0)));
    let tokens = fixture.tokens("sec").await;
    let answers = refreshed_fifty_times(&fixture, tokens.text("refresh_token")).await;
    let (winners, losers): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    losers.iter().for_each(|loser| loser.is_refused(400, "invalid_grant"));
    assert_eq!(winners.len(), 1);
    assert!(fixture.is_active(winners[0].text("access_token")).await);
    fixture.refresh("sec", winners[0].text("refresh_token")).await.is_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_parallel_uses_of_a_kept_token_all_succeed() {
    for fixture in [Fixture::refreshing(RefreshToken::keeping()), all_read_first(RefreshToken::keeping())] {
        let tokens = fixture.tokens("sec").await;
        for answer in refreshed_fifty_times(&fixture, tokens.text("refresh_token")).await {
            assert_eq!(answer.is_ok().text("refresh_token"), tokens.text("refresh_token"));
            assert!(fixture.is_active(answer.text("access_token")).await);
        }
    }
}

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let fixture = Fixture::new();
    let first = fixture.tokens("sec").await;
    let second = fixture.refresh("sec", first.text("refresh_token")).await;
    let restarted = fixture.over_the_same_store(|store, clock| builder(ISSUER, store, clock));
    let again = restarted.refresh("sec", first.text("refresh_token")).await;
    assert_eq!(again.is_ok().text("refresh_token"), second.text("refresh_token"));
    let third = restarted.refresh("sec", second.text("refresh_token")).await;
    restarted.clock.advance(GRACE);
    restarted.refresh("sec", first.text("refresh_token")).await.is_refused(400, "invalid_grant");
    assert!(!restarted.is_active(third.text("access_token")).await);
}

/// The same deployment with other secret keys, the current one first.
fn with_keys(fixture: &Fixture, keys: &[u8]) -> Fixture {
    let keys: Vec<_> = keys.iter().map(|byte| SecretKey::from_bytes([*byte; 32])).collect();
    let (current, previous) = (keys[0].clone(), keys[1..].to_vec());
    fixture.over_the_same_store(|store, clock| builder(ISSUER, store, clock).secret_keys(current, previous))
}

#[tokio::test]
async fn a_family_outlives_the_key_it_began_with() {
    let old = with_keys(&Fixture::new(), &[1]);
    let first = old.tokens("sec").await;
    let both = with_keys(&old, &[2, 1]);
    let second = both.refresh("sec", first.text("refresh_token")).await;
    let again = both.refresh("sec", first.text("refresh_token")).await;
    assert_eq!(again.is_ok().text("refresh_token"), second.text("refresh_token"));
    let new = with_keys(&old, &[2]);
    new.refresh("sec", second.text("refresh_token")).await.is_ok();
}

#[tokio::test]
async fn a_token_made_with_a_dropped_key_is_unknown() {
    let old = with_keys(&Fixture::new(), &[1]);
    let first = old.tokens("sec").await;
    let both = with_keys(&old, &[2, 1]);
    let second = both.refresh("sec", first.text("refresh_token")).await;
    let unused = old.tokens("sec").await;
    let new = with_keys(&old, &[2]);
    new.clock.advance(GRACE);
    let before = new.snapshot();
    for token in [&first, &unused] {
        new.refresh("sec", token.text("refresh_token")).await.is_refused(400, "invalid_grant");
    }
    assert_eq!(new.snapshot(), before);
    new.refresh("sec", second.text("refresh_token")).await.is_ok();
}
