//! A host with five hooks has the code and the client credentials grants.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use common::*;
use grantwell::grants::{AuthorizationCode, ClientCredentials};
use grantwell::model::{self, Client, ClientId, Issued};
use grantwell::storage::{AuthorizationCodeStore, ClientStore, CodeState, TokenStore};
use grantwell::stores::MemoryStore;
use grantwell::{AuthorizationServer, Decision, Digest, SecretKey, StorageError};
use serde_json::json;

/// The host's own tables. A code that was used is marked.
#[derive(Default)]
struct Host {
    clients: HashMap<ClientId, Arc<Client>>,
    codes: Mutex<HashMap<Digest, CodeState>>,
    tokens: Mutex<HashMap<Digest, Issued>>,
}

#[async_trait]
impl ClientStore for Host {
    async fn query_client(&self, client_id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        Ok(self.clients.get(client_id).cloned())
    }
}

#[async_trait]
impl TokenStore for Host {
    async fn save_token(&self, issued: &Issued) -> Result<(), StorageError> {
        self.tokens.lock().unwrap().insert(issued.access_token.token, issued.clone());
        Ok(())
    }
}

#[async_trait]
impl AuthorizationCodeStore for Host {
    async fn save_authorization_code(&self, code: &model::AuthorizationCode) -> Result<bool, StorageError> {
        let mut codes = self.codes.lock().unwrap();
        let is_new = !codes.contains_key(&code.code);
        codes.entry(code.code).or_insert_with(|| CodeState::Active(code.clone()));
        Ok(is_new)
    }

    async fn query_authorization_code(&self, code: &Digest) -> Result<Option<CodeState>, StorageError> {
        Ok(self.codes.lock().unwrap().get(code).cloned())
    }

    async fn delete_authorization_code(&self, code: &Digest) -> Result<bool, StorageError> {
        let mut codes = self.codes.lock().unwrap();
        let Some(CodeState::Active(active)) = codes.get(code).cloned() else { return Ok(false) };
        codes.insert(*code, CodeState::Consumed(active));
        Ok(true)
    }
}

/// The server over such a host. The fixture's own store is not used.
fn five_hooks() -> (Arc<Host>, Fixture) {
    let clients = clients().into_iter().map(|client| (client.id().clone(), Arc::new(client))).collect();
    let host = Arc::new(Host { clients, ..Host::default() });
    let clock = ManualClock::new();
    let server = AuthorizationServer::builder(ISSUER, host.clone(), host.clone())
        .secret_keys(SecretKey::from_bytes([7; 32]), [])
        .grant(AuthorizationCode::new())
        .grant(ClientCredentials::new())
        .clock(clock.clone())
        .build()
        .unwrap();
    (host, Fixture { server, store: Arc::new(MemoryStore::new()), clock })
}

#[tokio::test]
async fn the_code_flow_ends_with_a_token_in_the_hosts_own_table() {
    let (host, fixture) = five_hooks();
    for client in ["sec", "pub", "post"] {
        let tokens = fixture.tokens(client).await;
        let row = host.tokens.lock().unwrap()[&Digest::of(tokens.text("access_token"))].clone();
        let authorization = row.authorization.unwrap();
        assert_eq!((authorization.subject, authorization.client_id), ("alice".into(), client.into()));
        assert_eq!(row.access_token.scope, "profile".parse().unwrap());
        assert_eq!((row.refresh_token, tokens.json.get("refresh_token")), (None, None));
    }
}

#[tokio::test]
async fn a_client_has_tokens_for_itself() {
    let (host, fixture) = five_hooks();
    let answer = fixture.token("cc", &[("grant_type", "client_credentials")]).await;
    let row = host.tokens.lock().unwrap()[&Digest::of(answer.is_ok().text("access_token"))].clone();
    assert_eq!((row.authorization, row.access_token.client_id), (None, "cc".into()));
}

#[tokio::test]
async fn a_replay_is_refused_and_revokes_nothing() {
    let (host, fixture) = five_hooks();
    let code = fixture.code("sec").await;
    fixture.redeem("sec", &code).await.is_ok();
    fixture.redeem("sec", &code).await.is_refused(400, "invalid_grant");
    assert_eq!(host.tokens.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn going_back_to_the_consent_page_makes_no_second_code() {
    let (_, fixture) = five_hooks();
    let login = fixture.login("alice");
    let pending = fixture.consent(&code_request("sec"), &login).await;
    let approve = || fixture.server.decide(pending.ticket(), Some(&login), Decision::APPROVE);
    let code = redirect_param(&approve().await, "code").unwrap();
    assert_eq!(redirect_param(&approve().await, "code").as_deref(), Some(code.as_str()), "a double click");
    fixture.redeem("sec", &code).await.is_ok();
    is_error_page(&approve().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_parallel_redemptions_one_wins() {
    let (host, fixture) = five_hooks();
    let code = fixture.code("sec").await;
    let redeem = |fixture: Fixture, code: String| async move { fixture.redeem("sec", &code).await.status };
    let tasks: Vec<_> = (0..50).map(|_| tokio::spawn(redeem(fixture.clone(), code.clone()))).collect();
    let mut winners = 0;
    for task in tasks {
        winners += usize::from(task.await.unwrap() == 200);
    }
    assert_eq!((winners, host.tokens.lock().unwrap().len()), (1, 1));
}

#[tokio::test]
async fn no_other_grant_or_endpoint_is_there_nor_advertised() {
    let (_, fixture) = five_hooks();
    fixture.refresh("sec", "x").await.is_refused(400, "unsupported_grant_type");
    for path in ["/revoke", "/introspect"] {
        assert_eq!(fixture.post_as(path, "sec", &[("token", "x")]).await.status, 404);
    }
    let metadata: serde_json::Value = serde_json::from_slice(fixture.server.metadata()).unwrap();
    assert_eq!(metadata["grant_types_supported"], json!(["authorization_code", "client_credentials"]));
    assert!(metadata.get("revocation_endpoint").is_none() && metadata.get("introspection_endpoint").is_none());
}
