//! A cache in front of the clients: what it keeps, for how long, and that nothing old survives a change.
#![cfg(feature = "cache")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use async_trait::async_trait;
use common::intercept::{Fault, How, Intercepted, Interceptor, When, Yielding};
use common::*;
use grantwell::grants::RefreshToken;
use grantwell::model::{AuthMethod, Client, ClientId, ClientMetadata};
use grantwell::storage::{ClientRegistry as _, ClientStore};
use grantwell::stores::{CachedClients, MemoryStore};
use grantwell::{AuthorizationServer, StorageError};

const TTL: u64 = 30;

/// The host's table of clients with something in the way, and a cache for two of them in front of it.
struct Host<I> {
    table: Arc<MemoryStore>,
    cached: CachedClients<Intercepted<Arc<I>>>,
    interceptor: Arc<I>,
    clock: ManualClock,
}

impl<I: Interceptor> Host<I> {
    fn new(interceptor: Arc<I>) -> Self {
        let (table, clock) = (Arc::new(MemoryStore::new()), ManualClock::new());
        for id in ["a", "b", "c"] {
            table.insert_client(named(id, "old"));
        }
        let cached = CachedClients::new(Intercepted::new(&table, interceptor.clone()), 2, TTL).clock(clock.clone());
        Self { table, cached, interceptor, clock }
    }

    /// The name of the client, by the cache.
    async fn name(&self, id: &str) -> Option<String> {
        name(self.cached.query_client(&id.into()).await)
    }
}

fn named(id: &str, name: &str) -> Client {
    let metadata = metadata(AuthMethod::CLIENT_SECRET_BASIC);
    confidential(id, ClientMetadata { client_name: Some(name.to_owned()), ..metadata })
}

fn name(found: Result<Option<Arc<Client>>, StorageError>) -> Option<String> {
    found.unwrap().and_then(|client| client.metadata().client_name.clone())
}

/// Counts the look-ups.
struct Count(AtomicUsize);

