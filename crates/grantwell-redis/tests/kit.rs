//! Every promise of the storage traits, over each kind of connection and of Redis.

mod support;

use std::sync::Arc;

use grantwell::storage::testing;
use grantwell_redis::{Connection, RedisStore};
use redis::Client;
use redis::cluster::ClusterClient;

async fn keeps_every_promise<C: Connection>(connection: C) {
    let store = RedisStore::new(connection).with_prefix(support::prefix()).clock_skew(0);
    testing::every_promise_with_native_expiry(Arc::new(store)).await.assert();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn one_shared_connection_keeps_every_promise() {
    keeps_every_promise(support::connect("GRANTWELL_REDIS").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn a_connection_manager_keeps_every_promise() {
    let client = Client::open(support::address("GRANTWELL_REDIS")).unwrap();
    keeps_every_promise(client.get_connection_manager().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a Redis in cluster mode: GRANTWELL_REDIS_CLUSTER=redis://.."]
async fn a_connection_to_a_cluster_keeps_every_promise() {
    let client = ClusterClient::new([support::address("GRANTWELL_REDIS_CLUSTER")]).unwrap();
    keeps_every_promise(client.get_async_connection().await.unwrap()).await;
}
