//! Each shipped store under a server, driven over HTTP messages: what is issued works, what is used up or revoked does
//! not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use grantwell::storage::Selector;
use grantwell::stores::{CachedClients, MemoryStore};
use grantwell_store_tests::flows::{self, Flows};
use grantwell_store_tests::place::{EveryStore, Place};
use grantwell_store_tests::with_store;

async fn everything<S: EveryStore>(store: Arc<S>) {
    let flows = Flows::over(&store).await;
    every_flow(&flows).await;
    // Clients in the host's own store, state in this one.
    let own = MemoryStore::new();
    own.insert_client(flows::client());
    every_flow(&Flows::with_clients(Arc::new(own), &store)).await;
    // A cache in front of this one's clients.
    let cached = CachedClients::new(store.clone(), 100, 60);
    every_flow(&Flows::with_clients(Arc::new(cached), &store)).await;
}

async fn every_flow(flows: &Flows) {
    a_code_is_redeemed_once_and_its_replay_revokes(flows).await;
    a_refresh_token_has_one_successor_and_its_reuse_is_refused(flows).await;
    a_revoked_token_is_inactive(flows).await;
    disconnecting_ends_everything_and_forgets_the_consent(flows).await;
    a_client_has_tokens_for_itself_until_it_is_revoked(flows).await;
}

async fn a_code_is_redeemed_once_and_its_replay_revokes(flows: &Flows) {
    let code = flows.code("alice").await;
    let tokens = flows.redeem(&code).await;
    assert!(flows.is_active(&tokens.text("access_token")).await);
    assert_eq!(flows.redeem(&code).await.error(), (400, "invalid_grant"));
    assert!(!flows.is_active(&tokens.text("access_token")).await);
    assert_eq!(flows.refresh(&tokens.text("refresh_token")).await.error(), (400, "invalid_grant"));
}

async fn a_refresh_token_has_one_successor_and_its_reuse_is_refused(flows: &Flows) {
    let first = flows.redeem(&flows.code("alice").await).await;
    let second = flows.refresh(&first.text("refresh_token")).await;
    let again = flows.refresh(&first.text("refresh_token")).await;
    assert_eq!(second.text("refresh_token"), again.text("refresh_token"), "within the grace");
    let third = flows.refresh(&second.text("refresh_token")).await;
    for answer in [&first, &second, &again, &third] {
        assert!(flows.is_active(&answer.text("access_token")).await);
    }
    assert_eq!(flows.refresh(&first.text("refresh_token")).await.error(), (400, "invalid_grant"));
}

async fn a_revoked_token_is_inactive(flows: &Flows) {
    let tokens = flows.redeem(&flows.code("alice").await).await;
    assert_eq!(flows.revoke(&tokens.text("access_token")).await.status, 200);
    assert!(!flows.is_active(&tokens.text("access_token")).await);
    let next = flows.refresh(&tokens.text("refresh_token")).await;
    assert_eq!(flows.revoke(&next.text("refresh_token")).await.status, 200);
    assert!(!flows.is_active(&next.text("access_token")).await);
    assert_eq!(flows.refresh(&next.text("refresh_token")).await.error(), (400, "invalid_grant"));
}

async fn disconnecting_ends_everything_and_forgets_the_consent(flows: &Flows) {
    let tokens = flows.redeem(&flows.code("bob").await).await;
    let login = Flows::login("bob");
    assert!(matches!(flows.authorize(&login).await, grantwell::Authorize::Respond(_)), "the consent is remembered");
    let count = flows.revoke_authorizations(&Selector::SubjectAtClient("bob".into(), "app".into())).await;
    assert_eq!(count, 2, "the one of the silent approval too");
    assert!(!flows.is_active(&tokens.text("access_token")).await);
    assert!(matches!(flows.authorize(&login).await, grantwell::Authorize::Consent(_)));
}

async fn a_client_has_tokens_for_itself_until_it_is_revoked(flows: &Flows) {
    let token = flows.client_credentials().await.text("access_token");
    assert!(flows.is_active(&token).await);
    flows.revoke_authorizations(&Selector::Client("app".into())).await;
    assert!(!flows.is_active(&token).await);
    let token = flows.client_credentials().await.text("access_token");
    assert!(flows.is_active(&token).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_memory() {
    with_store!(Place::Memory, |store| everything(store).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    with_store!(Place::sqlite(folder.path()), |store| everything(store).await);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a PostgreSQL: GRANTWELL_POSTGRES"]
async fn over_postgres() {
    with_store!(Place::postgres(), |store| everything(store).await);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Redis: GRANTWELL_REDIS"]
async fn over_redis() {
    with_store!(Place::redis(), |store| everything(store).await);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Redis in cluster mode: GRANTWELL_REDIS_CLUSTER"]
async fn over_redis_in_cluster_mode() {
    with_store!(Place::redis_cluster(), |store| everything(store).await);
}
