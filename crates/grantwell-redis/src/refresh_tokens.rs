use std::sync::LazyLock;

use grantwell::model::{AccessToken, ActiveRefreshToken, Authorization, Record as _, RefreshHandle, RefreshToken};
use grantwell::storage::{RefreshTokenStore, Rotated};
use grantwell::{StorageError, async_trait};

use crate::pointers::Row;
use crate::script::Script;
use crate::tokens::taken;
use crate::{Connection, RedisStore};

static ROTATE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("rotate.lua")));

/// What a family's row begins with. Lua's numbers would round it, so it is compared as text.
fn generation(generation: u64) -> String {
    format!("{generation} ")
}

fn read(row: &str) -> Result<RefreshToken, StorageError> {
    let (_, payload) = row.split_once(' ').ok_or(StorageError::new("the row of a refresh token cannot be read"))?;
    Ok(RefreshToken::from_row(payload)?)
}

impl<C: Connection> RedisStore<C> {
    pub(crate) fn refresh_token_row(&self, family: &RefreshToken) -> Result<Row, StorageError> {
        Ok(Row {
            pointer: self.keys.refresh_token_pointer(&family.handle),
            key: self.keys.refresh_token(&family.authorization, &family.handle),
            value: generation(family.generation) + &family.to_row()?.payload,
            end: self.end(family.expires_at),
        })
    }
}

#[async_trait]
impl<C: Connection> RefreshTokenStore for RedisStore<C> {
    async fn query_refresh_token(&self, handle: &RefreshHandle) -> Result<Option<ActiveRefreshToken>, StorageError> {
        let Some(id) = self.follow(self.keys.refresh_token_pointer(handle)).await? else { return Ok(None) };
        let found = self.standing(&id, self.keys.refresh_token(&id, handle)).await?;
        let Some((authorization, row)) = found else { return Ok(None) };
        Ok(Some(ActiveRefreshToken { token: read(&row)?, authorization: Authorization::from_row(&authorization)? }))
    }

    async fn rotate_refresh_token(
        &self,
        expected: u64,
        next: &RefreshToken,
        access_token: &AccessToken,
    ) -> Result<Rotated, StorageError> {
        let id = &next.authorization;
        let rows = [self.access_token_row(id, access_token)?];
        let Some(new) = self.point(id, &rows).await? else { return Err(taken()) };
        let ([token], family) = (&rows, self.refresh_token_row(next)?);
        let call = ROTATE.key(&[&family.key, &token.key]).arg(generation(expected)).arg(family.value).arg(family.end);
        let (outcome, current): (String, Option<String>) = self.run(call.arg(&token.value).arg(token.end)).await?;
        if outcome == "saved" {
            return Ok(Rotated::Saved);
        }
        self.retract(new).await?;
        if outcome == "taken" {
            return Err(taken());
        }
        Ok(Rotated::Lost(current.map(|row| read(&row)).transpose()?))
    }
}
