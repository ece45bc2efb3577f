use std::sync::Arc;

use super::broken::{Broken, Checked, ensure, ensure_eq, ensure_same};
use super::checks::{Checks, checks};
use super::race::{race, rounds};
use super::sample::Sample;
use super::similar::other_case;
use crate::error::StorageError;
use crate::model::{Authorization, Issued, KeyId, RefreshToken};
use crate::storage::{AuthorizationCodeStore, Redeemed, RefreshTokenStore, Rotated, Selector};

impl<S: RefreshTokenStore + AuthorizationCodeStore> Checks<S> {
    /// Refresh tokens: each generation has one successor, and who comes too late learns which.
    pub fn refresh_tokens(self) -> Self {
        self.with(checks![
            an_unknown_family_is_none_and_is_not_rotated,
            every_field_of_a_family_and_its_authorization_reads_as_it_was_saved,
            families_are_told_apart_by_case,
            a_code_buys_the_family_too,
            a_family_without_its_authorization_is_dead,
            a_family_is_saved_once,
            a_rotation_compares_the_generation_and_swaps_the_state,
            a_rotation_that_keeps_the_generation_is_saved,
            a_generation_has_one_successor_and_every_loser_learns_it,
            a_kept_generation_is_saved_by_all_of_many,
            a_family_under_a_revoked_authorization_is_not_revived,
            a_family_rotated_while_it_is_revoked_is_dead_afterwards,
        ])
    }
}

/// Rotates with a new access token.
pub(super) async fn rotate<S: RefreshTokenStore>(
    store: &S,
    expected: u64,
    next: &RefreshToken,
) -> Result<Rotated, StorageError> {
    store.rotate_refresh_token(expected, next, &Sample::next_token(next)).await
}

/// Whether the family is found in that state, with that authorization.
pub(super) async fn is_family<S: RefreshTokenStore>(
    store: &S,
    family: &RefreshToken,
    authorization: &Authorization,
) -> Checked {
    let found = store.query_refresh_token(&family.handle).await?;
    ensure_same(found.as_ref().map(|found| found.token.clone()), family, "a refresh token")?;
    ensure_same(found.map(|found| found.authorization), authorization, "the authorization of a refresh token")
}

async fn is_unknown<S: RefreshTokenStore>(store: &S, family: &RefreshToken) -> Checked {
    ensure_eq(store.query_refresh_token(&family.handle).await?, None, "a refresh token that is unknown or dead")
}

async fn an_unknown_family_is_none_and_is_not_rotated<S: RefreshTokenStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    store.save_token(&own.issued(1, "token")).await?;
    is_unknown(&*store, &own.family(1, 0)).await?;
    ensure_eq(rotate(&*store, 0, &own.family(1, 1)).await?, Rotated::Lost(None), "rotating an unknown family")?;
    is_unknown(&*store, &own.family(1, 0)).await
}

async fn every_field_of_a_family_and_its_authorization_reads_as_it_was_saved<S: RefreshTokenStore>(
    store: Arc<S>,
) -> Checked {
    let own = Sample::new();
    let bare = own.issued_with_family(1, "token");
    let full = Issued { refresh_token: Some(own.full_family(2)), ..own.full_issued(2) };
    let (key, salt) = (KeyId::from_bytes([2; 8]), own.digest("next salt"));
    let next_bare = RefreshToken { made_by: Some(own.digest("request")), key, salt, ..own.family(1, 1) };
    let generation = own.full_family(2).generation + 1;
    let next_full = RefreshToken { made_by: None, generation, key, salt, ..own.full_family(2) };
    for (issued, next) in [(bare, next_bare), (full, next_full)] {
        let (Some(root), Some(family)) = (&issued.authorization, &issued.refresh_token) else { continue };
        store.save_token(&issued).await?;
        is_family(&*store, family, root).await?;
        ensure_eq(rotate(&*store, family.generation, &next).await?, Rotated::Saved, "rotating a family")?;
        is_family(&*store, &next, root).await?;
    }
    Ok(())
}

