//! A store that fails at any call, with an error, by never answering (the request is dropped) or by a panic: the answer,
//! if there is one, is "not now", never a wrong "no" and never a token that is not saved; what was done is done wholly or
//! not at all, and can be done again.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use common::intercept::{Fault, How, Intercepted, When};
use common::*;
use grantwell::grants::RefreshToken;
use grantwell::grants::legacy::{Implicit, Password, PasswordVerifier};
use grantwell::hooks::{SubjectPolicy, Verdict};
use grantwell::model::{
    AuthMethod, Authorization, Client, ClientMetadata, ClientSecret, RefreshPolicy, Rotation, SecretVerifier,
};
use grantwell::storage::AuthorizationStore as _;
use grantwell::stores::MemoryStore;
use grantwell::{Builder, Clock as _, Decision, Login, Secret, StorageError};
use http::Response;

type Store = Intercepted<Arc<Fault>>;

/// One run of a scenario, whose store fails once, at its `k`-th call.
struct Run {
    fixture: Fixture,
    fault: Arc<Fault>,
    k: usize,
}

impl Run {
    /// What a request answers during which the store fails, if anything; `None` when it has fewer calls than that.
    async fn faulted<T>(&self, request: impl Future<Output = T>) -> Option<Option<T>> {
        self.fault.during(self.k, request).await
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

/// What `scenario` says of a fault before each call and of one after each, in their order: the same however the call
/// fails. It says `None` where nothing failed.
async fn at_every_call<T: PartialEq + Debug>(
    build: fn(&Arc<Store>, &ManualClock) -> Builder<Store>,
    scenario: impl AsyncFn(&Run) -> Option<T>,
) -> [Vec<T>; 2] {
    at_every_call_of(Intercepted::new, build, scenario).await
}

async fn at_every_call_of<T: PartialEq + Debug>(
    wrap: fn(&Arc<MemoryStore>, Arc<Fault>) -> Arc<Store>,
    build: fn(&Arc<Store>, &ManualClock) -> Builder<Store>,
    scenario: impl AsyncFn(&Run) -> Option<T>,
) -> [Vec<T>; 2] {
    let outcomes_of = async |how, when| {
        let mut outcomes = Vec::new();
        loop {
            let (fault, k) = (Fault::by(how, when), outcomes.len());
            // The last such line says where a scenario failed.
            println!("{how:?} {when:?} call {k}");
            let fixture = Fixture::made(|store, clock| build(&wrap(store, fault.clone()), clock));
            match scenario(&Run { fixture, fault, k }).await {
                Some(outcome) => outcomes.push(outcome),
                None => return outcomes,
            }
        }
    };
    let errors = [outcomes_of(How::Error, When::Before).await, outcomes_of(How::Error, When::After).await];
    for how in [How::Hang, How::Panic] {
        assert_eq!([outcomes_of(how, When::Before).await, outcomes_of(how, When::After).await], errors, "{how:?}");
    }
    errors
}

#[track_caller]
fn is_not_now(answer: impl Into<Option<Answer>>) {
    if let Some(answer) = answer.into() {
        answer.is_refused(503, "temporarily_unavailable");
        assert_eq!(answer.headers["retry-after"], "1");
    }
}

/// Not now: as a page while the client is looked up, by redirect afterwards.
#[track_caller]
fn is_not_now_there(run: &Run, response: Option<Response<Bytes>>) {
    match response {
        Some(response) if run.k == 0 => {
            assert_eq!(response.status(), 503);
            assert_eq!(response.headers()["retry-after"], "1");
            assert!(!response.headers().contains_key("location"));
        }
        Some(response) => is_error_redirect(&response, "temporarily_unavailable", Some("xyz")),
        None => {}
    }
}

/// Makes the usual authorization request, which fails, and once more, which does not.
async fn authorized_again(run: &Run) -> Option<()> {
    let login = run.fixture.login("alice");
    let response = run.faulted(run.fixture.respond(&code_request("sec"), Some(&login))).await?;
    is_not_now_there(run, response);
    is_redeemed(&run.fixture, &run.fixture.code("sec").await).await;
    Some(())
}

async fn is_redeemed(fixture: &Fixture, code: &str) {
    let tokens = fixture.redeem("sec", code).await;
    assert!(fixture.is_active(tokens.is_ok().text("access_token")).await);
}

#[tokio::test]
async fn an_authorization_request_can_be_made_again() {
    let outcomes = at_every_call(rotating, authorized_again).await;
    assert_eq!(outcomes.map(|outcomes| outcomes.len()), [2, 2], "the client, the consent");
}

#[tokio::test]
async fn a_silent_approval_can_be_made_again() {
    let outcomes = at_every_call(rotating, async |run| {
        run.fixture.code("sec").await;
        authorized_again(run).await
    })
    .await;
    assert_eq!(outcomes.map(|outcomes| outcomes.len()), [3, 3], "the client, the consent, the code");
}

#[tokio::test]
async fn a_decision_can_be_posted_again() {
    let outcomes = at_every_call(rotating, async |run| {
        let login = run.fixture.login("alice");
        let pending = run.fixture.consent(&code_request("sec"), &login).await;
        let decide = || run.fixture.server.decide(pending.ticket(), Some(&login), Decision::APPROVE);
        is_not_now_there(run, run.faulted(decide()).await?);
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
    let before = run.fixture.snapshot();
    is_not_now(run.faulted(run.fixture.redeem("sec", &code)).await?);
    let is_unchanged = run.fixture.snapshot() == before;
    let again = run.fixture.redeem("sec", &code).await;
    if is_unchanged {
        assert!(run.fixture.is_active(again.is_ok().text("access_token")).await);
    } else {
        again.is_refused(400, "invalid_grant");
        let standing = run.fixture.store.list_authorizations(&"alice".into(), run.fixture.clock.now()).await;
        assert_eq!(standing.unwrap(), []);
        is_redeemed(&run.fixture, &run.fixture.code("sec").await).await;
    }
    Some(is_unchanged)
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
        is_not_now(run.faulted(run.fixture.redeem("sec", &code)).await?);
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
            is_not_now(run.faulted(run.fixture.refresh("sec", old)).await?);
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
        is_not_now(run.faulted(run.fixture.refresh("sec", tokens.text("refresh_token"))).await?);
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
        is_not_now(run.faulted(run.fixture.refresh("sec", first.text("refresh_token"))).await?);
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
        is_not_now(run.faulted(run.fixture.token("cc", &request)).await?);
        let again = run.fixture.token("cc", &request).await;
        assert!(run.fixture.is_active(again.is_ok().text("access_token")).await);
        Some(())
    })
    .await;
    assert_eq!(outcomes.map(|outcomes| outcomes.len()), [2, 2], "the client, the token");
}

/// Whatever the password.
struct Alice(ManualClock);

#[async_trait]
impl PasswordVerifier for Alice {
    async fn verify(&self, _: &str, _: &Secret, _: &Client) -> Result<Option<Login>, StorageError> {
        Ok(Some(Login::new("alice", "s", self.0.now())))
    }
}

fn with_legacy(store: &Arc<Store>, clock: &ManualClock) -> Builder<Store> {
    builder(ISSUER, store, clock).grant(Implicit::new()).grant(Password::new(Alice(clock.clone())))
}

/// Has the implicit and the password grant.
fn old() -> Client {
    let metadata = ClientMetadata {
        grant_types: ["implicit", "password", "refresh_token"].map(str::to_owned).into(),
        response_types: vec!["token".to_owned()],
        ..metadata(AuthMethod::CLIENT_SECRET_BASIC)
    };
    confidential("old", metadata)
}

#[tokio::test]
async fn an_implicit_decision_can_be_posted_again() {
    let outcomes = at_every_call(with_legacy, async |run| {
        run.fixture.store.insert_client(old());
        let login = run.fixture.login("alice");
        let request = [("response_type", "token"), ("client_id", "old"), ("scope", "profile"), ("state", "xyz")];
        let pending = run.fixture.consent(&request, &login).await;
        let decide = || run.fixture.server.decide(pending.ticket(), Some(&login), Decision::APPROVE);
        is_not_now_there(run, run.faulted(decide()).await?);
        let token = redirect_param(&decide().await, "access_token").unwrap();
        assert!(run.fixture.is_active(&token).await);
        Some(())
    })
    .await;
    assert_eq!(outcomes.map(|outcomes| outcomes.len()), [4, 4], "the client, the token, the consent before and after");
}

#[tokio::test]
async fn a_password_can_be_used_again() {
    let outcomes = at_every_call(with_legacy, async |run| {
        run.fixture.store.insert_client(old());
        let request = [("grant_type", "password"), ("username", "alice"), ("password", "right"), ("scope", "profile")];
        is_not_now(run.faulted(run.fixture.token("old", &request)).await?);
        let again = run.fixture.token("old", &request).await;
        assert!(run.fixture.is_active(again.is_ok().text("access_token")).await);
        run.fixture.refresh("old", again.text("refresh_token")).await.is_ok();
        Some(())
    })
    .await;
    assert_eq!(outcomes.map(|outcomes| outcomes.len()), [2, 2], "the client, the tokens");
}

#[tokio::test]
async fn a_logout_can_be_made_again() {
    let outcomes = at_every_call(rotating, async |run| {
        let tokens = run.fixture.tokens("sec").await;
        let session = run.fixture.server.session_selector("session of alice");
        let revoked = run.faulted(run.fixture.server.revoke_authorizations(&session)).await?;
        assert!(revoked.is_none_or(|revoked| revoked.unwrap_err().status() == 503));
        let was_active = run.fixture.is_active(tokens.text("access_token")).await;
        assert_eq!(run.fixture.revoke(&session).await, usize::from(was_active));
        assert!(!run.fixture.is_active(tokens.text("access_token")).await);
        Some(was_active)
    })
    .await;
    assert_eq!(outcomes, [[true], [false]]);
}

#[tokio::test]
async fn a_revocation_that_failed_is_never_called_done() {
    for name in ["access_token", "refresh_token"] {
        let outcomes = at_every_call(rotating, async |run| {
            let tokens = run.fixture.tokens("sec").await;
            let before = run.fixture.snapshot();
            let request = [("token", tokens.text(name))];
            is_not_now(run.faulted(run.fixture.post_as("/revoke", "sec", &request)).await?);
            let was_active = run.fixture.is_active(tokens.text("access_token")).await;
            assert_eq!(was_active, run.fixture.snapshot() == before);
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
            is_not_now(run.faulted(run.fixture.post_as("/introspect", "sec", &request)).await?);
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
    is_not_now(fixture.redeem("sec", &code).await);
    let repaired = fixture.over_the_same_store(|store, clock| builder(ISSUER, store, clock));
    let tokens = repaired.redeem("sec", &code).await;
    is_not_now(fixture.refresh("sec", tokens.is_ok().text("refresh_token")).await);
    let secret = ClientSecret::Verifier(Arc::new(Away));
    let metadata = metadata(AuthMethod::CLIENT_SECRET_BASIC);
    fixture.store.insert_client(Client::new("sec".into(), Some(secret), metadata).unwrap());
    is_not_now(fixture.refresh("sec", tokens.text("refresh_token")).await);
}
