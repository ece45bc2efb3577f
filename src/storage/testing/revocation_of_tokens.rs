use std::sync::Arc;

use super::access_tokens::{is_alive, is_found};
use super::broken::{Checked, ensure, ensure_eq};
use super::checks::{Checks, checks};
use super::race::{race, rounds};
use super::sample::Sample;
use super::similar::{other_case, similar_names};
use crate::error::StorageError;
use crate::model::{Authorization, ClientId, Issued};
use crate::storage::{AccessTokenStore, RevocationStore, Selector};

impl<S: RevocationStore + AccessTokenStore> Checks<S> {
    /// Access tokens: revoked one by one, with their authorization, or with the client that has them for itself.
    pub fn revocation_of_tokens(self) -> Self {
        self.with(checks![
            a_revoked_token_stays_revoked_and_its_authorization_stands,
            an_unknown_token_can_be_revoked_to_no_effect,
            the_tokens_of_a_revoked_authorization_are_dead,
            a_token_saved_under_a_revoked_authorization_is_born_dead,
            every_selector_revokes_the_tokens_too,
            the_tokens_that_a_client_has_for_itself_are_revoked_with_it,
            the_tokens_that_similar_clients_have_for_themselves_are_not_revoked,
            a_token_saved_while_its_authorization_is_revoked_is_dead_afterwards,
        ])
    }
}

async fn a_revoked_token_stays_revoked_and_its_authorization_stands<S: RevocationStore + AccessTokenStore>(
    store: Arc<S>,
) -> Checked {
    let own = Sample::new();
    let (client_id, root) = (own.client_id("app"), own.authorization(1));
    for issued in [own.issued(1, "token"), own.for_itself(&client_id, "own")] {
        let token = issued.access_token.token;
        store.save_token(&issued).await?;
        for _ in 0..2 {
            store.revoke_token(&token).await?;
            ensure(!is_alive(&*store, &token).await?, "a revoked token is unknown")?;
            ensure(store.save_token(&issued).await.is_err(), "a revoked token is not saved again")?;
            ensure(!is_alive(&*store, &token).await?, "a revoked token stays unknown")?;
        }
    }
    let (later, own_later) = (own.issued(1, "later"), own.for_itself(&client_id, "own later"));
    store.save_token(&later).await?;
    store.save_token(&own_later).await?;
    is_found(&*store, &later.access_token, Some(&root)).await?;
    is_found(&*store, &own_later.access_token, None).await
}

async fn an_unknown_token_can_be_revoked_to_no_effect<S: RevocationStore + AccessTokenStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    let token = own.issued(1, "token");
    let other = other_case(token.access_token.token)?;
    store.revoke_token(&token.access_token.token).await?;
    store.save_token(&token).await?;
    store.revoke_token(&other).await?;
    is_found(&*store, &token.access_token, token.authorization.as_ref()).await
}

async fn the_tokens_of_a_revoked_authorization_are_dead<S: RevocationStore + AccessTokenStore>(
    store: Arc<S>,
) -> Checked {
    let own = Sample::new();
    for (n, name) in [(1, "first"), (1, "second"), (2, "other")] {
        store.save_token(&own.issued(n, name)).await?;
    }
    let count = store.revoke_authorizations(&Selector::Authorization(own.authorization_id(1))).await?;
    ensure_eq(count, 1, "authorizations that stood")?;
    for name in ["first", "second"] {
        ensure(!is_alive(&*store, &own.digest(name)).await?, "a token of a revoked authorization is dead")?;
    }
    is_found(&*store, &own.access_token(2, "other"), Some(&own.authorization(2))).await
}

async fn a_token_saved_under_a_revoked_authorization_is_born_dead<S: RevocationStore + AccessTokenStore>(
    store: Arc<S>,
) -> Checked {
    let own = Sample::new();
    store.save_token(&own.issued(1, "before")).await?;
    store.revoke_authorizations(&Selector::Authorization(own.authorization_id(1))).await?;
    store.save_token(&own.issued(1, "later")).await?;
    for name in ["before", "later"] {
        ensure(!is_alive(&*store, &own.digest(name)).await?, "a token of a revoked authorization is dead")?;
    }
    let count = store.revoke_authorizations(&Selector::Authorization(own.authorization_id(1))).await?;
    ensure_eq(count, 0, "authorizations that stood, where it was revoked before")
}

