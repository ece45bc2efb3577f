use std::sync::Arc;

use super::broken::{Broken, Checked, ensure, ensure_eq, ensure_same};
use super::checks::{Checks, checks};
use super::race::{race, rounds};
use super::sample::Sample;
use super::similar::other_case;
use crate::model::AuthorizationCode;
use crate::storage::{AuthorizationCodeStore, CodeState, Redeemed};

impl<S: AuthorizationCodeStore> Checks<S> {
    /// Codes: saved once, read as they were saved, consumed by one, and still seen afterwards.
    pub fn authorization_codes(self) -> Self {
        self.with(checks![
            an_unknown_code_is_none_and_is_not_consumed,
            every_field_of_a_code_reads_as_it_was_saved,
            codes_are_told_apart_by_case,
            a_consumed_code_is_still_seen,
            a_redeemed_code_is_still_seen,
            a_code_is_inserted_if_it_is_absent_whatever_its_state,
            a_code_is_inserted_by_one_of_many,
            a_code_is_consumed_by_one_of_many,
            a_code_is_redeemed_by_one_of_many,
        ])
    }

    /// For a store that overrides [`redeem_authorization_code`](AuthorizationCodeStore::redeem_authorization_code) with
    /// one transaction: a redemption that is refused consumes nothing.
    pub fn transactions(self) -> Self {
        self.with(checks![a_refused_redemption_leaves_the_code])
    }
}

/// Whether the code is found as it was saved, not consumed yet.
pub(super) async fn is_active<S: AuthorizationCodeStore>(store: &S, code: &AuthorizationCode) -> Checked {
    match store.query_authorization_code(&code.code).await? {
        Some(CodeState::Active(active)) => ensure_same(Some(active), code, "a code"),
        Some(CodeState::Consumed(_)) => Err(Broken::new("a code that nobody consumed is answered as consumed")),
        None => Err(Broken::new("a code that was saved is answered as unknown")),
    }
}

/// Whether the code is found as it was saved, and as consumed.
pub(super) async fn is_consumed<S: AuthorizationCodeStore>(store: &S, code: &AuthorizationCode) -> Checked {
    match store.query_authorization_code(&code.code).await? {
        Some(CodeState::Consumed(consumed)) => ensure_same(Some(consumed), code, "a consumed code"),
        Some(CodeState::Active(_)) => Err(Broken::new("a code that was consumed is answered as active")),
        None => Err(Broken::new("a code that was consumed is answered as unknown")),
    }
}

async fn an_unknown_code_is_none_and_is_not_consumed<S: AuthorizationCodeStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    let code = own.code(1).code;
    ensure_eq(store.query_authorization_code(&code).await?, None, "an unknown code")?;
    ensure(!store.delete_authorization_code(&code).await?, "an unknown code cannot be consumed")?;
    let redeemed = store.redeem_authorization_code(&code, &own.issued(1, "token")).await?;
    ensure_eq(redeemed, Redeemed::Lost, "redeeming an unknown code")?;
    ensure_eq(store.query_authorization_code(&code).await?, None, "a code that was only asked for")
}

async fn every_field_of_a_code_reads_as_it_was_saved<S: AuthorizationCodeStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    for code in [own.code(1), own.code_of(2, own.bare_authorization(2)), own.full_code(3)] {
        ensure(store.save_authorization_code(&code).await?, "a new code is inserted")?;
        is_active(&*store, &code).await?;
    }
    Ok(())
}

async fn codes_are_told_apart_by_case<S: AuthorizationCodeStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    let first = own.code(1);
    let second = AuthorizationCode { code: other_case(first.code)?, ..own.code(2) };
    store.save_authorization_code(&first).await?;
    ensure_eq(store.query_authorization_code(&second.code).await?, None, "a code in another case")?;
    ensure(!store.delete_authorization_code(&second.code).await?, "a code in another case is not consumed")?;
    ensure(store.save_authorization_code(&second).await?, "a code in another case is another code")?;
    is_active(&*store, &first).await?;
    is_active(&*store, &second).await
}

