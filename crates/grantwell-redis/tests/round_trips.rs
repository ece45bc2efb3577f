//! How often each step of a flow waits for Redis.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use grantwell::model::{Authorization, Issued};
use grantwell::storage::{
    AccessTokenStore as _, AuthorizationCodeStore as _, ClientStore as _, KeyStore as _, RefreshTokenStore as _,
    ReplayStore as _, RevocationStore as _, Selector, TokenStore as _,
};
use grantwell_redis::{Connection, RedisStore};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, Pipeline, RedisFuture, Value};
use support::{access_token, authorization, code, digest, issued, later, own_token, signing_key};

/// Counts the moments at which a command is sent while no other is under way.
#[derive(Clone)]
struct Counting<C> {
    connection: C,
    trips: Arc<AtomicUsize>,
    under_way: Arc<AtomicUsize>,
}

impl<C: Connection> ConnectionLike for Counting<C> {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            if self.under_way.fetch_add(1, Ordering::SeqCst) == 0 {
                self.trips.fetch_add(1, Ordering::SeqCst);
            }
            let answer = self.connection.req_packed_command(cmd).await;
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            answer
        })
    }

    fn req_packed_commands<'a>(&'a mut self, _: &'a Pipeline, _: usize, _: usize) -> RedisFuture<'a, Vec<Value>> {
        unimplemented!("a cluster has no pipelines across slots")
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}

struct Trips {
    store: RedisStore<Counting<MultiplexedConnection>>,
    trips: Arc<AtomicUsize>,
}

impl Trips {
    async fn new() -> Self {
        let (trips, under_way) = (Arc::default(), Arc::default());
        let connection = support::connect("GRANTWELL_REDIS").await;
        let counting = Counting { connection, trips: Arc::clone(&trips), under_way };
        let this = Self { store: RedisStore::new(counting).with_prefix(support::prefix()), trips };
        // The first time, Redis may not know the scripts.
        this.every_flow().await;
        this
    }

    fn taken(&self) -> usize {
        self.trips.swap(0, Ordering::SeqCst)
    }

    /// How many trips each step takes.
    async fn every_flow(&self) -> Vec<(&'static str, usize)> {
        let own: Authorization = authorization();
        let (code, first) = (code(&own), issued(&own));
        let (family, token) = (first.refresh_token.clone().unwrap(), first.access_token.token);
        let for_itself = own_token(&own.client_id);
        let store = &self.store;
        let mut steps = Vec::new();
        self.taken();
        store.query_client(&own.client_id).await.unwrap();
        steps.push(("look up a client", self.taken()));
        store.save_authorization_code(&code).await.unwrap();
        steps.push(("save a code", self.taken()));
        store.query_authorization_code(&code.code).await.unwrap();
        steps.push(("look up a code", self.taken()));
        store.redeem_authorization_code(&code.code, &first).await.unwrap();
        steps.push(("redeem a code", self.taken()));
        store.query_token(&token).await.unwrap();
        steps.push(("introspect", self.taken()));
        store.query_refresh_token(&family.handle).await.unwrap();
        steps.push(("look up a refresh token", self.taken()));
        store.rotate_refresh_token(0, &family, &access_token(&own)).await.unwrap();
        steps.push(("rotate", self.taken()));
        store.save_token(&Issued { refresh_token: None, ..issued(&own) }).await.unwrap();
        steps.push(("save a further token", self.taken()));
        store.save_token(&for_itself).await.unwrap();
        steps.push(("save a client's own token", self.taken()));
        store.query_token(&for_itself.access_token.token).await.unwrap();
        steps.push(("introspect a client's own token", self.taken()));
        store.claim(&digest(), later(10)).await.unwrap();
        steps.push(("claim", self.taken()));
        let key = signing_key();
        store.save_signing_key(&key).await.unwrap();
        steps.push(("save a signing key", self.taken()));
        store.query_signing_keys(&key.issuer).await.unwrap();
        steps.push(("look up the signing keys", self.taken()));
        store.delete_signing_key(&key).await.unwrap();
        steps.push(("delete a signing key", self.taken()));
        store.revoke_token(&token).await.unwrap();
        steps.push(("revoke a token", self.taken()));
        store.revoke_authorizations(&Selector::Authorization(own.id)).await.unwrap();
        steps.push(("revoke an authorization", self.taken()));
        store.revoke_authorizations(&Selector::Subject(own.subject)).await.unwrap();
        steps.push(("revoke a subject", self.taken()));
        steps
    }
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn no_step_waits_longer_than_it_must() {
    let trips = Trips::new().await;
    let expected = [
        ("look up a client", 1),
        ("save a code", 2),
        ("look up a code", 2),
        ("redeem a code", 2),
        ("introspect", 2),
        ("look up a refresh token", 2),
        ("rotate", 2),
        ("save a further token", 2),
        ("save a client's own token", 2),
        ("introspect a client's own token", 1),
        ("claim", 1),
        ("save a signing key", 1),
        ("look up the signing keys", 1),
        ("delete a signing key", 1),
        ("revoke a token", 2),
        ("revoke an authorization", 1),
        ("revoke a subject", 3),
    ];
    assert_eq!(trips.every_flow().await, expected);
}
