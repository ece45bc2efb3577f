//! A store that fails at any call, and a request that is dropped at any point: the answer is "not now", never a wrong
//! "no" and never a token that is not saved; what was done is done wholly or not at all.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use async_trait::async_trait;
use bytes::Bytes;
use common::intercept::{Fault, Intercepted, When, Yielding};
use common::*;
use grantwell::grants::RefreshToken;
use grantwell::hooks::{SubjectPolicy, Verdict};
use grantwell::model::{AuthMethod, Authorization, Client, ClientSecret, RefreshPolicy, Rotation, SecretVerifier};
use grantwell::storage::{AuthorizationCodeStore as _, CodeState};
use grantwell::{Authorize, Builder, Decision, Digest, Secret, StorageError};
use http::Response;

type Store = Intercepted<Arc<Fault>>;

/// One run of a scenario, whose store fails once, at its `k`-th call.
struct Run {
    fixture: Fixture,
    fault: Arc<Fault>,
    k: usize,
}

impl Run {
    /// The answer to a request during which the store failed; `None` when the request has fewer calls than that.
    async fn faulted<T>(&self, request: impl Future<Output = T>) -> Option<T> {
        self.fault.arm(self.k);
        let answer = request.await;
        (!self.fault.disarm()).then_some(answer)
    }

    async fn is_consumed(&self, code: &str) -> bool {
        let state = self.fixture.store.query_authorization_code(&Digest::of(code)).await.unwrap();
        matches!(state, Some(CodeState::Consumed(_)))
    }
}

fn rotating(store: &Arc<Store>, clock: &ManualClock) -> Builder<Store> {
    builder(ISSUER, store, clock)
}

fn reusing_at_once(store: &Arc<Store>, clock: &ManualClock) -> Builder<Store> {
    let policy = RefreshPolicy { rotation: Rotation::Rotate { grace: 0 }, ..RefreshPolicy::default() };
    builder_with(RefreshToken::with_policy(policy), ISSUER, store, clock)
}

fn keeping(store: &Arc<Store>, clock: &ManualClock) -> Builder<Store> {
    builder_with(RefreshToken::keeping(), ISSUER, store, clock)
}

/// What `scenario` says of a fault before each call and of a lost reply of each, in their order. It says `None` where
/// nothing failed.
async fn at_every_call<T>(
    build: fn(&Arc<Store>, &ManualClock) -> Builder<Store>,
    scenario: impl AsyncFn(&Run) -> Option<T>,
) -> [Vec<T>; 2] {
    at_every_call_of(Intercepted::new, build, scenario).await
}

async fn at_every_call_of<T>(
    wrap: fn(&Arc<grantwell::stores::MemoryStore>, Arc<Fault>) -> Arc<Store>,
    build: fn(&Arc<Store>, &ManualClock) -> Builder<Store>,
    scenario: impl AsyncFn(&Run) -> Option<T>,
) -> [Vec<T>; 2] {
    let mut outcomes = [Vec::new(), Vec::new()];
    for (when, outcomes) in [When::Before, When::After].into_iter().zip(&mut outcomes) {
        for k in 0.. {
            let fault = Fault::new(when);
            let fixture = Fixture::made(|store, clock| build(&wrap(store, fault.clone()), clock));
            match scenario(&Run { fixture, fault, k }).await {
                Some(outcome) => outcomes.push(outcome),
                None => break,
            }
        }
    }
    outcomes
}

#[track_caller]
fn is_not_now(answer: &Answer) {
    answer.is_refused(503, "temporarily_unavailable");
    assert_eq!(answer.headers["retry-after"], "1");
}

/// Not now, as a page or by redirect.
#[track_caller]
fn is_not_now_there(response: &Response<Bytes>) {
    if response.status() == 503 {
        assert_eq!(response.headers()["retry-after"], "1");
        assert!(!response.headers().contains_key("location"));
    } else {
        is_error_redirect(response, "temporarily_unavailable", Some("xyz"));
    }
}

async fn respond(run: &Run) -> Option<Response<Bytes>> {
    let login = run.fixture.login("alice");
    match run.faulted(run.fixture.authorize(&code_request("sec"), Some(&login))).await? {
        Authorize::Respond(response) => Some(response),
        other => panic!("no answer: {other:?}"),
    }
}

async fn is_redeemed(fixture: &Fixture, code: &str) {
    let tokens = fixture.redeem("sec", code).await;
    assert!(fixture.is_active(tokens.is_ok().text("access_token")).await);
}

