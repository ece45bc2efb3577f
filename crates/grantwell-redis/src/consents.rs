use grantwell::model::{ClientId, Consent, Record as _, Subject};
use grantwell::storage::ConsentStore;
use grantwell::{StorageError, async_trait};
use redis::Cmd;

use crate::{Connection, RedisStore};

#[async_trait]
impl<C: Connection> ConsentStore for RedisStore<C> {
    async fn query_consent(
        &self,
        subject: &Subject,
        client_id: &ClientId,
        redirect_uri: &str,
    ) -> Result<Option<Consent>, StorageError> {
        let field = Consent::row_id(subject, client_id, redirect_uri);
        let row: Option<String> = self.ask(&Cmd::hget(self.keys.consents(subject, client_id), field)).await?;
        Ok(row.map(|row| Consent::from_row(&row)).transpose()?)
    }

    async fn save_consent(&self, consent: &Consent) -> Result<(), StorageError> {
        let row = consent.to_row()?;
        self.ask(&Cmd::hset(self.keys.consents(&consent.subject, &consent.client_id), row.id, row.payload)).await
    }
}
