use std::fmt::Write as _;

use crate::{Db, Unavailable};

/// The name of the session cookie.
pub const COOKIE: &str = "session";

/// Somebody who is logged in.
pub struct Session {
    /// What the cookie holds.
    pub id: String,
    /// Who it is.
    pub user: String,
    /// Unix seconds of the moment the password was given.
    pub logged_in_at: u64,
}

/// The sessions table and its cookie.
#[derive(Clone)]
pub struct Sessions(Db);

impl Sessions {
    /// The sessions in `db`.
    pub const fn new(db: Db) -> Self {
        Self(db)
    }

    /// Begins a session if the password is right; answers the value of the `Set-Cookie` header.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn begin(&self, user: String, password: String) -> Result<Option<String>, Unavailable> {
        let id = random_id()?;
        let cookie = format!("{COOKIE}={id}; Path=/; HttpOnly; SameSite=Lax");
        let sql = "INSERT INTO sessions (id, user_id) SELECT ?, id FROM users WHERE id = ? AND password = ?";
        let begun: Result<_, Unavailable> = self.0.run(move |db| Ok(db.execute(sql, (id, user, password))?)).await;
        Ok((begun? == 1).then_some(cookie))
    }

    /// The session of a request with this `Cookie` header.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn current(&self, cookies: Option<&str>) -> Result<Option<Session>, Unavailable> {
        let mut pairs = cookies.unwrap_or_default().split("; ").filter_map(|pair| pair.split_once('='));
        let Some((_, id)) = pairs.find(|(name, _)| *name == COOKIE) else { return Ok(None) };
        let sql = "SELECT id, user_id, logged_in_at FROM sessions WHERE id = ?";
        let found = self.0.find(sql, id.to_owned()).await?;
        Ok(found.map(|(id, user, logged_in_at)| Session { id, user, logged_in_at }))
    }
}

fn random_id() -> Result<String, Unavailable> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().fold(String::new(), |mut id, byte| {
        let _ = write!(id, "{byte:02x}");
        id
    }))
}
