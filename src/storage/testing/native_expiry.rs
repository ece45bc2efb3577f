use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::broken::{Checked, ensure, ensure_eq};
use super::checks::{Checks, checks};
use super::refresh_tokens::rotate;
use super::sample::Sample;
use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::error::StorageError;
use crate::model::{Authorization, AuthorizationCode, Issued, RefreshToken};
use crate::storage::{
    AccessTokenStore, AuthorizationCodeStore, AuthorizationStore, CodeState, RefreshTokenStore, ReplayStore, Rotated,
    Selector,
};

impl<S: AuthorizationCodeStore + AccessTokenStore + RefreshTokenStore + AuthorizationStore> Checks<S> {
    /// For a store that forgets by itself what has expired: nothing before its second by the system's clock, everything
    /// within five seconds after it. Takes some eight seconds.
    pub fn native_expiry(self) -> Self {
        self.with(checks![
            a_code_is_forgotten_when_it_need_not_be_retained,
            an_access_token_is_forgotten_when_it_ends,
            a_family_is_forgotten_when_it_ends,
            an_authorization_is_forgotten_when_it_ends,
        ])
    }
}

impl<S: ReplayStore> Checks<S> {
    /// The same of claims. Takes some two seconds.
    pub fn native_expiry_of_claims(self) -> Self {
        self.with(checks![a_claim_is_forgotten_when_it_ends])
    }
}

/// Seconds that a record of these checks is kept.
const LIFETIME: u64 = 2;

/// Seconds that it may be there afterwards.
const PATIENCE: u64 = 5;

/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(50);

/// Records that begin now, and when those end that end first.
fn begin() -> (Sample, Timestamp) {
    let own = Sample::from(SystemClock.now());
    (own, own.at(LIFETIME))
}

/// Whether what `is_there` asks for is there until `end`, and gone soon after.
async fn ends<F>(end: Timestamp, is_there: impl Fn() -> F) -> Checked
where
    F: Future<Output = Result<bool, StorageError>>,
{
    loop {
        let is_there = is_there().await?;
        let now = SystemClock.now();
        if !is_there {
            return ensure(
                now >= end,
                format_args!("it is there until it ends; it was gone {} s before", end.since(now)),
            );
        }
        ensure(now.since(end) < PATIENCE, format_args!("it is gone {PATIENCE} s after it ended"))?;
        sleep(PAUSE).await;
    }
}

async fn a_code_is_forgotten_when_it_need_not_be_retained<S: AuthorizationCodeStore>(store: Arc<S>) -> Checked {
    let (own, end) = begin();
    let code = |n| AuthorizationCode { expires_at: own.at(0), retain_until: end, ..own.code(n) };
    for n in [1, 2] {
        store.save_authorization_code(&code(n)).await?;
    }
    let (active, consumed) = (code(1).code, code(2).code);
    store.delete_authorization_code(&consumed).await?;
    let is_consumed =
        async || Ok(matches!(store.query_authorization_code(&consumed).await?, Some(CodeState::Consumed(_))));
    ends(end, is_consumed).await?;
    ends(end, async || Ok(store.query_authorization_code(&active).await?.is_some())).await?;
    ensure(!store.delete_authorization_code(&active).await?, "a code that was forgotten cannot be consumed")
}

async fn an_access_token_is_forgotten_when_it_ends<S: AccessTokenStore>(store: Arc<S>) -> Checked {
    let (own, end) = begin();
    let (mut issued, mut for_itself) = (own.issued(1, "token"), own.for_itself(&own.client_id("app"), "own"));
    issued.access_token.expires_at = end;
    for_itself.access_token.expires_at = end;
    for issued in [&issued, &for_itself] {
        store.save_token(issued).await?;
    }
    for issued in [issued, for_itself] {
        ends(end, async || Ok(store.query_token(&issued.access_token.token).await?.is_some())).await?;
    }
    Ok(())
}

/// A family that was rotated, which must not prolong its life.
async fn a_family_is_forgotten_when_it_ends<S: RefreshTokenStore>(store: Arc<S>) -> Checked {
    let (own, end) = begin();
    let family = |generation| RefreshToken { idle_until: end, expires_at: end, ..own.family(1, generation) };
    store.save_token(&Issued { refresh_token: Some(family(0)), ..own.issued(1, "token") }).await?;
    ensure_eq(rotate(&*store, 0, &family(1)).await?, Rotated::Saved, "rotating the current generation")?;
    ends(end, async || Ok(store.query_refresh_token(&own.handle(1)).await?.is_some())).await?;
    ensure_eq(rotate(&*store, 1, &family(2)).await?, Rotated::Lost(None), "rotating a family that was forgotten")
}

/// Seen by the list as it was when the authorization began.
async fn an_authorization_is_forgotten_when_it_ends<S>(store: Arc<S>) -> Checked
where
    S: AuthorizationStore + RefreshTokenStore,
{
    let (own, end) = begin();
    let authorization = Some(Authorization { expires_at: end, ..own.authorization(1) });
    let mut issued = Issued { authorization, ..own.issued(1, "token") };
    issued.access_token.expires_at = end;
    store.save_token(&issued).await?;
    let subject = own.subject("alice");
    ends(end, async || Ok(!store.list_authorizations(&subject, own.at(0)).await?.is_empty())).await?;
    let count = store.revoke_authorizations(&Selector::Subject(subject)).await?;
    ensure_eq(count, 0, "authorizations that stood, where all were forgotten")
}

async fn a_claim_is_forgotten_when_it_ends<S: ReplayStore>(store: Arc<S>) -> Checked {
    let (own, end) = begin();
    let id = own.digest("id");
    ensure(store.claim(&id, end).await?, "an id that nobody claimed can be claimed")?;
    ends(end, async || Ok(!store.claim(&id, own.at(60)).await?)).await
}
