use std::sync::Arc;

use super::access_tokens::{is_alive, is_found};
use super::authorization_codes::{is_active, is_consumed};
use super::broken::{Broken, Checked, ensure, ensure_eq};
use super::checks::{Checks, checks};
use super::race::race;
use super::refresh_tokens::{is_family, rotate};
use super::sample::Sample;
use crate::clock::Timestamp;
use crate::storage::{
    AccessTokenStore, AuthorizationCodeStore, AuthorizationStore, PurgeStore, RefreshTokenStore, ReplayStore,
    RevocationStore, Rotated, Selector,
};

impl<S: PurgeStore + AuthorizationCodeStore + AccessTokenStore> Checks<S> {
    /// Purging of codes and access tokens, in batches. It empties the store of all that expires.
    pub fn purge(self) -> Self {
        self.with(checks![
            an_access_token_is_purged_in_the_second_it_ends,
            a_code_is_purged_when_it_need_not_be_retained,
            a_purge_is_bounded_and_comes_to_an_end,
            each_record_is_purged_once_by_many,
        ])
    }
}

impl<S: PurgeStore + RefreshTokenStore> Checks<S> {
    /// Purging of refresh tokens. It empties the store of all that expires.
    pub fn purge_of_refresh_tokens(self) -> Self {
        self.with(checks![a_family_is_purged_in_the_second_it_ends])
    }
}

impl<S: PurgeStore + AuthorizationStore + RevocationStore + AccessTokenStore> Checks<S> {
    /// Purging of authorizations and of what was revoked. It empties the store of all that expires.
    pub fn purge_of_authorizations(self) -> Self {
        self.with(checks![an_authorization_is_purged_in_the_second_it_ends, what_was_revoked_is_kept_until_it_ends,])
    }
}

impl<S: PurgeStore + ReplayStore> Checks<S> {
    /// Purging of claims. It empties the store of all that expires.
    pub fn purge_of_claims(self) -> Self {
        self.with(checks![a_claim_is_purged_in_the_second_it_ends])
    }
}

const BATCH: usize = 1_000;

/// Purges everything that ends at all, so that what is purged afterwards can be counted.
async fn empty<S: PurgeStore>(store: &S) -> Checked {
    for _ in 0..10_000 {
        if store.purge(Timestamp::from_unix(u64::MAX), BATCH).await? == 0 {
            return Ok(());
        }
    }
    Err(Broken::new("purging does not come to an end"))
}

async fn purges<S: PurgeStore>(store: &S, own: &Sample, second: u64, expected: usize) -> Checked {
    let purged = store.purge(own.at(second), BATCH).await?;
    ensure_eq(purged, expected, format_args!("records purged at second {second}"))
}

async fn an_access_token_is_purged_in_the_second_it_ends<S: PurgeStore + AccessTokenStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    let for_itself = own.for_itself(&own.client_id("app"), "own");
    empty(&*store).await?;
    store.save_token(&own.issued(1, "token")).await?;
    store.save_token(&for_itself).await?;
    for second in [0, 299] {
        purges(&*store, &own, second, 0).await?;
        is_found(&*store, &own.access_token(1, "token"), Some(&own.authorization(1))).await?;
        is_found(&*store, &for_itself.access_token, None).await?;
    }
    purges(&*store, &own, 300, 2).await?;
    for name in ["token", "own"] {
        ensure(!is_alive(&*store, &own.digest(name)).await?, "a token that was purged is unknown")?;
    }
    purges(&*store, &own, 300, 0).await
}

async fn a_code_is_purged_when_it_need_not_be_retained<S: PurgeStore + AuthorizationCodeStore>(
    store: Arc<S>,
) -> Checked {
    let own = Sample::new();
    empty(&*store).await?;
    for n in [1, 2] {
        store.save_authorization_code(&own.code(n)).await?;
    }
    store.delete_authorization_code(&own.code(2).code).await?;
    // At second 60 they end, but could be minted again.
    for second in [60, 899] {
        purges(&*store, &own, second, 0).await?;
        is_active(&*store, &own.code(1)).await?;
        is_consumed(&*store, &own.code(2)).await?;
        ensure(!store.save_authorization_code(&own.code(2)).await?, "a code that was consumed is not inserted")?;
    }
    purges(&*store, &own, 900, 2).await?;
    for n in [1, 2] {
        ensure_eq(store.query_authorization_code(&own.code(n).code).await?, None, "a code that was purged")?;
    }
    purges(&*store, &own, 999, 0).await?;
    purges(&*store, &own, 1_000, 2).await
}

/// Saves ten codes and what they bought: thirty records, with their authorizations.
async fn save_thirty<S: AuthorizationCodeStore>(store: &S, own: &Sample) -> Checked {
    for n in 0..10 {
        store.save_authorization_code(&own.code(n)).await?;
        store.redeem_authorization_code(&own.code(n).code, &own.issued(n, n)).await?;
    }
    Ok(())
}