async fn families_are_told_apart_by_case<S: RefreshTokenStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    let first = own.family(1, 0);
    let second = RefreshToken { handle: other_case(first.handle)?, ..own.family(2, 0) };
    store.save_token(&own.issued_with_family(1, "first")).await?;
    is_unknown(&*store, &second).await?;
    ensure_eq(rotate(&*store, 0, &second).await?, Rotated::Lost(None), "rotating a family of another case")?;
    store.save_token(&Issued { refresh_token: Some(second.clone()), ..own.issued(2, "second") }).await?;
    is_family(&*store, &first, &own.authorization(1)).await?;
    is_family(&*store, &second, &own.authorization(2)).await
}

async fn a_code_buys_the_family_too<S: RefreshTokenStore + AuthorizationCodeStore>(store: Arc<S>) -> Checked {
    for _ in rounds() {
        let own = Sample::new();
        store.save_authorization_code(&own.code(0)).await?;
        let redeem = move |store: Arc<S>, n| async move {
            let family = RefreshToken { handle: own.handle(n), ..own.family(0, 0) };
            let issued = Issued { refresh_token: Some(family), ..own.issued(0, n) };
            store.redeem_authorization_code(&own.code(0).code, &issued).await
        };
        for (n, redeemed) in race(&store, redeem).await?.into_iter().enumerate() {
            let family = RefreshToken { handle: own.handle(n), ..own.family(0, 0) };
            match redeemed? {
                Redeemed::Saved => is_family(&*store, &family, &own.authorization(0)).await?,
                Redeemed::Lost => is_unknown(&*store, &family).await?,
            }
        }
    }
    Ok(())
}

async fn a_family_without_its_authorization_is_dead<S: RefreshTokenStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    let orphan = Issued { authorization: None, ..own.issued_with_family(1, "token") };
    // A store may refuse what refers to nothing.
    let _refused = store.save_token(&orphan).await;
    is_unknown(&*store, &own.family(1, 0)).await
}

async fn a_family_is_saved_once<S: RefreshTokenStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    store.save_token(&own.issued_with_family(1, "token")).await?;
    let other = RefreshToken { handle: own.handle(1), ..own.family(2, 7) };
    for (n, family) in [(1, own.family(1, 0)), (2, other)] {
        let again = Issued { refresh_token: Some(family), ..own.issued(n, format_args!("again {n}")) };
        ensure(store.save_token(&again).await.is_err(), "a refresh token whose handle is there already is refused")?;
        is_family(&*store, &own.family(1, 0), &own.authorization(1)).await?;
    }
    Ok(())
}

async fn a_rotation_compares_the_generation_and_swaps_the_state<S: RefreshTokenStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    store.save_token(&own.issued_with_family(1, "token")).await?;
    store.save_token(&own.issued_with_family(2, "other")).await?;
    for generation in 0..3 {
        for expected in [generation + 1, generation + 2, u64::from(u32::MAX) + 1 + generation] {
            let lost = rotate(&*store, expected, &own.family(1, expected + 1)).await?;
            let current = Rotated::Lost(Some(own.family(1, generation)));
            ensure_eq(lost, current, "rotating from a generation that is not the current one")?;
        }
        let next = own.family(1, generation + 1);
        ensure_eq(rotate(&*store, generation, &next).await?, Rotated::Saved, "rotating the current generation")?;
        is_family(&*store, &next, &own.authorization(1)).await?;
        let lost = rotate(&*store, generation, &own.family(1, generation + 1)).await?;
        ensure_eq(lost, Rotated::Lost(Some(next)), "rotating from the generation before")?;
    }
    is_family(&*store, &own.family(2, 0), &own.authorization(2)).await
}

