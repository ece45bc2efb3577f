//! Who is at the other end: browser sessions, kept in memory under the cookie's random id.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, header};
use oauth2::{CsrfToken, PkceCodeVerifier};
use tokio::time::Instant;

use crate::provider::{Me, Tokens};

const COOKIE: &str = "grantwell_client";
const MAX_SESSIONS: usize = 10_000;
const MAX_LOGINS: usize = 8;
const LOGIN_TIME: Duration = Duration::from_secs(15 * 60);

/// A login under way: the browser has gone to the server and is to come back with `state`.
pub(crate) struct Login {
    state: CsrfToken,
    pub(crate) verifier: PkceCodeVerifier,
    started: Instant,
}

impl Login {
    pub(crate) fn new(state: CsrfToken, verifier: PkceCodeVerifier) -> Self {
        Self { state, verifier, started: Instant::now() }
    }
}

/// Who is logged in, as of the login.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) me: Me,
    /// Locked while in use: two requests that spend one refresh token look like a theft.
    pub(crate) tokens: Arc<tokio::sync::Mutex<Tokens>>,
}

struct Session {
    created: Instant,
    /// One for each tab in which the user is logging in, oldest first.
    logins: VecDeque<Login>,
    user: Option<User>,
}

#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<String, Session>>);

impl Sessions {
    pub(crate) fn user(&self, id: &str) -> Option<User> {
        self.rows().get(id)?.user.clone()
    }

    /// Adds a login to the session, or to a new one where `id` names none; answers its id.
    pub(crate) fn add_login(&self, id: &str, login: Login) -> String {
        let mut rows = self.rows();
        if let Some(session) = rows.get_mut(id) {
            session.logins.push_back(login);
            if session.logins.len() > MAX_LOGINS {
                session.logins.pop_front();
            }
            return id.to_owned();
        }
        insert(&mut rows, VecDeque::from([login]), None)
    }

    /// Takes the login that `state` belongs to: no answer of the server is used twice.
    pub(crate) fn take_login(&self, id: &str, state: &str) -> Option<Login> {
        let mut rows = self.rows();
        let logins = &mut rows.get_mut(id)?.logins;
        logins.retain(|login| login.started.elapsed() < LOGIN_TIME);
        let position = logins.iter().position(|login| login.state.secret() == state)?;
        logins.remove(position)
    }

    /// Logs the user in under a new id, as the old one may be known to someone else. The logins
    /// in other tabs move along.
    pub(crate) fn log_in(&self, id: &str, user: User) -> String {
        let mut rows = self.rows();
        let logins = rows.remove(id).map(|old| old.logins).unwrap_or_default();
        insert(&mut rows, logins, Some(user))
    }

    pub(crate) fn log_out(&self, id: &str) {
        self.rows().remove(id);
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn insert(rows: &mut HashMap<String, Session>, logins: VecDeque<Login>, user: Option<User>) -> String {
    if rows.len() >= MAX_SESSIONS {
        let oldest = rows.iter().min_by_key(|(_, session)| session.created);
        if let Some(id) = oldest.map(|(id, _)| id.clone()) {
            rows.remove(&id);
        }
    }
    let id = format!("{:032x}", rand::random::<u128>());
    rows.insert(id.clone(), Session { created: Instant::now(), logins, user });
    id
}

/// The session id that the browser sent; empty, which names no session, where it sent none.
pub(crate) fn id(headers: &HeaderMap) -> &str {
    let cookies = headers.get_all(header::COOKIE).iter();
    cookies
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
        .unwrap_or_default()
}

/// The `Set-Cookie` value that gives the browser a session id.
pub(crate) fn cookie(id: &str) -> String {
    format!("{COOKIE}={id}; Path=/; HttpOnly; SameSite=Lax")
}

/// The `Set-Cookie` value that takes it away again.
pub(crate) fn no_cookie() -> String {
    format!("{}; Max-Age=0", cookie(""))
}
