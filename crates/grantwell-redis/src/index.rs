use std::sync::LazyLock;

use futures_util::future::try_join_all;
use grantwell::model::{Authorization, ClientId};
use grantwell::{Digest, StorageError};
use redis::Cmd;

use crate::script::Script;
use crate::{Connection, RedisStore};

/// How many entries of an index are read at once.
pub(crate) const PAGE: usize = 256;

/// What an index names, and the Unix second in which it expires.
pub(crate) type Entry = (String, u64);

static INDEX: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("index.lua")));

impl<C: Connection> RedisStore<C> {
    /// Makes the authorization known to every selector that must find it.
    pub(crate) async fn index_authorization(&self, authorization: &Authorization) -> Result<(), StorageError> {
        let (subject, client_id) = (&authorization.subject, &authorization.client_id);
        let of_subject =
            vec![self.keys.subject_authorizations(subject), self.keys.subject_authorizations_at(subject, client_id)];
        let of_client = vec![self.keys.client_authorizations(client_id)];
        let of_session = authorization.ending_session().map(|session| vec![self.keys.session_authorizations(&session)]);
        let (id, end) = (authorization.id.to_string(), self.end(authorization.expires_at));
        let slots = [Some(of_subject), Some(of_client), of_session].into_iter().flatten();
        try_join_all(slots.map(|indexes| self.add(indexes, &id, end))).await?;
        Ok(())
    }

    /// Makes a token that the client has for itself known to the client's selector.
    pub(crate) async fn index_own_token(
        &self,
        client_id: &ClientId,
        token: &Digest,
        end: u64,
    ) -> Result<(), StorageError> {
        self.add(vec![self.keys.client_tokens(client_id)], &token.to_string(), end).await
    }

    /// The indexes share a slot.
    async fn add(&self, indexes: Vec<String>, entry: &str, end: u64) -> Result<(), StorageError> {
        self.run(INDEX.key(indexes).arg(entry).arg(end)).await
    }

    /// The entries that expire first.
    pub(crate) async fn first_page(&self, index: &str) -> Result<Vec<Entry>, StorageError> {
        self.ask(&Cmd::zrange_withscores(index, 0, PAGE as isize - 1)).await
    }

    /// Takes out entries whose revocation is done, so that the next page is the first again.
    pub(crate) async fn remove_page(&self, index: &str, page: &[Entry]) -> Result<(), StorageError> {
        let entries: Vec<&str> = page.iter().map(|(entry, _)| entry.as_str()).collect();
        self.ask(&Cmd::zrem(index, entries)).await
    }
}