async fn a_rotation_that_keeps_the_generation_is_saved<S: RefreshTokenStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    store.save_token(&own.issued_with_family(1, "token")).await?;
    let later = RefreshToken { idle_until: own.at(550), ..own.family(1, 0) };
    // The second time nothing changes.
    for _ in 0..2 {
        ensure_eq(rotate(&*store, 0, &later).await?, Rotated::Saved, "using a refresh token that is kept")?;
        is_family(&*store, &later, &own.authorization(1)).await?;
    }
    Ok(())
}

async fn a_generation_has_one_successor_and_every_loser_learns_it<S: RefreshTokenStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    store.save_token(&own.issued_with_family(1, "token")).await?;
    for generation in rounds().map(|round| round as u64) {
        let successor = move |n| RefreshToken { salt: own.digest(n), ..own.family(1, generation + 1) };
        let race_for_it = move |store: Arc<S>, n| async move { rotate(&*store, generation, &successor(n)).await };
        let outcomes = race(&store, race_for_it).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
        let winners: Vec<usize> =
            outcomes.iter().enumerate().filter(|(_, own)| **own == Rotated::Saved).map(|(n, _)| n).collect();
        let [winner] = winners[..] else {
            return Err(Broken::new(format_args!("a generation has one successor; it has {}", winners.len())));
        };
        let lost = Rotated::Lost(Some(successor(winner)));
        for outcome in outcomes.into_iter().filter(|outcome| *outcome != Rotated::Saved) {
            ensure_eq(&outcome, &lost, "what a loser learns")?;
        }
        is_family(&*store, &successor(winner), &own.authorization(1)).await?;
    }
    Ok(())
}

async fn a_kept_generation_is_saved_by_all_of_many<S: RefreshTokenStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    store.save_token(&own.issued_with_family(1, "token")).await?;
    for _ in rounds() {
        let later = move |n| RefreshToken { idle_until: own.at(500 + n as u64), ..own.family(1, 0) };
        let keep = move |store: Arc<S>, n| async move { rotate(&*store, 0, &later(n)).await };
        for outcome in race(&store, keep).await? {
            ensure_eq(outcome?, Rotated::Saved, "using a refresh token that is kept")?;
        }
    }
    Ok(())
}

async fn a_family_under_a_revoked_authorization_is_not_revived<S: RefreshTokenStore>(store: Arc<S>) -> Checked {
    for kind in 0..3 {
        let own = Sample::new();
        let selector = match kind {
            0 => Selector::Authorization(own.authorization_id(1)),
            1 => Selector::Client(own.client_id("app")),
            _ => Selector::SubjectAtClient(own.subject("alice"), own.client_id("app")),
        };
        store.save_token(&own.issued_with_family(1, "token")).await?;
        ensure_eq(store.revoke_authorizations(&selector).await?, 1, format_args!("what {selector:?} revokes"))?;
        is_unknown(&*store, &own.family(1, 0)).await?;
        // Saved or lost, it stays dead.
        let _outcome = rotate(&*store, 0, &own.family(1, 1)).await?;
        is_unknown(&*store, &own.family(1, 0)).await?;
        let another = RefreshToken { handle: own.handle(2), ..own.family(1, 0) };
        store.save_token(&Issued { refresh_token: Some(another.clone()), ..own.issued(1, "another") }).await?;
        is_unknown(&*store, &another).await?;
        is_unknown(&*store, &own.family(1, 0)).await?;
    }
    Ok(())
}

async fn a_family_rotated_while_it_is_revoked_is_dead_afterwards<S: RefreshTokenStore>(store: Arc<S>) -> Checked {
    for _ in rounds() {
        let own = Sample::new();
        store.save_token(&own.issued_with_family(1, "token")).await?;
        let step = move |store: Arc<S>, n| async move {
            if n % 4 == 3 {
                let selector = Selector::Authorization(own.authorization_id(1));
                return store.revoke_authorizations(&selector).await.map(|_| ());
            }
            rotate(&*store, 0, &own.family(1, 1)).await.map(|_| ())
        };
        for step in race(&store, step).await? {
            step?;
        }
        is_unknown(&*store, &own.family(1, 0)).await?;
    }
    Ok(())
}
