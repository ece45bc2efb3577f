use std::sync::Arc;

use serde_json::Value;

use super::broken::{Broken, Checked, ensure, ensure_eq, ensure_same};
use super::checks::{Check, Checks, checks};
use super::race::{race, rounds};
use super::sample::Sample;
use super::similar::similar_names;
use crate::model::{Client, ClientId};
use crate::storage::{ClientRegistry, ClientStore};

impl<S: ClientRegistry> Checks<S> {
    /// Clients: saved, replaced, deleted and looked up.
    pub fn clients(self) -> Self {
        self.with(checks![
            an_unknown_client_is_none_and_is_not_deleted,
            every_field_of_a_client_reads_as_it_was_saved,
            a_client_replaces_the_one_of_its_identifier,
            a_deleted_client_is_unknown_until_it_is_saved_again,
            similar_clients_are_told_apart,
            a_client_is_deleted_by_one_of_many,
            a_client_saved_by_many_at_once_is_one_of_theirs,
        ])
    }
}

impl<S: ClientStore> Checks<S> {
    /// For a host that looks its clients up in a table of its own, of which `known` is one.
    pub fn known_client(self, known: ClientId) -> Self {
        let check = |store| a_client_is_found_by_its_identifier_alone(store, known);
        self.with([Check::new("a_client_is_found_by_its_identifier_alone", check)])
    }
}

/// Whether the client is found as it was saved.
async fn is_registered<S: ClientStore>(store: &S, client: &Client) -> Checked {
    let id = client.id();
    let Some(found) = store.query_client(id).await? else {
        return Err(Broken::new(format_args!("the client {id:?} is not found")));
    };
    let text = |client: &Client| serde_json::to_value(client);
    let (found, saved): (Value, Value) = (text(&found)?, text(client)?);
    ensure_same(Some(found), &saved, format_args!("the client {id:?}"))
}

async fn is_unregistered<S: ClientStore>(store: &S, client_id: &ClientId) -> Checked {
    ensure(store.query_client(client_id).await?.is_none(), format_args!("the client {client_id:?} is unknown"))
}

async fn an_unknown_client_is_none_and_is_not_deleted<S: ClientRegistry>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    for client_id in [own.client_id("unknown"), own.client_id("' OR ''='"), own.client_id("%"), "".into()] {
        is_unregistered(&*store, &client_id).await?;
        ensure(!store.delete_client(&client_id).await?, "an unknown client is not deleted")?;
    }
    Ok(())
}

async fn every_field_of_a_client_reads_as_it_was_saved<S: ClientRegistry>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    for client in [own.bare_client("bare")?, own.full_client()?] {
        store.save_client(&client).await?;
        is_registered(&*store, &client).await?;
    }
    Ok(())
}

async fn a_client_replaces_the_one_of_its_identifier<S: ClientRegistry>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    let full = own.full_client()?;
    let bare = Client::new(full.id().clone(), None, own.bare_client("app")?.metadata().clone())?;
    for client in [&bare, &full, &full, &bare] {
        store.save_client(client).await?;
        is_registered(&*store, client).await?;
    }
    ensure(store.delete_client(full.id()).await?, "a client that is there is deleted")?;
    is_unregistered(&*store, full.id()).await
}

async fn a_deleted_client_is_unknown_until_it_is_saved_again<S: ClientRegistry>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    let (client, other) = (own.full_client()?, own.bare_client("other")?);
    store.save_client(&other).await?;
    for _ in 0..2 {
        store.save_client(&client).await?;
        is_registered(&*store, &client).await?;
        ensure(store.delete_client(client.id()).await?, "a client that is there is deleted")?;
        ensure(!store.delete_client(client.id()).await?, "a client is not deleted a second time")?;
        is_unregistered(&*store, client.id()).await?;
    }
    is_registered(&*store, &other).await
}

async fn similar_clients_are_told_apart<S: ClientRegistry>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    let metadata = own.bare_client("app")?.metadata().clone();
    let mut clients = Vec::new();
    for name in similar_names(&own) {
        let client = Client::new(name.into(), None, metadata.clone())?;
        is_unregistered(&*store, client.id()).await?;
        store.save_client(&client).await?;
        clients.push(client);
    }
    for (n, client) in clients.iter().enumerate() {
        for client in clients.iter().skip(n) {
            is_registered(&*store, client).await?;
        }
        ensure(store.delete_client(client.id()).await?, "a client that is there is deleted")?;
        is_unregistered(&*store, client.id()).await?;
    }
    Ok(())
}

async fn a_client_is_deleted_by_one_of_many<S: ClientRegistry>(store: Arc<S>) -> Checked {
    for _ in rounds() {
        let own = Sample::new();
        let client = own.bare_client("app")?;
        store.save_client(&client).await?;
        let delete = move |store: Arc<S>, _| async move { store.delete_client(&own.client_id("app")).await };
        let deleted = race(&store, delete).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
        ensure_eq(deleted.iter().filter(|deleted| **deleted).count(), 1, "callers told that they deleted it")?;
        is_unregistered(&*store, client.id()).await?;
    }
    Ok(())
}

async fn a_client_saved_by_many_at_once_is_one_of_theirs<S: ClientRegistry>(store: Arc<S>) -> Checked {
    for _ in rounds() {
        let own = Sample::new();
        let full = own.full_client()?;
        let bare = Client::new(full.id().clone(), None, own.bare_client("app")?.metadata().clone())?;
        let save = |store: Arc<S>, n: usize| {
            let client = if n.is_multiple_of(2) { full.clone() } else { bare.clone() };
            async move { store.save_client(&client).await }
        };
        for saved in race(&store, save).await? {
            saved?;
        }
        let is_full = is_registered(&*store, &full).await;
        if is_full.is_err() {
            is_registered(&*store, &bare).await?;
        }
    }
    Ok(())
}

async fn a_client_is_found_by_its_identifier_alone<S: ClientStore>(store: Arc<S>, known: ClientId) -> Checked {
    let found = store.query_client(&known).await?;
    ensure_eq(found.map(|found| found.id().clone()), Some(known), "the client that the host says it knows")?;
    is_unregistered(&*store, &Sample::new().client_id("unknown")).await
}
