use std::sync::Arc;

use grantwell::model::{Client, ClientId, Record as _};
use grantwell::storage::{ClientRegistry, ClientStore};
use grantwell::{StorageError, async_trait};
use redis::Cmd;

use crate::{Connection, RedisStore};

#[async_trait]
impl<C: Connection> ClientStore for RedisStore<C> {
    async fn query_client(&self, client_id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        let row: Option<String> = self.ask(&Cmd::get(self.keys.client(client_id))).await?;
        Ok(row.map(|row| Client::from_row(&row)).transpose()?.map(Arc::new))
    }
}

#[async_trait]
impl<C: Connection> ClientRegistry for RedisStore<C> {
    async fn save_client(&self, client: &Client) -> Result<(), StorageError> {
        self.ask(&Cmd::set(self.keys.client(client.id()), client.to_row()?.payload)).await
    }

    async fn delete_client(&self, client_id: &ClientId) -> Result<bool, StorageError> {
        self.ask(&Cmd::del(self.keys.client(client_id))).await
    }
}
