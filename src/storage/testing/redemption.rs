use std::sync::Arc;

use super::access_tokens::{is_alive, is_found, is_no_authorization};
use super::broken::{Checked, ensure, ensure_eq};
use super::checks::{Checks, checks};
use super::race::{RACERS, race, rounds};
use super::sample::{Sample, scope};
use crate::error::StorageError;
use crate::model::{Authorization, Issued};
use crate::storage::{AccessTokenStore, AuthorizationCodeStore, Redeemed, RevocationStore, Selector};

impl<S: AuthorizationCodeStore + AccessTokenStore> Checks<S> {
    /// The tokens that codes buy.
    pub fn redemption(self) -> Self {
        self.with(checks![
            a_code_buys_the_token_under_its_own_authorization,
            a_lost_redemption_saves_nothing,
            a_refused_code_saves_no_authorization,
            only_what_the_winner_of_a_redemption_issued_is_alive,
        ])
    }
}

impl<S: AuthorizationCodeStore + AccessTokenStore + RevocationStore> Checks<S> {
    /// The tokens that codes buy whose authorization is revoked.
    pub fn revoked_redemption(self) -> Self {
        self.with(checks![
            a_token_redeemed_under_a_revoked_authorization_is_born_dead,
            a_token_redeemed_while_its_authorization_is_revoked_is_dead_afterwards,
        ])
    }
}

async fn a_code_buys_the_token_under_its_own_authorization<S: AuthorizationCodeStore + AccessTokenStore>(
    store: Arc<S>,
) -> Checked {
    let own = Sample::new();
    store.save_authorization_code(&own.code(1)).await?;
    let wider = Authorization { scope: scope("profile admin"), ..own.authorization(1) };
    let issued = Issued { authorization: Some(wider), ..own.issued(1, "token") };
    let redeemed = store.redeem_authorization_code(&own.code(1).code, &issued).await?;
    ensure_eq(redeemed, Redeemed::Saved, "redeeming an active code")?;
    is_found(&*store, &issued.access_token, Some(&own.authorization(1))).await
}

async fn a_lost_redemption_saves_nothing<S: AuthorizationCodeStore + AccessTokenStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    store.save_authorization_code(&own.code(1)).await?;
    store.redeem_authorization_code(&own.code(1).code, &own.issued(1, "first")).await?;
    for (code, issued) in [(own.code(1), own.issued(1, "second")), (own.code(2), own.issued(2, "unknown"))] {
        let redeemed = store.redeem_authorization_code(&code.code, &issued).await?;
        ensure_eq(redeemed, Redeemed::Lost, "redeeming a code that is not active")?;
        ensure(!is_alive(&*store, &issued.access_token.token).await?, "what the loser issued is not saved")?;
    }
    is_found(&*store, &own.access_token(1, "first"), Some(&own.authorization(1))).await?;
    is_no_authorization(&*store, &own, 2).await
}

async fn a_refused_code_saves_no_authorization<S: AuthorizationCodeStore + AccessTokenStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    store.save_authorization_code(&own.code_of("code", own.authorization(1))).await?;
    let inserted = store.save_authorization_code(&own.code_of("code", own.authorization(2))).await?;
    ensure(!inserted, "a code that is there is not inserted")?;
    is_no_authorization(&*store, &own, 2).await
}

async fn only_what_the_winner_of_a_redemption_issued_is_alive<S: AuthorizationCodeStore + AccessTokenStore>(
    store: Arc<S>,
) -> Checked {
    for _ in rounds() {
        let own = Sample::new();
        store.save_authorization_code(&own.code(1)).await?;
        let redeem = move |store: Arc<S>, n| async move {
            store.redeem_authorization_code(&own.code(1).code, &own.issued(1, n)).await
        };
        let mut winners = 0;
        for (n, redeemed) in race(&store, redeem).await?.into_iter().enumerate() {
            let won = redeemed? == Redeemed::Saved;
            winners += usize::from(won);
            ensure_eq(is_alive(&*store, &own.digest(n)).await?, won, "whether a racer's token is alive")?;
        }
        ensure_eq(winners, 1, "callers told that they redeemed it")?;
    }
    Ok(())
}

async fn a_token_redeemed_under_a_revoked_authorization_is_born_dead<
    S: AuthorizationCodeStore + AccessTokenStore + RevocationStore,
>(
    store: Arc<S>,
) -> Checked {
    let own = Sample::new();
    store.save_authorization_code(&own.code(1)).await?;
    store.revoke_authorizations(&Selector::Authorization(own.authorization_id(1))).await?;
    // Saved or lost, it stays dead.
    let _outcome = store.redeem_authorization_code(&own.code(1).code, &own.issued(1, "token")).await?;
    ensure(!is_alive(&*store, &own.digest("token")).await?, "a token of a revoked authorization is dead")?;
    let code = store.query_authorization_code(&own.code(1).code).await?;
    ensure(code.is_none(), "a code whose authorization was revoked is unknown")
}

async fn a_token_redeemed_while_its_authorization_is_revoked_is_dead_afterwards<
    S: AuthorizationCodeStore + AccessTokenStore + RevocationStore,
>(
    store: Arc<S>,
) -> Checked {
    for round in rounds() {
        let own = Sample::new();
        store.save_authorization_code(&own.code(1)).await?;
        let step = move |store: Arc<S>, n| async move {
            if n == round % RACERS {
                let selector = Selector::Authorization(own.authorization_id(1));
                return store.revoke_authorizations(&selector).await.map(|_| ());
            }
            store.redeem_authorization_code(&own.code(1).code, &own.issued(1, n)).await.map(|_| ())
        };
        let steps: Result<Vec<()>, StorageError> = race(&store, step).await?.into_iter().collect();
        for n in 0..steps?.len() {
            ensure(!is_alive(&*store, &own.digest(n)).await?, "a token redeemed meanwhile is dead")?;
        }
    }
    Ok(())
}