async fn every_selector_revokes_the_tokens_too<S: RevocationStore + AccessTokenStore>(store: Arc<S>) -> Checked {
    for kind in 0..4 {
        let own = Sample::new();
        let (subject, client_id) = (own.subject("alice"), own.client_id("app"));
        let selector = match kind {
            0 => Selector::Client(client_id),
            1 => Selector::Subject(subject),
            2 => Selector::SubjectAtClient(subject, client_id),
            _ => Selector::Session(vec![own.session(1)]),
        };
        let authorization = Authorization {
            subject: own.subject("bob"),
            client_id: own.client_id("other"),
            session: Some(own.session("bob's")),
            ..own.authorization(2)
        };
        let others = Issued { authorization: Some(authorization.clone()), ..own.issued(2, "other") };
        store.save_token(&own.issued(1, "token")).await?;
        store.save_token(&others).await?;
        ensure_eq(store.revoke_authorizations(&selector).await?, 1, format_args!("what {selector:?} revokes"))?;
        ensure(!is_alive(&*store, &own.digest("token")).await?, "a token of a revoked authorization is dead")?;
        is_found(&*store, &others.access_token, Some(&authorization)).await?;
    }
    Ok(())
}

async fn the_tokens_that_a_client_has_for_itself_are_revoked_with_it<S: RevocationStore + AccessTokenStore>(
    store: Arc<S>,
) -> Checked {
    let own = Sample::new();
    let (client_id, other) = (own.client_id("app"), own.for_itself(&own.client_id("other"), "other"));
    store.save_token(&own.for_itself(&client_id, "first")).await?;
    store.save_token(&own.for_itself(&client_id, "second")).await?;
    store.save_token(&other).await?;
    for selector in [Selector::Subject(own.name("app").into()), Selector::Authorization(own.authorization_id(0))] {
        store.revoke_authorizations(&selector).await?;
        ensure(is_alive(&*store, &own.digest("first")).await?, "only the client's own selector revokes its token")?;
    }
    let count = store.revoke_authorizations(&Selector::Client(client_id.clone())).await?;
    ensure_eq(count, 0, "authorizations that stood, where there were only tokens")?;
    for name in ["first", "second"] {
        ensure(!is_alive(&*store, &own.digest(name)).await?, "a token that a client had for itself is revoked")?;
    }
    is_found(&*store, &other.access_token, None).await?;
    let later = own.for_itself(&client_id, "later");
    store.save_token(&later).await?;
    is_found(&*store, &later.access_token, None).await
}

async fn the_tokens_that_similar_clients_have_for_themselves_are_not_revoked<S: RevocationStore + AccessTokenStore>(
    store: Arc<S>,
) -> Checked {
    let own = Sample::new();
    let clients: Vec<ClientId> = similar_names(&own).into_iter().map(ClientId::from).collect();
    for (n, client_id) in clients.iter().enumerate() {
        store.save_token(&own.for_itself(client_id, n)).await?;
    }
    for (revoked, client_id) in clients.iter().enumerate() {
        store.revoke_authorizations(&Selector::Client(client_id.clone())).await?;
        for n in 0..clients.len() {
            let is_alive = is_alive(&*store, &own.digest(n)).await?;
            ensure_eq(is_alive, n > revoked, format_args!("whether token {n} is alive after {client_id:?}"))?;
        }
    }
    Ok(())
}

async fn a_token_saved_while_its_authorization_is_revoked_is_dead_afterwards<S: RevocationStore + AccessTokenStore>(
    store: Arc<S>,
) -> Checked {
    for _ in rounds() {
        let own = Sample::new();
        store.save_token(&own.issued(1, "before")).await?;
        let step = move |store: Arc<S>, n| async move {
            if n % 4 == 3 {
                let selector = Selector::Authorization(own.authorization_id(1));
                return store.revoke_authorizations(&selector).await.map(|_| ());
            }
            store.save_token(&own.issued(1, n)).await
        };
        let steps: Result<Vec<()>, StorageError> = race(&store, step).await?.into_iter().collect();
        for n in 0..steps?.len() {
            ensure(!is_alive(&*store, &own.digest(n)).await?, "a token saved meanwhile is dead")?;
        }
        ensure(!is_alive(&*store, &own.digest("before")).await?, "a token saved before is dead")?;
    }
    Ok(())
}
