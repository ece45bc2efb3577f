use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use grantwell::model::{
    AccessToken, ActiveAccessToken, ActiveRefreshToken, Authorization, AuthorizationCode, Client, ClientId, Consent,
    Issued, Issuer, Record as _, RefreshHandle, RefreshToken, Row, SigningKey, Subject,
};
use grantwell::storage::{
    AccessTokenStore, AuthorizationCodeStore, AuthorizationStore, ClientRegistry, ClientStore, CodeState, ConsentStore,
    KeyStore, PurgeStore, Redeemed, RefreshTokenStore, ReplayStore, RevocationStore, Rotated, Selector, TokenStore,
};
use grantwell::{Digest, StorageError, Timestamp, async_trait};
use tokio::time::Instant;

use crate::database::{Arg, Database, Found, Outcome};
use crate::statements::{Change, Statements};
use crate::tables::Tables;

/// Every storage trait over a pool; [`PostgresStore`](crate::PostgresStore) and [`SqliteStore`](crate::SqliteStore) are
/// it. Cheap to clone.
pub struct Store<D> {
    pub(crate) database: D,
    pub(crate) tables: Tables,
    statements: Arc<Statements>,
}

impl<D: Clone> Clone for Store<D> {
    fn clone(&self) -> Self {
        Self { database: self.database.clone(), tables: self.tables.clone(), statements: self.statements.clone() }
    }
}

impl<D> fmt::Debug for Store<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("tables", &self.tables).finish_non_exhaustive()
    }
}

/// For how long a statement is run again that the database aborts for the sake of another one. PostgreSQL looks for
/// deadlocks after a second; who waited for SQLite's lock for longer than this has waited enough.
const PATIENCE: Duration = Duration::from_secs(3);

/// The longest pause between two attempts.
const PAUSE: Duration = Duration::from_millis(64);

impl<D: Database> Store<D> {
    pub(crate) fn over(database: D, tables: Tables, statements: fn(&Tables) -> Statements) -> Self {
        Self { database, statements: Arc::new(statements(&tables)), tables }
    }