#[tokio::test]
async fn an_authorization_request_can_be_made_again() {
    let outcomes = at_every_call(rotating, async |run| {
        let response = respond(run).await?;
        is_not_now_there(&response);
        is_redeemed(&run.fixture, &run.fixture.code("sec").await).await;
        Some(response.status().as_u16())
    })
    .await;
    assert_eq!(outcomes, [[503, 303], [503, 303]], "the client is looked up, then the consent");
}

#[tokio::test]
async fn a_silent_approval_can_be_made_again() {
    let outcomes = at_every_call(rotating, async |run| {
        run.fixture.code("sec").await;
        let response = respond(run).await?;
        is_not_now_there(&response);
        is_redeemed(&run.fixture, &run.fixture.code("sec").await).await;
        Some(response.status().as_u16())
    })
    .await;
    assert_eq!(outcomes, [[503, 303, 303], [503, 303, 303]], "the client, the consent, the code");
}

#[tokio::test]
async fn a_decision_can_be_posted_again() {
    let outcomes = at_every_call(rotating, async |run| {
        let login = run.fixture.login("alice");
        let pending = run.fixture.consent(&code_request("sec"), &login).await;
        let decide = || run.fixture.server.decide(pending.ticket(), Some(&login), Decision::APPROVE);
        is_not_now_there(&run.faulted(decide()).await?);
        let code = redirect_param(&decide().await, "code").unwrap();
        is_redeemed(&run.fixture, &code).await;
        Some(())
    })
    .await;
    assert_eq!(outcomes.map(|outcomes| outcomes.len()), [4, 4], "the client, the code, the consent before and after");
}

/// Whether the second try got tokens; if not, the code is gone with everything it bought.
async fn redeemed_again(run: &Run) -> Option<bool> {
    let code = run.fixture.code("sec").await;
    is_not_now(&run.faulted(run.fixture.redeem("sec", &code)).await?);
    let is_consumed = run.is_consumed(&code).await;
    let again = run.fixture.redeem("sec", &code).await;
    if is_consumed {
        again.is_refused(400, "invalid_grant");
        is_redeemed(&run.fixture, &run.fixture.code("sec").await).await;
    } else {
        assert!(run.fixture.is_active(again.is_ok().text("access_token")).await);
    }
    Some(!is_consumed)
}

#[tokio::test]
async fn a_code_survives_every_fault_but_a_reply_that_is_lost_after_the_commit() {
    let outcomes = at_every_call(rotating, redeemed_again).await;
    assert_eq!(outcomes, [[true, true, true], [true, true, false]], "the client, the code, the commit");
}

#[tokio::test]
async fn without_transactions_a_fault_between_the_two_writes_loses_the_code() {
    let outcomes = at_every_call_of(Intercepted::without_transactions, rotating, redeemed_again).await;
    assert_eq!(outcomes, [[true, true, true, false], [true, true, false, false]]);
}

#[tokio::test]
async fn a_replay_revokes_at_the_second_try_at_the_latest() {
    let outcomes = at_every_call(rotating, async |run| {
        let code = run.fixture.code("sec").await;
        let tokens = run.fixture.redeem("sec", &code).await;
        is_not_now(&run.faulted(run.fixture.redeem("sec", &code)).await?);
        run.fixture.redeem("sec", &code).await.is_refused(400, "invalid_grant");
        assert!(!run.fixture.is_active(tokens.text("access_token")).await);
        Some(())
    })
    .await;
    assert_eq!(outcomes.map(|outcomes| outcomes.len()), [3, 3]);
}

#[tokio::test]
async fn a_refresh_can_be_made_again() {
    for (build, keeps) in [(rotating as fn(&_, &_) -> _, false), (keeping, true)] {
        let outcomes = at_every_call(build, async |run| {
            let tokens = run.fixture.tokens("sec").await;
            let old = tokens.text("refresh_token");
            is_not_now(&run.faulted(run.fixture.refresh("sec", old)).await?);
            let again = run.fixture.refresh("sec", old).await;
            assert!(run.fixture.is_active(again.is_ok().text("access_token")).await);
            assert_eq!(again.text("refresh_token") == old, keeps);
            run.fixture.refresh("sec", again.text("refresh_token")).await.is_ok();
            Some(())
        })
        .await;
        assert_eq!(outcomes.map(|outcomes| outcomes.len()), [3, 3], "the client, the family, the commit");
    }
}

