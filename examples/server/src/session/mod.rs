//! Who is logged in: one row a session, found by the digest of its id.

use std::time::Duration;

use axum::http::HeaderMap;
use grantwell::{Clock as _, Digest, Login, SystemClock, Timestamp};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::cookie::{CookieJar, SessionId};

const MAX_SESSIONS: u64 = 100_000;
const LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);

#[derive(Clone)]
struct Session {
    user_id: String,
    auth_time: Timestamp,
}

/// The sessions of all browsers in which somebody is logged in. There is no row for any other browser.
pub(crate) struct Sessions {
    pub(crate) cookies: CookieJar,
    rows: Cache<Digest, Session>,
}

impl Sessions {
    pub(crate) fn new(cookies: CookieJar) -> Self {
        // The default policy would turn new sessions away in favour of busy ones.
        let lru = EvictionPolicy::lru();
        let rows = Cache::builder().max_capacity(MAX_SESSIONS).time_to_live(LIFETIME).eviction_policy(lru).build();
        Self { cookies, rows }
    }

    /// The session that the request belongs to, if somebody is logged in there.
    pub(crate) fn current(&self, headers: &HeaderMap) -> Option<(SessionId, Login)> {
        let id = self.cookies.read(headers)?;
        let login = self.login(&id)?;
        Some((id, login))
    }

    /// Who is logged in, as the library wants to know it.
    pub(crate) fn login(&self, id: &SessionId) -> Option<Login> {
        let Session { user_id, auth_time } = self.rows.get(&id.digest())?;
        Some(Login::new(user_id, id.as_str(), auth_time))
    }

    /// Logs a user in. The session `before` ends, and the new one has a new id: someone else may know the old one.
    pub(crate) fn begin(&self, before: &SessionId, user_id: &str) -> SessionId {
        self.end(before);
        let id = SessionId::random();
        self.rows.insert(id.digest(), Session { user_id: user_id.to_owned(), auth_time: SystemClock.now() });
        id
    }

    pub(crate) fn end(&self, id: &SessionId) {
        self.rows.invalidate(&id.digest());
    }
}
