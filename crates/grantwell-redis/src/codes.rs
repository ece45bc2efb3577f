use std::sync::LazyLock;

use futures_util::future::try_join;
use grantwell::model::{AuthorizationCode, AuthorizationId, Issued, Record as _};
use grantwell::storage::{AuthorizationCodeStore, CodeState, Redeemed, TokenStore as _};
use grantwell::{Digest, StorageError, async_trait};

use crate::pointers::Row;
use crate::script::Script;
use crate::{Connection, RedisStore};

static SAVE_CODE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("save_code.lua")));
static CONSUME: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("consume.lua")));

/// A code's row begins with one of these, so that the scripts can tell and change its state in place.
const ACTIVE: char = 'a';
const CONSUMED: char = 'c';

impl<C: Connection> RedisStore<C> {
    fn code_row(&self, code: &AuthorizationCode) -> Result<Row, StorageError> {
        Ok(Row {
            pointer: self.keys.code_pointer(&code.code),
            key: self.keys.code(&code.authorization.id, &code.code),
            value: format!("{ACTIVE}{}", code.to_row()?.payload),
            end: self.end(code.retain_until),
        })
    }

    async fn find_code(&self, code: &Digest) -> Result<Option<AuthorizationId>, StorageError> {
        self.follow(self.keys.code_pointer(code)).await
    }
}

#[async_trait]
impl<C: Connection> AuthorizationCodeStore for RedisStore<C> {
    async fn save_authorization_code(&self, code: &AuthorizationCode) -> Result<bool, StorageError> {
        let authorization = &code.authorization;
        let rows = [self.code_row(code)?];
        let (pointed, ()) =
            try_join(self.point(&authorization.id, &rows), self.index_authorization(authorization)).await?;
        if pointed.is_none() {
            return Ok(false);
        }
        let [Row { key, value, end, .. }] = &rows;
        let keys = [&self.keys.authorization(&authorization.id), key];
        let call = SAVE_CODE.key(&keys).arg(authorization.to_row()?.payload).arg(self.end(authorization.expires_at));
        self.run(call.arg(value).arg(end)).await
    }

    async fn query_authorization_code(&self, code: &Digest) -> Result<Option<CodeState>, StorageError> {
        let Some(id) = self.find_code(code).await? else { return Ok(None) };
        let Some((_, row)) = self.standing(&id, self.keys.code(&id, code)).await? else { return Ok(None) };
        let state = match (row.strip_prefix(ACTIVE), row.strip_prefix(CONSUMED)) {
            (Some(active), _) => CodeState::Active(AuthorizationCode::from_row(active)?),
            (_, Some(consumed)) => CodeState::Consumed(AuthorizationCode::from_row(consumed)?),
            _ => return Err(StorageError::new("the row of an authorization code cannot be read")),
        };
        Ok(Some(state))
    }

    async fn delete_authorization_code(&self, code: &Digest) -> Result<bool, StorageError> {
        let Some(id) = self.find_code(code).await? else { return Ok(false) };
        self.run(CONSUME.key(self.keys.code(&id, code))).await
    }

    /// One step if the tokens are issued under the code's own authorization, as they always are; under another there is
    /// no such code. A token that the client has for itself is elsewhere: the code is consumed first, so that a crash in
    /// between loses it.
    async fn redeem_authorization_code(&self, code: &Digest, issued: &Issued) -> Result<Redeemed, StorageError> {
        if let Some(id) = issued.access_token.authorization {
            return self.save_under(&id, Some(code), issued).await;
        }
        if !self.delete_authorization_code(code).await? {
            return Ok(Redeemed::Lost);
        }
        self.save_token(issued).await?;
        Ok(Redeemed::Saved)
    }
}