#[tokio::test]
async fn a_repeated_refresh_can_be_made_again() {
    let outcomes = at_every_call(rotating, async |run| {
        let tokens = run.fixture.tokens("sec").await;
        let next = run.fixture.refresh("sec", tokens.text("refresh_token")).await;
        is_not_now(&run.faulted(run.fixture.refresh("sec", tokens.text("refresh_token"))).await?);
        let again = run.fixture.refresh("sec", tokens.text("refresh_token")).await;
        assert_eq!(again.is_ok().text("refresh_token"), next.text("refresh_token"));
        Some(())
    })
    .await;
    assert_eq!(outcomes.map(|outcomes| outcomes.len()), [3, 3]);
}

#[tokio::test]
async fn a_reuse_revokes_at_the_second_try_at_the_latest() {
    let outcomes = at_every_call(reusing_at_once, async |run| {
        let first = run.fixture.tokens("sec").await;
        let second = run.fixture.refresh("sec", first.text("refresh_token")).await;
        is_not_now(&run.faulted(run.fixture.refresh("sec", first.text("refresh_token"))).await?);
        run.fixture.refresh("sec", first.text("refresh_token")).await.is_refused(400, "invalid_grant");
        assert!(!run.fixture.is_active(second.text("access_token")).await);
        Some(())
    })
    .await;
    assert_eq!(outcomes.map(|outcomes| outcomes.len()), [3, 3]);
}

#[tokio::test]
async fn client_credentials_can_be_used_again() {
    let outcomes = at_every_call(rotating, async |run| {
        let request = [("grant_type", "client_credentials")];
        is_not_now(&run.faulted(run.fixture.token("cc", &request)).await?);
        let again = run.fixture.token("cc", &request).await;
        assert!(run.fixture.is_active(again.is_ok().text("access_token")).await);
        Some(())
    })
    .await;
    assert_eq!(outcomes.map(|outcomes| outcomes.len()), [2, 2], "the client, the token");
}

#[tokio::test]
async fn a_revocation_that_failed_is_never_called_done() {
    for name in ["access_token", "refresh_token"] {
        let outcomes = at_every_call(rotating, async |run| {
            let tokens = run.fixture.tokens("sec").await;
            let request = [("token", tokens.text(name))];
            is_not_now(&run.faulted(run.fixture.post_as("/revoke", "sec", &request)).await?);
            let was_active = run.fixture.is_active(tokens.text("access_token")).await;
            run.fixture.post_as("/revoke", "sec", &request).await.is_ok();
            assert!(!run.fixture.is_active(tokens.text("access_token")).await);
            Some(was_active)
        })
        .await;
        assert_eq!(outcomes, [[true, true, true], [true, true, false]], "{name}");
    }
}

#[tokio::test]
async fn a_token_is_never_called_inactive_for_a_fault() {
    for name in ["access_token", "refresh_token"] {
        let outcomes = at_every_call(rotating, async |run| {
            let tokens = run.fixture.tokens("sec").await;
            let request = [("token", tokens.text(name))];
            is_not_now(&run.faulted(run.fixture.post_as("/introspect", "sec", &request)).await?);
            let again = run.fixture.post_as("/introspect", "sec", &request).await;
            assert_eq!(again.is_ok().json["active"], true);
            Some(())
        })
        .await;
        assert_eq!(outcomes.map(|outcomes| outcomes.len()), [2, 2], "{name}");
    }
}

/// A host whose users and vault cannot be reached.
struct Away;

#[async_trait]
impl SubjectPolicy for Away {
    async fn review(&self, _: &Authorization, _: &Client) -> Result<Verdict, StorageError> {
        Err(StorageError::new("the directory is away"))
    }
}

#[async_trait]
impl SecretVerifier for Away {
    async fn verify(&self, _: &Secret) -> Result<bool, StorageError> {
        Err(StorageError::new("the vault is away"))
    }
}

#[tokio::test]
async fn a_fault_of_the_hosts_other_hooks_is_not_now_either() {
    let fixture = Fixture::with(|builder| builder.subject_policy(Away));
    let code = fixture.code("sec").await;
    is_not_now(&fixture.redeem("sec", &code).await);
    let repaired = fixture.over_the_same_store(|store, clock| builder(ISSUER, store, clock));
    let tokens = repaired.redeem("sec", &code).await;
    is_not_now(&fixture.refresh("sec", tokens.is_ok().text("refresh_token")).await);
    let secret = ClientSecret::Verifier(Arc::new(Away));
    let metadata = metadata(AuthMethod::CLIENT_SECRET_BASIC);
    fixture.store.insert_client(Client::new("sec".into(), Some(secret), metadata).unwrap());
    is_not_now(&fixture.refresh("sec", tokens.text("refresh_token")).await);
}