    async fn read(&self, statements: &Change, args: &[Arg<'_>]) -> Result<Vec<Found>, StorageError> {
        let Some(statement) = statements.first() else { return Ok(Vec::new()) };
        self.retry(|| self.database.read(statement, args)).await
    }

    async fn find(&self, statements: &Change, id: &str) -> Result<Option<Found>, StorageError> {
        Ok(self.read(statements, &[id.into()]).await?.pop())
    }

    async fn change(&self, statements: &Change, args: &[Arg<'_>]) -> Result<u64, StorageError> {
        self.retry(|| self.database.change(statements, args)).await
    }

    async fn retry<T, F>(&self, mut attempt: impl FnMut() -> F) -> Result<T, StorageError>
    where
        F: Future<Output = Outcome<T>>,
    {
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(1);
        loop {
            match attempt().await {
                Err(error) if self.database.is_transient(&error) && Instant::now() < deadline => {
                    tokio::time::sleep(pause).await;
                    pause = PAUSE.min(2 * pause);
                }
                outcome => return Ok(outcome?),
            }
        }
    }
}

fn access_token_args(row: &Row) -> [Arg<'_>; 5] {
    [
        row.id.as_str().into(),
        Arg::Text(row.authorization.as_deref()),
        row.client.as_str().into(),
        Arg::Integer(row.expires_at),
        row.payload.as_str().into(),
    ]
}

/// A refresh token, or as many NULLs.
fn refresh_token_args(family: Option<&(Row, i64)>) -> [Arg<'_>; 5] {
    let row = family.map(|(row, _)| row);
    [
        Arg::Text(row.map(|row| row.id.as_str())),
        Arg::Text(row.and_then(|row| row.authorization.as_deref())),
        Arg::Integer(family.map(|(_, generation)| *generation)),
        Arg::Integer(row.and_then(|row| row.expires_at)),
        Arg::Text(row.map(|row| row.payload.as_str())),
    ]
}

/// An authorization, or as many NULLs.
fn authorization_args(row: Option<&Row>) -> [Arg<'_>; 6] {
    [
        Arg::Text(row.map(|row| row.id.as_str())),
        Arg::Text(row.map(|row| row.client.as_str())),
        Arg::Text(row.and_then(|row| row.subject.as_deref())),
        Arg::Text(row.and_then(|row| row.session.as_deref())),
        Arg::Integer(row.and_then(|row| row.expires_at)),
        Arg::Text(row.map(|row| row.payload.as_str())),
    ]
}

/// As the databases count; no family gets that far.
fn generation(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn family(token: &RefreshToken) -> Result<(Row, i64), StorageError> {
    Ok((token.to_row()?, generation(token.generation)))
}

#[async_trait]
impl<D: Database> ClientStore for Store<D> {
    async fn query_client(&self, client_id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        let found = self.find(&self.statements.query_client, client_id.as_str()).await?;
        Ok(found.map(|(payload, ..)| Client::from_row(&payload)).transpose()?.map(Arc::new))
    }
}

#[async_trait]
impl<D: Database> ClientRegistry for Store<D> {
    async fn save_client(&self, client: &Client) -> Result<(), StorageError> {
        let row = client.to_row()?;
        self.change(&self.statements.save_client, &[row.id.as_str().into(), row.payload.as_str().into()]).await?;
        Ok(())
    }

    async fn delete_client(&self, client_id: &ClientId) -> Result<bool, StorageError> {
        Ok(self.change(&self.statements.delete_client, &[client_id.as_str().into()]).await? > 0)
    }
}

#[async_trait]
impl<D: Database> TokenStore for Store<D> {
    async fn save_token(&self, issued: &Issued) -> Result<(), StorageError> {
        let access_token = issued.access_token.to_row()?;
        let access_token = access_token_args(&access_token);
        if issued.authorization.is_none() && issued.refresh_token.is_none() {
            self.change(&self.statements.save_access_token, &access_token).await?;
            return Ok(());
        }
        let refresh_token = issued.refresh_token.as_ref().map(family).transpose()?;
        let authorization = issued.authorization.as_ref().map(Authorization::to_row).transpose()?;
        let args = [
            access_token.as_slice(),
            &refresh_token_args(refresh_token.as_ref()),
            &authorization_args(authorization.as_ref()),
        ];
        self.change(&self.statements.save_tokens, &args.concat()).await?;
        Ok(())
    }
}

#[async_trait]
impl<D: Database> AuthorizationCodeStore for Store<D> {
    async fn save_authorization_code(&self, code: &AuthorizationCode) -> Result<bool, StorageError> {
        let (row, authorization) = (code.to_row()?, code.authorization.to_row()?);
        let code = [
            row.id.as_str().into(),
            Arg::Text(row.authorization.as_deref()),
            Arg::Integer(row.expires_at),
            row.payload.as_str().into(),
        ];
        let args = [code.as_slice(), &authorization_args(Some(&authorization))].concat();
        Ok(self.change(&self.statements.save_code, &args).await? > 0)
    }

    async fn query_authorization_code(&self, code: &Digest) -> Result<Option<CodeState>, StorageError> {
        let found = self.find(&self.statements.query_code, &code.to_string()).await?;
        let Some((payload, _, is_consumed)) = found else { return Ok(None) };
        let code = AuthorizationCode::from_row(&payload)?;
        Ok(Some(if is_consumed { CodeState::Consumed(code) } else { CodeState::Active(code) }))
    }

    async fn delete_authorization_code(&self, code: &Digest) -> Result<bool, StorageError> {
        Ok(self.change(&self.statements.delete_code, &[code.to_string().as_str().into()]).await? > 0)
    }

    async fn redeem_authorization_code(&self, code: &Digest, issued: &Issued) -> Result<Redeemed, StorageError> {
        let access_token = issued.access_token.to_row()?;
        let refresh_token = issued.refresh_token.as_ref().map(family).transpose()?;
        let code = code.to_string();
        let access_token = access_token_args(&access_token);
        let args = [access_token.as_slice(), &refresh_token_args(refresh_token.as_ref()), &[code.as_str().into()]];
        let changed = self.change(&self.statements.redeem_code, &args.concat()).await?;
        Ok(if changed > 0 { Redeemed::Saved } else { Redeemed::Lost })
    }
}

#[async_trait]
impl<D: Database> AccessTokenStore for Store<D> {
    async fn query_token(&self, token: &Digest) -> Result<Option<ActiveAccessToken>, StorageError> {
        let found = self.find(&self.statements.query_token, &token.to_string()).await?;
        let Some((token, authorization, _)) = found else { return Ok(None) };
        let authorization = authorization.as_deref().map(Authorization::from_row).transpose()?;
        Ok(Some(ActiveAccessToken { token: AccessToken::from_row(&token)?, authorization }))
    }
}

#[async_trait]
impl<D: Database> RevocationStore for Store<D> {
    async fn revoke_token(&self, token: &Digest) -> Result<(), StorageError> {
        self.change(&self.statements.revoke_token, &[token.to_string().as_str().into()]).await?;
        Ok(())
    }

    async fn revoke_authorizations(&self, selector: &Selector) -> Result<usize, StorageError> {
        let statements = &self.statements;
        let count = match selector {
            Selector::Authorization(id) => {
                self.change(&statements.revoke_authorization, &[id.to_string().as_str().into()]).await?
            }
            Selector::Client(client_id) => self.change(&statements.revoke_client, &[client_id.as_str().into()]).await?,
            Selector::Subject(subject) => self.change(&statements.revoke_subject, &[subject.as_str().into()]).await?,
            Selector::SubjectAtClient(subject, client_id) => {
                let args = [subject.as_str().into(), client_id.as_str().into()];
                self.change(&statements.revoke_subject_at_client, &args).await?
            }
            Selector::Session(sessions) => {
                let sessions = serde_json::to_string(sessions)?;
                self.change(&statements.revoke_sessions, &[sessions.as_str().into()]).await?
            }
            _ => return Err(StorageError::new("this store does not know that selector")),
        };
        Ok(usize::try_from(count)?)
    }
}

#[async_trait]
impl<D: Database> RefreshTokenStore for Store<D> {
    async fn query_refresh_token(&self, handle: &RefreshHandle) -> Result<Option<ActiveRefreshToken>, StorageError> {
        let found = self.find(&self.statements.query_refresh_token, &handle.to_string()).await?;
        let Some((token, Some(authorization), _)) = found else { return Ok(None) };
        let (token, authorization) = (RefreshToken::from_row(&token)?, Authorization::from_row(&authorization)?);
        Ok(Some(ActiveRefreshToken { token, authorization }))
    }

    async fn rotate_refresh_token(
        &self,
        expected: u64,
        next: &RefreshToken,
        access_token: &AccessToken,
    ) -> Result<Rotated, StorageError> {
        let (next, access_token) = (family(next)?, access_token.to_row()?);
        let access_token = access_token_args(&access_token);
        let args = [access_token.as_slice(), &refresh_token_args(Some(&next)), &[generation(expected).into()]];
        if self.change(&self.statements.rotate_refresh_token, &args.concat()).await? > 0 {
            return Ok(Rotated::Saved);
        }
        let current = self.find(&self.statements.query_family, &next.0.id).await?;
        Ok(Rotated::Lost(current.map(|(payload, ..)| RefreshToken::from_row(&payload)).transpose()?))
    }
}

#[async_trait]
impl<D: Database> ConsentStore for Store<D> {
    async fn query_consent(
        &self,
        subject: &Subject,
        client_id: &ClientId,
        redirect_uri: &str,
    ) -> Result<Option<Consent>, StorageError> {
        let id = Consent::row_id(subject, client_id, redirect_uri);
        let found = self.find(&self.statements.query_consent, &id).await?;
        Ok(found.map(|(payload, ..)| Consent::from_row(&payload)).transpose()?)
    }

    async fn save_consent(&self, consent: &Consent) -> Result<(), StorageError> {
        let row = consent.to_row()?;
        let args = [
            row.id.as_str().into(),
            Arg::Text(row.subject.as_deref()),
            row.client.as_str().into(),
            row.payload.as_str().into(),
        ];
        self.change(&self.statements.save_consent, &args).await?;
        Ok(())
    }
}

#[async_trait]
impl<D: Database> AuthorizationStore for Store<D> {
    async fn list_authorizations(&self, subject: &Subject, now: Timestamp) -> Result<Vec<Authorization>, StorageError> {
        let args = [subject.as_str().into(), now.as_unix_signed().into()];
        let found = self.read(&self.statements.list_authorizations, &args).await?;
        let list: Result<Vec<_>, _> = found.iter().map(|(payload, ..)| Authorization::from_row(payload)).collect();
        let mut list = list?;
        list.sort_by_key(|authorization| Reverse((authorization.created_at, authorization.id)));
        Ok(list)
    }
}

#[async_trait]
impl<D: Database> ReplayStore for Store<D> {
    async fn claim(&self, id: &Digest, expires_at: Timestamp) -> Result<bool, StorageError> {
        let id = id.to_string();
        Ok(self.change(&self.statements.claim, &[id.as_str().into(), expires_at.as_unix_signed().into()]).await? > 0)
    }
}

#[async_trait]
impl<D: Database> KeyStore for Store<D> {
    async fn query_signing_keys(&self, issuer: &Issuer) -> Result<Vec<SigningKey>, StorageError> {
        let found = self.read(&self.statements.query_signing_keys, &[issuer.as_str().into()]).await?;
        let keys: Result<_, _> = found.iter().map(|(payload, ..)| SigningKey::from_row(payload)).collect();
        Ok(keys?)
    }

    async fn save_signing_key(&self, key: &SigningKey) -> Result<bool, StorageError> {
        let row = key.to_row()?;
        let args = [row.id.as_str().into(), key.issuer.as_str().into(), row.payload.as_str().into()];
        Ok(self.change(&self.statements.save_signing_key, &args).await? > 0)
    }

    async fn delete_signing_key(&self, key: &SigningKey) -> Result<(), StorageError> {
        self.change(&self.statements.delete_signing_key, &[key.index().id.as_str().into()]).await?;
        Ok(())
    }
}

#[async_trait]
impl<D: Database> PurgeStore for Store<D> {
    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StorageError> {
        let mut left = limit;
        for statement in &self.statements.purge {
            if left == 0 {
                break;
            }
            let args = [now.as_unix_signed().into(), i64::try_from(left)?.into()];
            let deleted = self.retry(|| self.database.change(std::slice::from_ref(statement), &args)).await?;
            left = left.saturating_sub(usize::try_from(deleted)?);
        }
        Ok(limit - left)
    }
}
