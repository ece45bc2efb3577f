//! Who is logged in: one row a session, found by the digest of its id, where the server's state is.

mod memory;
mod redis;
mod sql;

use std::sync::Arc;

use async_trait::async_trait;
use axum::http::HeaderMap;
use grantwell::{Clock as _, Digest, Login, StorageError, SystemClock, Timestamp};
use serde::{Deserialize, Serialize};

use crate::bounded::within;
use crate::cookie::{CookieJar, SessionId};
use crate::site::Site;
use crate::users::Users;

pub(crate) use self::memory::MemorySessions;
pub(crate) use self::redis::RedisSessions;
pub(crate) use self::sql::{PostgresSessions, SqliteSessions};

/// Twelve hours, in seconds.
const LIFETIME: u64 = 12 * 60 * 60;

/// A session in which somebody is logged in. There is no row for any other browser.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) user_id: String,
    pub(crate) auth_time: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// Where sessions are kept. An id opens one, so only its digest gets here.
#[async_trait]
pub(crate) trait SessionStore: Send + Sync + 'static {
    /// The session, expired or not.
    async fn load(&self, id: &Digest) -> Result<Option<Session>, StorageError>;

    /// Saves a new session.
    async fn save(&self, id: &Digest, session: &Session) -> Result<(), StorageError>;

    /// Deletes the session, if there is one.
    async fn delete(&self, id: &Digest) -> Result<(), StorageError>;
}

/// The sessions, and the cookies that name them.
pub(crate) struct Sessions {
    pub(crate) cookies: CookieJar,
    site: Arc<Site>,
    users: Users,
    store: Arc<dyn SessionStore>,
}

impl Sessions {
    pub(crate) fn new(site: Arc<Site>, users: Users, store: Arc<dyn SessionStore>) -> Self {
        Self { cookies: CookieJar::new(site.is_https()), site, users, store }
    }

    /// What is kept in the place of the id: another server on the same store has other users.
    fn key(&self, id: &SessionId) -> Digest {
        Digest::of(&format!("{}\n{}", self.site.issuer, id.as_str()))
    }

    /// The session that the request belongs to, if somebody is logged in there.
    pub(crate) async fn current(&self, headers: &HeaderMap) -> Result<Option<(SessionId, Login)>, StorageError> {
        let Some(id) = self.cookies.read(headers) else { return Ok(None) };
        let login = self.login(&id).await?;
        Ok(login.map(|login| (id, login)))
    }

    /// Who is logged in, as the library wants to know it. A session outlives the process, and may outlive its user.
    pub(crate) async fn login(&self, id: &SessionId) -> Result<Option<Login>, StorageError> {
        let session = within(self.store.load(&self.key(id))).await?;
        let is_live = |own: &Session| SystemClock.now() < own.expires_at && self.users.knows(&own.user_id);
        Ok(session.filter(is_live).map(|own| Login::new(own.user_id, id.as_str(), own.auth_time)))
    }

    /// Logs a user in. The session `before` ends, and the new one has a new id: someone else may know the old one.
    pub(crate) async fn begin(&self, before: &SessionId, user_id: &str) -> Result<SessionId, StorageError> {
        self.end(before).await?;
        let (id, now) = (SessionId::random(), SystemClock.now());
        let session = Session { user_id: user_id.to_owned(), auth_time: now, expires_at: now.plus(LIFETIME) };
        within(self.store.save(&self.key(&id), &session)).await?;
        Ok(id)
    }

    pub(crate) async fn end(&self, id: &SessionId) -> Result<(), StorageError> {
        within(self.store.delete(&self.key(id))).await
    }
}