/// Polls the request `polls` times and drops it. Whether it was dropped before its end.
fn dropped<T>(request: impl Future<Output = T>, polls: usize) -> bool {
    let mut request = pin!(request);
    let mut context = Context::from_waker(Waker::noop());
    (0..polls).all(|_| request.as_mut().poll(&mut context).is_pending())
}

/// A fixture that gives way at every call, and one over the same store that does not.
fn yielding(has_transactions: bool) -> (Fixture, Fixture) {
    let wrap = if has_transactions { Intercepted::new } else { Intercepted::without_transactions };
    let fixture = Fixture::made(|store, clock| builder(ISSUER, &wrap(store, Yielding), clock));
    let direct = fixture.over_the_same_store(|store, clock| builder(ISSUER, store, clock));
    (fixture, direct)
}

/// What `scenario` says of a request that is dropped at its first, second, ... point; `None` at its end.
async fn at_every_point<T>(
    has_transactions: bool,
    scenario: impl AsyncFn(&Fixture, &Fixture, usize) -> Option<T>,
) -> Vec<T> {
    let mut outcomes = Vec::new();
    for polls in 1.. {
        let (fixture, direct) = yielding(has_transactions);
        match scenario(&fixture, &direct, polls).await {
            Some(outcome) => outcomes.push(outcome),
            None => break,
        }
    }
    outcomes
}

async fn redeemed_after_a_drop(fixture: &Fixture, direct: &Fixture, polls: usize) -> Option<bool> {
    let code = direct.code("sec").await;
    let before = direct.snapshot();
    dropped(fixture.redeem("sec", &code), polls).then_some(())?;
    let is_unchanged = direct.snapshot() == before;
    let again = direct.redeem("sec", &code).await;
    if is_unchanged {
        assert!(direct.is_active(again.is_ok().text("access_token")).await);
    } else {
        again.is_refused(400, "invalid_grant");
        is_redeemed(direct, &direct.code("sec").await).await;
    }
    Some(is_unchanged)
}

#[tokio::test]
async fn a_dropped_redemption_happened_or_did_not() {
    let outcomes = at_every_point(true, redeemed_after_a_drop).await;
    assert_eq!(outcomes, [true, true, true, true, true, false]);
    let outcomes = at_every_point(false, redeemed_after_a_drop).await;
    assert_eq!(outcomes, [true, true, true, true, true, false, false, false]);
}

#[tokio::test]
async fn a_dropped_refresh_can_be_made_again() {
    let outcomes = at_every_point(true, async |fixture, direct, polls| {
        let tokens = direct.tokens("sec").await;
        let old = tokens.text("refresh_token");
        dropped(fixture.refresh("sec", old), polls).then_some(())?;
        let again = direct.refresh("sec", old).await;
        assert!(direct.is_active(again.is_ok().text("access_token")).await);
        direct.refresh("sec", again.text("refresh_token")).await.is_ok();
        Some(())
    })
    .await;
    assert_eq!(outcomes.len(), 6);
}

#[tokio::test]
async fn a_dropped_decision_can_be_posted_again() {
    let outcomes = at_every_point(true, async |fixture, direct, polls| {
        let login = direct.login("alice");
        let pending = direct.consent(&code_request("sec"), &login).await;
        let request = fixture.server.decide(pending.ticket(), Some(&login), Decision::APPROVE);
        dropped(request, polls).then_some(())?;
        let again = direct.server.decide(pending.ticket(), Some(&login), Decision::APPROVE).await;
        is_redeemed(direct, &redirect_param(&again, "code").unwrap()).await;
        Some(())
    })
    .await;
    assert_eq!(outcomes.len(), 8);
}

#[tokio::test]
async fn a_dropped_revocation_happened_or_did_not() {
    for name in ["access_token", "refresh_token"] {
        let outcomes = at_every_point(true, async |fixture, direct, polls| {
            let tokens = direct.tokens("sec").await;
            let before = direct.snapshot();
            let request = [("token", tokens.text(name))];
            dropped(fixture.post_as("/revoke", "sec", &request), polls).then_some(())?;
            let is_active = direct.is_active(tokens.text("access_token")).await;
            assert_eq!(is_active, direct.snapshot() == before);
            direct.post_as("/revoke", "sec", &request).await.is_ok();
            assert!(!direct.is_active(tokens.text("access_token")).await);
            Some(is_active)
        })
        .await;
        assert_eq!(outcomes, [true, true, true, true, true, false], "{name}");
    }
}