impl Count {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicUsize::new(0)))
    }

    fn look_ups(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Interceptor for Count {
    async fn before(&self, call: &'static str) -> Result<(), StorageError> {
        self.0.fetch_add(usize::from(call == "query_client"), Ordering::SeqCst);
        Ok(())
    }
}

#[tokio::test]
async fn the_store_is_asked_again_when_the_time_is_over_to_the_second() {
    let host = Host::new(Count::new());
    assert_eq!(host.name("a").await.as_deref(), Some("old"));
    host.table.insert_client(named("a", "new"));
    host.clock.advance(TTL - 1);
    assert_eq!(host.name("a").await.as_deref(), Some("old"));
    assert_eq!(host.interceptor.look_ups(), 1);
    host.clock.advance(1);
    assert_eq!(host.name("a").await.as_deref(), Some("new"));
    assert_eq!(host.interceptor.look_ups(), 2);
    host.clock.advance(TTL - 1);
    host.name("a").await;
    assert_eq!(host.interceptor.look_ups(), 2, "the time begins anew");
}

#[tokio::test]
async fn a_clock_that_is_put_back_lengthens_nothing() {
    let host = Host::new(Count::new());
    host.name("a").await;
    host.table.remove_client(&"a".into());
    host.clock.set(START - 1);
    assert_eq!(host.name("a").await, None);
}

#[tokio::test]
async fn as_many_are_kept_as_it_was_told_those_that_were_used_last() {
    let host = Host::new(Count::new());
    for id in ["a", "b", "a", "c"] {
        host.name(id).await;
    }
    assert_eq!(host.interceptor.look_ups(), 3);
    for id in ["c", "a"] {
        host.name(id).await;
    }
    assert_eq!(host.interceptor.look_ups(), 3);
    host.name("b").await;
    assert_eq!(host.interceptor.look_ups(), 4);
}

#[tokio::test]
async fn that_there_is_no_such_client_is_not_kept() {
    let host = Host::new(Count::new());
    assert_eq!(host.name("d").await, None);
    host.table.insert_client(named("d", "new"));
    assert_eq!(host.name("d").await.as_deref(), Some("new"));
}

#[tokio::test]
async fn a_fault_is_passed_on_and_not_kept() {
    let host = Host::new(Fault::new(When::Before));
    host.interceptor.arm(0);
    assert!(host.cached.query_client(&"a".into()).await.is_err());
    assert_eq!(host.name("a").await.as_deref(), Some("old"));
    host.interceptor.arm(0);
    assert_eq!(host.name("a").await.as_deref(), Some("old"), "what is kept outlives a fault");
}

#[tokio::test]
async fn a_change_made_through_it_is_seen_at_once() {
    let host = Host::new(Count::new());
    host.name("a").await;
    host.cached.save_client(&named("a", "new")).await.unwrap();
    assert_eq!(host.name("a").await.as_deref(), Some("new"));
    assert!(host.cached.delete_client(&"a".into()).await.unwrap());
    assert_eq!(host.name("a").await, None);
    assert!(!host.cached.delete_client(&"a".into()).await.unwrap());
}

#[tokio::test]
async fn what_is_changed_elsewhere_can_be_forgotten() {
    let host = Host::new(Count::new());
    for id in ["a", "b"] {
        host.name(id).await;
        host.table.insert_client(named(id, "new"));
    }
    host.cached.forget(&"a".into());
    assert_eq!(host.name("a").await.as_deref(), Some("new"));
    assert_eq!(host.name("b").await.as_deref(), Some("old"), "the others are kept");
}

fn poll<F: Future>(future: Pin<&mut F>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

#[tokio::test]
async fn a_look_up_that_a_change_overtakes_puts_nothing_back() {
    let id = ClientId::from("a");
    for change in ["save", "delete", "forget"] {
        let host = Host::new(Arc::new(Yielding));
        let mut look_up = pin!(host.cached.query_client(&id));
        let is_held = poll(look_up.as_mut()) && poll(look_up.as_mut());
        assert!(is_held, "it gives way before the table is read and afterwards");
        match change {
            "save" => host.cached.save_client(&named("a", "new")).await.unwrap(),
            "delete" => assert!(host.cached.delete_client(&id).await.unwrap()),
            _ => {
                host.table.insert_client(named("a", "new"));
                host.cached.forget(&id);
            }
        }
        assert_eq!(name(look_up.await).as_deref(), Some("old"));
        assert_eq!(host.name("a").await.as_deref(), (change != "delete").then_some("new"), "{change}");
    }
}

#[tokio::test]
async fn what_was_looked_up_during_a_change_is_forgotten_at_its_end() {
    for seen_afterwards in [Some("new"), None] {
        let host = Host::new(Arc::new(Yielding));
        let mut change = pin!(async {
            match seen_afterwards {
                Some(new) => host.cached.save_client(&named("a", new)).await.unwrap(),
                None => assert!(host.cached.delete_client(&"a".into()).await.unwrap()),
            }
        });
        assert!(poll(change.as_mut()), "it gives way before the table is written");
        assert_eq!(host.name("a").await.as_deref(), Some("old"));
        change.await;
        assert_eq!(host.name("a").await.as_deref(), seen_afterwards);
    }
}

#[tokio::test]
async fn a_change_that_fails_may_have_been_made() {
    for how in [How::Error, How::Hang, How::Panic] {
        for (when, seen) in [(When::Before, "old"), (When::After, "new")] {
            let host = Host::new(Fault::by(how, when));
            host.name("a").await;
            let saved = host.interceptor.during(0, host.cached.save_client(&named("a", "new"))).await.unwrap();
            assert!(saved.is_none_or(|saved| saved.is_err()));
            assert_eq!(host.name("a").await.as_deref(), Some(seen), "{how:?} {when:?}");
            let id = ClientId::from("a");
            let deleted = host.interceptor.during(0, host.cached.delete_client(&id)).await.unwrap();
            assert!(deleted.is_none_or(|deleted| deleted.is_err()));
            assert_eq!(host.name("a").await.is_none(), when == When::After, "{how:?} {when:?}");
        }
    }
}

/// A database that takes capitals and small letters for equal.
struct Lenient(MemoryStore);

#[async_trait]
impl ClientStore for Lenient {
    async fn query_client(&self, client_id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        self.0.query_client(&client_id.as_str().to_lowercase().as_str().into()).await
    }
}

#[tokio::test]
async fn another_spelling_is_not_kept() {
    let table = Arc::new(Lenient(MemoryStore::new()));
    let cached = CachedClients::new(table.clone(), 2, TTL);
    for name_now in ["old", "new"] {
        table.0.insert_client(named("a", name_now));
        cached.forget(&"a".into());
        assert_eq!(name(cached.query_client(&"A".into()).await).as_deref(), Some(name_now));
    }
}

#[tokio::test]
async fn the_clients_may_stand_in_the_hosts_table_and_everything_else_in_another_store() {
    let (fixture, table, count) = (Fixture::new(), Arc::new(MemoryStore::new()), Count::new());
    for client in clients() {
        fixture.store.remove_client(client.id());
        table.insert_client(client);
    }
    let cached = CachedClients::new(Intercepted::new(&table, count.clone()), 100, TTL).clock(fixture.clock.clone());
    let cached = Arc::new(cached);
    let fixture = fixture.over_the_same_store(|state, clock| {
        let builder = AuthorizationServer::builder(ISSUER, cached.clone(), state.clone());
        with_every_part(builder, RefreshToken::rotating(), clock)
    });

    let tokens = fixture.tokens("sec").await;
    assert!(fixture.is_active(tokens.text("access_token")).await);
    let tokens = fixture.refresh("sec", tokens.text("refresh_token")).await;
    assert!(fixture.is_active(tokens.is_ok().text("access_token")).await);
    assert_eq!(count.look_ups(), 2, "one for the client, one for the resource server");

    table.remove_client(&"sec".into());
    fixture.clock.advance(TTL - 1);
    let tokens = fixture.refresh("sec", tokens.text("refresh_token")).await;
    tokens.is_ok();
    fixture.clock.advance(1);
    fixture.refresh("sec", tokens.text("refresh_token")).await.is_refused(401, "invalid_client");

    cached.save_client(&confidential("sec", metadata(AuthMethod::CLIENT_SECRET_BASIC))).await.unwrap();
    let tokens = fixture.refresh("sec", tokens.text("refresh_token")).await;
    tokens.is_ok();
    cached.delete_client(&"sec".into()).await.unwrap();
    fixture.refresh("sec", tokens.text("refresh_token")).await.is_refused(401, "invalid_client");
}