async fn a_purge_is_bounded_and_comes_to_an_end<S: PurgeStore + AuthorizationCodeStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    empty(&*store).await?;
    save_thirty(&*store, &own).await?;
    ensure_eq(store.purge(own.at(1_000), 0).await?, 0, "records purged where none may be")?;
    let mut purged = 0;
    while purged < 30 {
        let batch = store.purge(own.at(1_000), 7).await?;
        ensure((1..=7).contains(&batch), format_args!("a batch of at most 7 has 1 to 7 records; it has {batch}"))?;
        purged += batch;
    }
    ensure_eq(purged, 30, "records purged in all")?;
    ensure_eq(store.purge(own.at(1_000), 7).await?, 0, "records purged where none are left")
}

async fn each_record_is_purged_once_by_many<S: PurgeStore + AuthorizationCodeStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    empty(&*store).await?;
    save_thirty(&*store, &own).await?;
    let purge = move |store: Arc<S>, _| async move { store.purge(own.at(1_000), 4).await };
    let counts = race(&store, purge).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
    ensure(counts.iter().all(|count| *count <= 4), "a batch of at most 4 has no more")?;
    // Who found the others' records taken may have answered early.
    let mut purged: usize = counts.iter().sum();
    while purged < 30 {
        let batch = store.purge(own.at(1_000), BATCH).await?;
        ensure(batch > 0, format_args!("all of 30 records are purged and counted; {purged} are"))?;
        purged += batch;
    }
    ensure_eq(purged, 30, "records purged, as all callers count them")
}

async fn a_family_is_purged_in_the_second_it_ends<S: PurgeStore + RefreshTokenStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    empty(&*store).await?;
    for n in [1, 2] {
        store.save_token(&own.issued_with_family(n, n)).await?;
    }
    ensure_eq(rotate(&*store, 0, &own.family(2, 1)).await?, Rotated::Saved, "rotating the current generation")?;
    // The three access tokens end before.
    for (second, purged) in [(300, 3), (500, 0), (599, 0)] {
        purges(&*store, &own, second, purged).await?;
        is_family(&*store, &own.family(1, 0), &own.authorization(1)).await?;
        is_family(&*store, &own.family(2, 1), &own.authorization(2)).await?;
    }
    purges(&*store, &own, 600, 2).await?;
    for n in [1, 2] {
        ensure_eq(store.query_refresh_token(&own.handle(n)).await?, None, "a refresh token that was purged")?;
        let lost = rotate(&*store, n as u64 - 1, &own.family(n, n as u64)).await?;
        ensure_eq(lost, Rotated::Lost(None), "rotating a refresh token that was purged")?;
    }
    Ok(())
}

async fn an_authorization_is_purged_in_the_second_it_ends<
    S: PurgeStore + AuthorizationStore + RevocationStore + AccessTokenStore,
>(
    store: Arc<S>,
) -> Checked {
    let own = Sample::new();
    let subject = own.subject("alice");
    empty(&*store).await?;
    store.save_token(&own.issued(1, "token")).await?;
    for (second, purged) in [(300, 1), (999, 0)] {
        purges(&*store, &own, second, purged).await?;
        let listed = store.list_authorizations(&subject, own.at(0)).await?;
        ensure_eq(listed, vec![own.authorization(1)], "the authorizations before they end")?;
    }
    purges(&*store, &own, 1_000, 1).await?;
    let listed = store.list_authorizations(&subject, own.at(0)).await?;
    ensure_eq(listed, Vec::new(), "the authorizations that are left")?;
    let count = store.revoke_authorizations(&Selector::Subject(subject)).await?;
    ensure_eq(count, 0, "authorizations that stood, where all were purged")
}

async fn what_was_revoked_is_kept_until_it_ends<
    S: PurgeStore + AuthorizationStore + RevocationStore + AccessTokenStore,
>(
    store: Arc<S>,
) -> Checked {
    let own = Sample::new();
    empty(&*store).await?;
    store.save_token(&own.issued(1, "token")).await?;
    store.save_token(&own.issued(2, "other")).await?;
    store.revoke_token(&own.digest("token")).await?;
    store.revoke_authorizations(&Selector::Authorization(own.authorization_id(2))).await?;
    purges(&*store, &own, 299, 0).await?;
    ensure(store.save_token(&own.issued(1, "token")).await.is_err(), "a revoked token is not saved again")?;
    purges(&*store, &own, 300, 2).await?;
    purges(&*store, &own, 999, 0).await?;
    store.save_token(&own.issued(2, "later")).await?;
    ensure(!is_alive(&*store, &own.digest("later")).await?, "a token of a revoked authorization is dead")?;
    purges(&*store, &own, 1_000, 3).await
}

async fn a_claim_is_purged_in_the_second_it_ends<S: PurgeStore + ReplayStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    let (first, second) = (own.digest("first"), own.digest("second"));
    empty(&*store).await?;
    ensure(store.claim(&first, own.at(10)).await?, "an id that nobody claimed can be claimed")?;
    ensure(store.claim(&second, own.at(20)).await?, "an id that nobody claimed can be claimed")?;
    purges(&*store, &own, 9, 0).await?;
    // Who is told no changes nothing about the claim.
    ensure(!store.claim(&first, own.at(30)).await?, "an id is not claimed a second time")?;
    purges(&*store, &own, 10, 1).await?;
    ensure(!store.claim(&second, own.at(20)).await?, "an id is not claimed a second time")?;
    ensure(store.claim(&first, own.at(20)).await?, "an id whose claim was purged can be claimed")?;
    purges(&*store, &own, 20, 2).await
}
