use std::sync::Arc;

use super::access_tokens::{is_alive, is_found, is_no_authorization};
use super::broken::{Checked, ensure, ensure_eq};
use super::checks::{Checks, checks};
use super::race::{race, rounds};
use super::refresh_tokens::is_family;
use super::sample::Sample;
use crate::model::{Issued, RefreshToken};
use crate::storage::{AccessTokenStore, RefreshTokenStore, Rotated, Selector};

impl<S: RefreshTokenStore + AccessTokenStore> Checks<S> {
    /// The access tokens that come with refresh tokens.
    pub fn rotation(self) -> Self {
        self.with(checks![
            a_rotation_saves_its_access_token_and_leaves_the_others,
            a_lost_rotation_saves_nothing,
            a_refused_rotation_changes_nothing,
            a_refused_family_changes_nothing,
            only_what_the_winner_of_a_rotation_issued_is_alive,
            a_token_rotated_under_a_revoked_authorization_is_born_dead,
        ])
    }
}

async fn a_rotation_saves_its_access_token_and_leaves_the_others<S: RefreshTokenStore + AccessTokenStore>(
    store: Arc<S>,
) -> Checked {
    let own = Sample::new();
    store.save_token(&own.issued_with_family(1, "first")).await?;
    for (expected, name) in [(0, "second"), (1, "third")] {
        let next = own.family(1, expected + 1);
        let rotated = store.rotate_refresh_token(expected, &next, &own.access_token(1, name)).await?;
        ensure_eq(rotated, Rotated::Saved, "rotating the current generation")?;
    }
    for name in ["first", "second", "third"] {
        is_found(&*store, &own.access_token(1, name), Some(&own.authorization(1))).await?;
    }
    Ok(())
}

async fn a_lost_rotation_saves_nothing<S: RefreshTokenStore + AccessTokenStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    store.save_token(&own.issued_with_family(1, "first")).await?;
    for (n, expected) in [(1, 1), (1, 2), (9, 0)] {
        let token = own.access_token(1, format_args!("lost {n} {expected}"));
        let rotated = store.rotate_refresh_token(expected, &own.family(n, expected + 1), &token).await?;
        ensure(rotated != Rotated::Saved, "a rotation from another generation than the current one is lost")?;
        ensure(!is_alive(&*store, &token.token).await?, "the access token of a lost rotation is not saved")?;
    }
    is_family(&*store, &own.family(1, 0), &own.authorization(1)).await
}

async fn a_refused_rotation_changes_nothing<S: RefreshTokenStore + AccessTokenStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    store.save_token(&own.issued_with_family(1, "first")).await?;
    store.save_token(&own.issued(2, "taken")).await?;
    let next = own.family(1, 1);
    for name in ["first", "taken"] {
        let refused = store.rotate_refresh_token(0, &next, &own.access_token(1, name)).await;
        ensure(refused.is_err(), "a rotation for an access token whose digest is there already is refused")?;
        is_family(&*store, &own.family(1, 0), &own.authorization(1)).await?;
    }
    is_found(&*store, &own.access_token(2, "taken"), Some(&own.authorization(2))).await?;
    let rotated = store.rotate_refresh_token(0, &next, &own.access_token(1, "new")).await?;
    ensure_eq(rotated, Rotated::Saved, "rotating after a refusal")
}

async fn a_refused_family_changes_nothing<S: RefreshTokenStore + AccessTokenStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    store.save_token(&own.issued_with_family(1, "first")).await?;
    let taken = RefreshToken { handle: own.handle(1), ..own.family(2, 0) };
    let same_handle = Issued { refresh_token: Some(taken), ..own.issued(2, "second") };
    ensure(store.save_token(&same_handle).await.is_err(), "a family whose handle is there already is refused")?;
    ensure(!is_alive(&*store, &own.digest("second")).await?, "the access token of a refused family is not saved")?;
    is_no_authorization(&*store, &own, 2).await?;
    let same_token = own.issued_with_family(3, "first");
    ensure(store.save_token(&same_token).await.is_err(), "a token whose digest is there already is refused")?;
    let rotated = store.rotate_refresh_token(0, &own.family(3, 1), &own.access_token(3, "third")).await?;
    ensure_eq(rotated, Rotated::Lost(None), "rotating a family that came with a refused token")?;
    is_no_authorization(&*store, &own, 3).await?;
    is_family(&*store, &own.family(1, 0), &own.authorization(1)).await
}

async fn only_what_the_winner_of_a_rotation_issued_is_alive<S: RefreshTokenStore + AccessTokenStore>(
    store: Arc<S>,
) -> Checked {
    for _ in rounds() {
        let own = Sample::new();
        store.save_token(&own.issued_with_family(1, "first")).await?;
        let rotate = move |store: Arc<S>, n| async move {
            store.rotate_refresh_token(0, &own.family(1, 1), &own.access_token(1, n)).await
        };
        let mut winners = 0;
        for (n, rotated) in race(&store, rotate).await?.into_iter().enumerate() {
            let won = rotated? == Rotated::Saved;
            winners += usize::from(won);
            ensure_eq(is_alive(&*store, &own.digest(n)).await?, won, "whether a racer's access token is alive")?;
        }
        ensure_eq(winners, 1, "callers told that they rotated it")?;
    }
    Ok(())
}

async fn a_token_rotated_under_a_revoked_authorization_is_born_dead<S: RefreshTokenStore + AccessTokenStore>(
    store: Arc<S>,
) -> Checked {
    let own = Sample::new();
    store.save_token(&own.issued_with_family(1, "first")).await?;
    store.revoke_authorizations(&Selector::Authorization(own.authorization_id(1))).await?;
    // Saved or lost, it stays dead.
    let _outcome = store.rotate_refresh_token(0, &own.family(1, 1), &own.access_token(1, "second")).await?;
    for name in ["first", "second"] {
        ensure(!is_alive(&*store, &own.digest(name)).await?, "a token of a revoked authorization is dead")?;
    }
    Ok(())
}
