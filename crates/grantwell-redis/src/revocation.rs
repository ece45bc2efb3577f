use std::sync::LazyLock;

use futures_util::future::try_join_all;
use grantwell::model::{AuthorizationId, ClientId};
use grantwell::storage::{RevocationStore, Selector};
use grantwell::{Digest, InvalidLength, StorageError, async_trait};
use redis::{Cmd, ExistenceCheck, SetExpiry, SetOptions};

use crate::index::PAGE;
use crate::script::Script;
use crate::tokens::{Found, owner};
use crate::{Connection, RedisStore};

static REVOKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("revoke.lua")));

/// Empties a row that is there; until it expires it keeps its place. Answers what was in it.
fn empty(key: String) -> Cmd {
    let keep = SetOptions::default().conditional_set(ExistenceCheck::XX).with_expiration(SetExpiry::KEEPTTL);
    Cmd::set_options(key, "", keep.get(true))
}

impl<C: Connection> RedisStore<C> {
    async fn revoke_authorization(&self, id: &AuthorizationId) -> Result<usize, StorageError> {
        let row: Option<String> = self.ask(&empty(self.keys.authorization(id))).await?;
        Ok(usize::from(row.is_some_and(|row| !row.is_empty())))
    }

    async fn revoke_authorizations_of(&self, index: String) -> Result<usize, StorageError> {
        self.revoke_indexed(&index, "", |id| Ok(self.keys.authorization(&id.parse()?))).await
    }

    async fn revoke_own_tokens(&self, client_id: &ClientId) -> Result<(), StorageError> {
        let key = |token: &str| Ok(self.keys.access_token_pointer(&token.parse()?));
        self.revoke_indexed(&self.keys.client_tokens(client_id), &owner(client_id), key).await?;
        Ok(())
    }

    /// Revokes every row that the index names, also those that are still to come; answers how many stood.
    async fn revoke_indexed(
        &self,
        index: &str,
        owner: &str,
        key: impl Fn(&str) -> Result<String, InvalidLength>,
    ) -> Result<usize, StorageError> {
        let mut count = 0;
        loop {
            let page = self.first_page(index).await?;
            let revoking = page
                .iter()
                .map(async |(entry, end)| self.run::<usize>(REVOKE.key(key(entry)?).arg(end).arg(owner)).await);
            count += try_join_all(revoking).await?.into_iter().sum::<usize>();
            if !page.is_empty() {
                self.remove_page(index, &page).await?;
            }
            if page.len() < PAGE {
                return Ok(count);
            }
        }
    }
}

#[async_trait]
impl<C: Connection> RevocationStore for RedisStore<C> {
    async fn revoke_token(&self, token: &Digest) -> Result<(), StorageError> {
        let key = match self.find_access_token(token).await? {
            None => return Ok(()),
            Some(Found::Own(_)) => self.keys.access_token_pointer(token),
            Some(Found::Under(id)) => self.keys.access_token(&id, token),
        };
        self.ask::<Option<String>>(&empty(key)).await?;
        Ok(())
    }

    /// Each authorization by itself: after an error some may be revoked and some not. Repeated, it does the rest.
    async fn revoke_authorizations(&self, selector: &Selector) -> Result<usize, StorageError> {
        let keys = &self.keys;
        match selector {
            Selector::Authorization(id) => self.revoke_authorization(id).await,
            Selector::Client(client_id) => {
                self.revoke_own_tokens(client_id).await?;
                self.revoke_authorizations_of(keys.client_authorizations(client_id)).await
            }
            Selector::Subject(subject) => self.revoke_authorizations_of(keys.subject_authorizations(subject)).await,
            Selector::SubjectAtClient(subject, client_id) => {
                self.ask::<()>(&Cmd::del(keys.consents(subject, client_id))).await?;
                self.revoke_authorizations_of(keys.subject_authorizations_at(subject, client_id)).await
            }
            Selector::Session(sessions) => {
                let indexes = sessions.iter().map(|session| keys.session_authorizations(session));
                Ok(try_join_all(indexes.map(|index| self.revoke_authorizations_of(index))).await?.into_iter().sum())
            }
            _ => Err(StorageError::new("this store does not know that selector")),
        }
    }
}
