use std::sync::Arc;

use super::broken::{Checked, ensure, ensure_eq, ensure_same};
use super::checks::{Checks, checks};
use super::race::{race, rounds};
use super::sample::{Sample, scope};
use super::similar::other_case;
use crate::clock::Timestamp;
use crate::error::StorageError;
use crate::model::{AccessToken, Authorization, Issued};
use crate::secret::Digest;
use crate::storage::{AccessTokenStore, TokenStore};

impl<S: AccessTokenStore> Checks<S> {
    /// Access tokens: found as they were saved, with the authorization they were first saved with.
    pub fn access_tokens(self) -> Self {
        self.with(checks![
            an_unknown_token_is_none,
            every_field_of_a_token_and_its_authorization_reads_as_it_was_saved,
            access_tokens_are_told_apart_by_case,
            what_never_ends_is_saved_too,
            a_token_without_its_authorization_is_dead,
            a_saved_authorization_is_left_as_it_is,
            a_refused_token_changes_nothing,
            the_token_of_the_one_that_saved_it_is_read,
            many_tokens_saved_at_once_have_one_authorization,
        ])
    }
}

pub(super) async fn is_alive<S: AccessTokenStore>(store: &S, token: &Digest) -> Result<bool, StorageError> {
    Ok(store.query_token(token).await?.is_some())
}

/// Whether the token is found with that authorization.
pub(super) async fn is_found<S: AccessTokenStore>(
    store: &S,
    token: &AccessToken,
    authorization: Option<&Authorization>,
) -> Checked {
    let found = store.query_token(&token.token).await?;
    ensure_same(found.as_ref().map(|found| found.token.clone()), token, "an access token")?;
    let own = found.and_then(|found| found.authorization);
    match authorization {
        Some(authorization) => ensure_same(own, authorization, "the authorization of an access token"),
        None => ensure_eq(own, None, "the authorization of a token that a client has for itself"),
    }
}

/// Whether no authorization of that number was saved, as a token shows that names it and comes without it.
pub(super) async fn is_no_authorization<S: TokenStore + AccessTokenStore>(
    store: &S,
    own: &Sample,
    n: usize,
) -> Checked {
    let orphan = Issued { authorization: None, ..own.issued(n, format_args!("orphan {n}")) };
    // A store may refuse what refers to nothing.
    let _refused = store.save_token(&orphan).await;
    ensure(!is_alive(store, &orphan.access_token.token).await?, "a token without its authorization is dead")
}

async fn an_unknown_token_is_none<S: AccessTokenStore>(store: Arc<S>) -> Checked {
    ensure_eq(store.query_token(&Sample::new().digest("unknown")).await?, None, "an unknown token")
}

async fn every_field_of_a_token_and_its_authorization_reads_as_it_was_saved<S: AccessTokenStore>(
    store: Arc<S>,
) -> Checked {
    let own = Sample::new();
    let for_itself = own.for_itself(&own.client_id("app"), "for itself");
    for issued in [own.issued(1, "token"), own.bare_issued(2), own.full_issued(3), for_itself] {
        store.save_token(&issued).await?;
        is_found(&*store, &issued.access_token, issued.authorization.as_ref()).await?;
    }
    Ok(())
}

async fn access_tokens_are_told_apart_by_case<S: AccessTokenStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    let first = own.issued(1, "token");
    let mut second = own.issued(2, "token");
    second.access_token.token = other_case(first.access_token.token)?;
    if let Some(authorization) = &mut second.authorization {
        authorization.id = other_case(own.authorization_id(1))?;
        second.access_token.authorization = Some(authorization.id);
    }
    store.save_token(&first).await?;
    ensure(!is_alive(&*store, &second.access_token.token).await?, "a token in another case is unknown")?;
    store.save_token(&second).await?;
    is_found(&*store, &first.access_token, first.authorization.as_ref()).await?;
    is_found(&*store, &second.access_token, second.authorization.as_ref()).await
}

/// Lifetimes are the host's choice, so the end may lie at the far end of time.
async fn what_never_ends_is_saved_too<S: AccessTokenStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    let never = Timestamp::from_unix(u64::MAX);
    let mut issued = own.issued(1, "token");
    issued.access_token.expires_at = never;
    issued.authorization = Some(Authorization { expires_at: never, ..own.authorization(1) });
    store.save_token(&issued).await?;
    is_found(&*store, &issued.access_token, issued.authorization.as_ref()).await
}

async fn a_token_without_its_authorization_is_dead<S: AccessTokenStore>(store: Arc<S>) -> Checked {
    is_no_authorization(&*store, &Sample::new(), 1).await
}

async fn a_saved_authorization_is_left_as_it_is<S: AccessTokenStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    let first = own.authorization(1);
    store.save_token(&own.issued(1, "first")).await?;
    let wider = Authorization { scope: scope("profile admin"), expires_at: own.at(2_000), ..first.clone() };
    let second = Issued { authorization: Some(wider), ..own.issued(1, "second") };
    store.save_token(&second).await?;
    for name in ["first", "second"] {
        is_found(&*store, &own.access_token(1, name), Some(&first)).await?;
    }
    Ok(())
}

async fn a_refused_token_changes_nothing<S: AccessTokenStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    let first = own.issued(1, "token");
    store.save_token(&first).await?;
    let mut again = own.issued(2, "token");
    again.access_token.scope = scope("admin");
    ensure(store.save_token(&again).await.is_err(), "a token whose digest is there already is refused")?;
    is_found(&*store, &first.access_token, first.authorization.as_ref()).await?;
    is_no_authorization(&*store, &own, 2).await
}

async fn the_token_of_the_one_that_saved_it_is_read<S: AccessTokenStore>(store: Arc<S>) -> Checked {
    for _ in rounds() {
        let own = Sample::new();
        let save = move |store: Arc<S>, n| async move { store.save_token(&own.issued(n, "token")).await };
        let saved = race(&store, save).await?;
        for (n, _) in saved.iter().enumerate().filter(|(_, saved)| saved.is_ok()) {
            is_found(&*store, &own.access_token(n, "token"), Some(&own.authorization(n))).await?;
        }
        for (n, _) in saved.iter().enumerate().filter(|(_, saved)| saved.is_err()) {
            is_no_authorization(&*store, &own, n).await?;
        }
    }
    Ok(())
}

async fn many_tokens_saved_at_once_have_one_authorization<S: AccessTokenStore>(store: Arc<S>) -> Checked {
    for _ in rounds() {
        let own = Sample::new();
        let save = move |store: Arc<S>, n| async move {
            let created_at = own.at(n as u64);
            let authorization = Some(Authorization { created_at, ..own.authorization(1) });
            store.save_token(&Issued { authorization, ..own.issued(1, n) }).await
        };
        let mut first = None;
        for (n, saved) in race(&store, save).await?.into_iter().enumerate() {
            saved?;
            let found = store.query_token(&own.digest(n)).await?;
            let root = found.and_then(|found| found.authorization);
            ensure(root.is_some(), "a token that was saved is found with its authorization")?;
            ensure_eq(&root, first.get_or_insert(root.clone()), "the authorization of all the tokens")?;
        }
    }
    Ok(())
}
