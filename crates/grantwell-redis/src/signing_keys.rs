use grantwell::model::{Issuer, Record as _, SigningKey};
use grantwell::storage::KeyStore;
use grantwell::{StorageError, async_trait};
use redis::Cmd;

use crate::{Connection, RedisStore};

#[async_trait]
impl<C: Connection> KeyStore for RedisStore<C> {
    async fn query_signing_keys(&self, issuer: &Issuer) -> Result<Vec<SigningKey>, StorageError> {
        let rows: Vec<String> = self.ask(&Cmd::hvals(self.keys.signing_keys(issuer))).await?;
        let keys: Result<_, _> = rows.iter().map(|row| SigningKey::from_row(row)).collect();
        Ok(keys?)
    }

    async fn save_signing_key(&self, key: &SigningKey) -> Result<bool, StorageError> {
        let row = key.to_row()?;
        self.ask(&Cmd::hset_nx(self.keys.signing_keys(&key.issuer), row.id, row.payload)).await
    }

    async fn delete_signing_key(&self, key: &SigningKey) -> Result<(), StorageError> {
        self.ask(&Cmd::hdel(self.keys.signing_keys(&key.issuer), key.index().id)).await
    }
}
