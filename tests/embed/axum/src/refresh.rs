//! Refresh tokens (RFC 6749 section 6): one more trait, one more grant.

use async_trait::async_trait;
use grantwell::grants;
use grantwell::model::{AccessToken, ActiveRefreshToken, Authorization, Record as _, RefreshHandle, RefreshToken, Row};
use grantwell::storage::{RefreshTokenStore, Rotated};
use grantwell::{Builder, StorageError};
use rusqlite::{Connection, OptionalExtension as _};

use crate::store::{Store, insert};

pub(crate) fn add_to(server: Builder<Store>) -> Builder<Store> {
    server.grant(grants::RefreshToken::rotating())
}

#[async_trait]
impl RefreshTokenStore for Store {
    async fn query_refresh_token(&self, handle: &RefreshHandle) -> Result<Option<ActiveRefreshToken>, StorageError> {
        let sql = "SELECT r.payload, a.payload FROM oauth_refresh_tokens r
            JOIN oauth_standing a ON a.id = r.authorization WHERE r.id = ?";
        let found: Option<(String, String)> = self.0.find(sql, handle.to_string()).await?;
        let Some((token, authorization)) = found else { return Ok(None) };
        let (token, authorization) = (RefreshToken::from_row(&token)?, Authorization::from_row(&authorization)?);
        Ok(Some(ActiveRefreshToken { token, authorization }))
    }

    async fn rotate_refresh_token(
        &self,
        expected: u64,
        next: &RefreshToken,
        access_token: &AccessToken,
    ) -> Result<Rotated, StorageError> {
        let (next, access_token) = (next.to_row()?, access_token.to_row()?);
        self.0.run(move |db| rotate(db, expected, next, &access_token)).await
    }
}

fn rotate(db: &mut Connection, expected: u64, next: Row, access_token: &Row) -> Result<Rotated, StorageError> {
    let change = db.transaction()?;
    let current = family(&change, &next.id)?;
    if current.as_ref().is_none_or(|current| current.generation != expected) {
        return Ok(Rotated::Lost(current));
    }
    let replace = "UPDATE oauth_refresh_tokens SET expires_at = ?, payload = ? WHERE id = ?";
    change.execute(replace, (next.expires_at, next.payload, next.id))?;
    insert(&change, "oauth_access_tokens", access_token)?;
    change.commit()?;
    Ok(Rotated::Saved)
}

fn family(db: &Connection, handle: &str) -> Result<Option<RefreshToken>, StorageError> {
    let sql = "SELECT payload FROM oauth_refresh_tokens WHERE id = ?";
    let payload: Option<String> = db.query_row(sql, [handle], |row| row.get(0)).optional()?;
    Ok(payload.map(|payload| RefreshToken::from_row(&payload)).transpose()?)
}
