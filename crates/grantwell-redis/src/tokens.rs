use std::sync::LazyLock;

use grantwell::model::{AccessToken, ActiveAccessToken, Authorization, AuthorizationId, ClientId, Issued, Record as _};
use grantwell::storage::{AccessTokenStore, Redeemed, TokenStore};
use grantwell::{Digest, StorageError, async_trait};
use redis::{Cmd, ExistenceCheck, SetExpiry, SetOptions};

use crate::keys::digest;
use crate::pointers::Row;
use crate::script::Script;
use crate::{Connection, RedisStore};

static SAVE_TOKENS: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("save_tokens.lua")));

/// What stands where an access token is looked up.
pub(crate) enum Found {
    /// The authorization under which its row is.
    Under(AuthorizationId),
    /// The row of a token that a client has for itself.
    Own(String),
}

/// What the row of a client's own token begins with, so that no other client's revocation hits it.
pub(crate) fn owner(client_id: &ClientId) -> String {
    format!("{} ", digest(client_id))
}

pub(crate) fn taken() -> StorageError {
    StorageError::new("an access token or refresh token of that key exists")
}

impl<C: Connection> RedisStore<C> {
    /// `None` for what is unknown, and for a revoked token that a client had for itself.
    pub(crate) async fn find_access_token(&self, token: &Digest) -> Result<Option<Found>, StorageError> {
        let found: Option<String> = self.ask(&Cmd::get(self.keys.access_token_pointer(token))).await?;
        match found {
            None => Ok(None),
            Some(value) if value.is_empty() => Ok(None),
            Some(value) => match value.split_once(' ') {
                Some((_, row)) => Ok(Some(Found::Own(row.to_owned()))),
                None => Ok(Some(Found::Under(value.parse()?))),
            },
        }
    }

    /// Saves everything under one authorization, and consumes `code` in the same step.
    pub(crate) async fn save_under(
        &self,
        id: &AuthorizationId,
        code: Option<&Digest>,
        issued: &Issued,
    ) -> Result<Redeemed, StorageError> {
        let rows = self.token_rows(id, issued)?;
        let Some(new) = self.point(id, &rows).await? else { return Err(taken()) };
        // Usually the authorization is there, and then its indexes need not be touched.
        let mut outcome = self.save_rows(id, code, IfAbsent::of(issued), &rows).await?;
        if let ("absent", Some(authorization)) = (outcome.as_str(), &issued.authorization) {
            self.index_authorization(authorization).await?;
            outcome = self.save_rows(id, code, IfAbsent::Insert(authorization), &rows).await?;
        }
        if outcome == "saved" {
            return Ok(Redeemed::Saved);
        }
        self.retract(new).await?;
        if outcome == "lost" { Ok(Redeemed::Lost) } else { Err(taken()) }
    }

    fn token_rows(&self, id: &AuthorizationId, issued: &Issued) -> Result<Vec<Row>, StorageError> {
        let others = issued.refresh_token.iter().map(|family| family.authorization);
        if others.chain(issued.authorization.iter().map(|authorization| authorization.id)).any(|other| other != *id) {
            return Err(StorageError::new("what is issued together belongs to one authorization"));
        }
        let mut rows = vec![self.access_token_row(id, &issued.access_token)?];
        if let Some(family) = &issued.refresh_token {
            rows.push(self.refresh_token_row(family)?);
        }
        Ok(rows)
    }

    pub(crate) fn access_token_row(&self, id: &AuthorizationId, token: &AccessToken) -> Result<Row, StorageError> {
        Ok(Row {
            pointer: self.keys.access_token_pointer(&token.token),
            key: self.keys.access_token(id, &token.token),
            value: token.to_row()?.payload,
            end: self.end(token.expires_at),
        })
    }

    async fn save_rows(
        &self,
        id: &AuthorizationId,
        code: Option<&Digest>,
        if_absent: IfAbsent<'_>,
        rows: &[Row],
    ) -> Result<String, StorageError> {
        let call = SAVE_TOKENS.key(self.keys.authorization(id));
        let mut call = match if_absent {
            IfAbsent::Leave => call.arg("leave").arg("").arg(""),
            IfAbsent::Tell => call.arg("tell").arg("").arg(""),
            IfAbsent::Insert(own) => call.arg("insert").arg(own.to_row()?.payload).arg(self.end(own.expires_at)),
        };
        for Row { key, value, end, .. } in rows {
            call = call.key(key).arg(value).arg(end);
        }
        if let Some(code) = code {
            call = call.key(self.keys.code(id, code));
        }
        self.run(call).await
    }

    /// Saves a token that a client has for itself: its row stands where it is looked up.
    async fn save_own(&self, issued: &Issued) -> Result<(), StorageError> {
        if issued.authorization.is_some() || issued.refresh_token.is_some() {
            return Err(StorageError::new("what is issued together belongs to one authorization"));
        }
        let token = &issued.access_token;
        let end = self.end(token.expires_at);
        self.index_own_token(&token.client_id, &token.token, end).await?;
        let row = owner(&token.client_id) + &token.to_row()?.payload;
        let insert = SetOptions::default().conditional_set(ExistenceCheck::NX).with_expiration(SetExpiry::EXAT(end));
        let is_saved: bool =
            self.ask(&Cmd::set_options(self.keys.access_token_pointer(&token.token), row, insert)).await?;
        if is_saved { Ok(()) } else { Err(taken()) }
    }
}

/// What to do where the authorization has no row.
enum IfAbsent<'a> {
    /// Nothing: what is saved has no authorization that stands.
    Leave,
    /// To change nothing and say so: it must be indexed first.
    Tell,
    Insert(&'a Authorization),
}

impl IfAbsent<'_> {
    const fn of(issued: &Issued) -> Self {
        if issued.authorization.is_some() { Self::Tell } else { Self::Leave }
    }
}

#[async_trait]
impl<C: Connection> TokenStore for RedisStore<C> {
    async fn save_token(&self, issued: &Issued) -> Result<(), StorageError> {
        match issued.access_token.authorization {
            Some(id) => self.save_under(&id, None, issued).await.map(|_| ()),
            None => self.save_own(issued).await,
        }
    }
}

#[async_trait]
impl<C: Connection> AccessTokenStore for RedisStore<C> {
    async fn query_token(&self, token: &Digest) -> Result<Option<ActiveAccessToken>, StorageError> {
        let id = match self.find_access_token(token).await? {
            None => return Ok(None),
            Some(Found::Own(row)) => {
                return Ok(Some(ActiveAccessToken { token: AccessToken::from_row(&row)?, authorization: None }));
            }
            Some(Found::Under(id)) => id,
        };
        let found = self.standing(&id, self.keys.access_token(&id, token)).await?;
        let Some((authorization, row)) = found else { return Ok(None) };
        let (token, authorization) = (AccessToken::from_row(&row)?, Authorization::from_row(&authorization)?);
        Ok(Some(ActiveAccessToken { token, authorization: Some(authorization) }))
    }
}