async fn a_consumed_code_is_still_seen<S: AuthorizationCodeStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    let other = own.code(0);
    store.save_authorization_code(&other).await?;
    for code in [own.code(1), own.full_code(2)] {
        store.save_authorization_code(&code).await?;
        ensure(store.delete_authorization_code(&code.code).await?, "an active code can be consumed")?;
        for _ in 0..2 {
            is_consumed(&*store, &code).await?;
            ensure(!store.delete_authorization_code(&code.code).await?, "a code is not consumed a second time")?;
        }
    }
    is_active(&*store, &other).await
}

async fn a_redeemed_code_is_still_seen<S: AuthorizationCodeStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    let code = own.code(1);
    store.save_authorization_code(&code).await?;
    let redeemed = store.redeem_authorization_code(&code.code, &own.issued(1, "first")).await?;
    ensure_eq(redeemed, Redeemed::Saved, "redeeming an active code")?;
    is_consumed(&*store, &code).await?;
    let redeemed = store.redeem_authorization_code(&code.code, &own.issued(1, "second")).await?;
    ensure_eq(redeemed, Redeemed::Lost, "redeeming a code a second time")?;
    ensure(!store.delete_authorization_code(&code.code).await?, "a redeemed code cannot be consumed")?;
    is_consumed(&*store, &code).await
}

async fn a_code_is_inserted_if_it_is_absent_whatever_its_state<S: AuthorizationCodeStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    let code = own.code(1);
    let other = AuthorizationCode { code: code.code, ..own.code(2) };
    store.save_authorization_code(&code).await?;
    for again in [&code, &other] {
        ensure(!store.save_authorization_code(again).await?, "a code that is there is not inserted")?;
        is_active(&*store, &code).await?;
    }
    store.delete_authorization_code(&code.code).await?;
    for again in [&code, &other] {
        ensure(!store.save_authorization_code(again).await?, "a code that was consumed is not inserted")?;
    }
    Ok(())
}

async fn a_code_is_inserted_by_one_of_many<S: AuthorizationCodeStore>(store: Arc<S>) -> Checked {
    for _ in rounds() {
        let own = Sample::new();
        let save = move |store: Arc<S>, n| async move {
            store.save_authorization_code(&own.code_of("code", own.authorization(n))).await
        };
        let inserted = race(&store, save).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
        ensure_eq(inserted.iter().filter(|inserted| **inserted).count(), 1, "callers told that they inserted it")?;
        let winner = inserted.iter().position(|inserted| *inserted).unwrap_or_default();
        is_active(&*store, &own.code_of("code", own.authorization(winner))).await?;
    }
    Ok(())
}

async fn a_code_is_consumed_by_one_of_many<S: AuthorizationCodeStore>(store: Arc<S>) -> Checked {
    for _ in rounds() {
        let own = Sample::new();
        let code = own.code(1).code;
        store.save_authorization_code(&own.code(1)).await?;
        let consume = move |store: Arc<S>, _| async move { store.delete_authorization_code(&code).await };
        let consumed = race(&store, consume).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
        ensure_eq(consumed.iter().filter(|consumed| **consumed).count(), 1, "callers told that they consumed it")?;
    }
    Ok(())
}

/// By any of the two calls.
async fn a_code_is_redeemed_by_one_of_many<S: AuthorizationCodeStore>(store: Arc<S>) -> Checked {
    for _ in rounds() {
        let own = Sample::new();
        let code = own.code(1).code;
        store.save_authorization_code(&own.code(1)).await?;
        let redeem = move |store: Arc<S>, n| async move {
            if n % 4 == 3 {
                return store.delete_authorization_code(&code).await;
            }
            let redeemed = store.redeem_authorization_code(&code, &own.issued(1, n)).await?;
            Ok(redeemed == Redeemed::Saved)
        };
        let won = race(&store, redeem).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
        ensure_eq(won.iter().filter(|won| **won).count(), 1, "callers told that they redeemed it")?;
    }
    Ok(())
}

async fn a_refused_redemption_leaves_the_code<S: AuthorizationCodeStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    let code = own.code(1);
    store.save_authorization_code(&code).await?;
    store.save_token(&own.issued(2, "taken")).await?;
    let refused = store.redeem_authorization_code(&code.code, &own.issued(1, "taken")).await;
    ensure(refused.is_err(), "a redemption for a token whose digest is there already is refused")?;
    is_active(&*store, &code).await?;
    let redeemed = store.redeem_authorization_code(&code.code, &own.issued(1, "new")).await?;
    ensure_eq(redeemed, Redeemed::Saved, "redeeming after a refusal")
}
