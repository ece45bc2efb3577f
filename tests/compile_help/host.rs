//! A host's store that has the five hooks, and no other.
#![allow(dead_code)]

use std::sync::Arc;

use async_trait::async_trait;
use grantwell::model::{self, Client, ClientId, Issued};
use grantwell::storage::{AuthorizationCodeStore, ClientStore, CodeState, TokenStore};
use grantwell::{AuthorizationServer, Builder, Digest, StorageError};

pub struct MyStore;

#[async_trait]
impl ClientStore for MyStore {
    async fn query_client(&self, _: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        Ok(None)
    }
}

#[async_trait]
impl TokenStore for MyStore {
    async fn save_token(&self, _: &Issued) -> Result<(), StorageError> {
        Ok(())
    }
}

#[async_trait]
impl AuthorizationCodeStore for MyStore {
    async fn save_authorization_code(&self, _: &model::AuthorizationCode) -> Result<bool, StorageError> {
        Ok(true)
    }

    async fn query_authorization_code(&self, _: &Digest) -> Result<Option<CodeState>, StorageError> {
        Ok(None)
    }

    async fn delete_authorization_code(&self, _: &Digest) -> Result<bool, StorageError> {
        Ok(true)
    }
}

/// A store that has nothing.
pub struct BareStore;

/// The builder of a server whose clients are in `MyStore` and whose state is in `store`.
pub fn over<S>(store: S) -> Builder<S> {
    AuthorizationServer::builder("https://as.example", Arc::new(MyStore), Arc::new(store))
}
