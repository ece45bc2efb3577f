use std::cmp::Reverse;

use futures_util::future::try_join_all;
use grantwell::model::{Authorization, AuthorizationId, Record as _, Subject};
use grantwell::storage::AuthorizationStore;
use grantwell::{StorageError, Timestamp, async_trait};
use redis::Cmd;

use crate::index::PAGE;
use crate::{Connection, RedisStore};

impl<C: Connection> RedisStore<C> {
    async fn standing_authorization(&self, id: &AuthorizationId) -> Result<Option<Authorization>, StorageError> {
        let row: Option<String> = self.ask(&Cmd::get(self.keys.authorization(id))).await?;
        let row = row.filter(|row| !row.is_empty());
        Ok(row.map(|row| Authorization::from_row(&row)).transpose()?)
    }
}

#[async_trait]
impl<C: Connection> AuthorizationStore for RedisStore<C> {
    async fn list_authorizations(&self, subject: &Subject, now: Timestamp) -> Result<Vec<Authorization>, StorageError> {
        let ids: Vec<String> = self.ask(&Cmd::zrange(self.keys.subject_authorizations(subject), 0, -1)).await?;
        let mut standing = Vec::new();
        for page in ids.chunks(PAGE) {
            let rows = try_join_all(page.iter().map(async |id| self.standing_authorization(&id.parse()?).await));
            standing.extend(rows.await?.into_iter().flatten());
        }
        standing.retain(|authorization| now < authorization.expires_at);
        standing.sort_by_key(|authorization| Reverse((authorization.created_at, authorization.id)));
        Ok(standing)
    }
}
