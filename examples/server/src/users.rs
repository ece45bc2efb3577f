//! The users and their passwords.

use std::collections::HashMap;
use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier};
use async_trait::async_trait;
use grantwell::StorageError;
use grantwell::hooks::{SubjectPolicy, Verdict};
use grantwell::model::{Authorization, Client};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use toml::Table;

use crate::config::{Plain, parse_entry};

/// How many passwords are checked at a time: each check takes 19 MiB and a core.
const CHECKS: usize = 2;

/// A user, as the configuration has them.
pub(crate) struct User {
    user_id: String,
    password: PasswordHash,
    #[expect(dead_code, reason = "kept for tokens that say who the user is")]
    claims: Map<String, Value>,
}

#[derive(Deserialize)]
struct Entry {
    user_id: String,
    password: Option<Plain>,
    password_hash: Option<String>,
    #[serde(flatten)]
    claims: Map<String, Value>,
}

impl User {
    pub(crate) fn from_entry(table: &Table) -> Result<Self, String> {
        let entry: Entry = parse_entry(table.clone())?;
        if entry.user_id.is_empty() {
            return Err("user_id is empty".to_owned());
        }
        let password = match (entry.password, entry.password_hash) {
            (Some(password), None) => Argon2::default().hash_password(password.0.as_bytes()),
            (None, Some(hash)) => parse_hash(&hash),
            _ => return Err("there must be either password or password_hash".to_owned()),
        };
        let password = password.map_err(|error| format!("password_hash: {error}"))?;
        Ok(Self { user_id: entry.user_id, password, claims: entry.claims })
    }

    pub(crate) fn id(&self) -> &str {
        &self.user_id
    }
}

fn parse_hash(text: &str) -> argon2::password_hash::Result<PasswordHash> {
    let hash = PasswordHash::new(text)?;
    Algorithm::try_from(hash.algorithm.as_str())?;
    Params::try_from(&hash)?;
    Ok(hash)
}

/// All users; the clones share them.
#[derive(Clone)]
pub(crate) struct Users {
    by_id: Arc<HashMap<String, User>>,
    /// What the password of an unknown user is compared with, so that it takes as long as a known one's.
    decoy: Option<PasswordHash>,
    turns: Arc<Semaphore>,
}

/// The right to check one password. Whoever waits for it can count failures one by one.
pub(crate) type Turn = OwnedSemaphorePermit;

impl Users {
    pub(crate) fn new(users: Vec<User>) -> Self {
        let decoy = users.first().map(|user| user.password.clone());
        let by_id: HashMap<_, _> = users.into_iter().map(|user| (user.user_id.clone(), user)).collect();
        Self { by_id: Arc::new(by_id), decoy, turns: Arc::new(Semaphore::new(CHECKS)) }
    }

    /// Whether there is such a user.
    pub(crate) fn knows(&self, user_id: &str) -> bool {
        self.by_id.contains_key(user_id)
    }

    /// Waits until a password may be checked; `None`: never again.
    pub(crate) async fn turn(&self) -> Option<Turn> {
        Semaphore::acquire_owned(self.turns.clone()).await.ok()
    }

    /// Whether it is the user's password. The turn comes back, to be held until the outcome is counted; a check goes on
    /// to its end, and keeps its turn, also when nobody waits for it any more.
    pub(crate) async fn check(&self, turn: Turn, user_id: &str, password: String) -> (bool, Option<Turn>) {
        let user = self.by_id.get(user_id);
        let Some(hash) = user.map(|user| &user.password).or(self.decoy.as_ref()).cloned() else {
            return (false, Some(turn));
        };
        let verify = move || (Argon2::default().verify_password(password.as_bytes(), &hash).is_ok(), turn);
        match tokio::task::spawn_blocking(verify).await {
            Ok((is_right, turn)) => (is_right && user.is_some(), Some(turn)),
            Err(_) => (false, None),
        }
    }
}

/// What a user approved outlives the process; it is of no use once the configuration no longer has the user.
#[async_trait]
impl SubjectPolicy for Users {
    async fn review(&self, authorization: &Authorization, _: &Client) -> Result<Verdict, StorageError> {
        let is_known = self.knows(authorization.subject.as_str());
        Ok(if is_known { Verdict::Allow } else { Verdict::Refuse })
    }
}
