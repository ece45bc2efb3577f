use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{
    AccessToken, Authorization, AuthorizationCode, Client, ClientId, Consent, RefreshToken, SigningKey, Subject,
};
use crate::clock::Timestamp;
use crate::secret::Digest;

/// A record as a table holds it: the columns to find it by, and everything else in one payload.
///
/// A host that maps columns to columns loses what the library adds later (a key binding, say); one that keeps the
/// payload does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The primary key: what the hooks look the record up by, as its `to_string()` writes it (the [`Digest`] of a code
    /// or access token, the [`RefreshHandle`](super::RefreshHandle), the [`AuthorizationId`](super::AuthorizationId));
    /// of a client, its `client_id`; of a consent, [`Consent::row_id`]; of a signing key, [`SigningKey::row_id`].
    pub id: String,
    /// The authorization it belongs to (or, of an authorization, its own identifier).
    pub authorization: Option<String>,
    /// The client it belongs to; of a signing key, empty.
    pub client: String,
    /// The subject it belongs to, where the record itself says so.
    pub subject: Option<String>,
    /// The session whose end ends it; `None` where `offline_access` lets it live on.
    pub session: Option<String>,
    /// Unix seconds from which it may be purged; `None` for what does not expire.
    pub expires_at: Option<i64>,
    /// The record: JSON with a version.
    pub payload: String,
}

/// A row that is no such record: truncated, changed, or of a version this library does not know.
#[derive(Debug, thiserror::Error)]
#[error("a stored record cannot be read")]
pub struct CorruptRow(#[source] Box<dyn std::error::Error + Send + Sync>);

/// A record that can be kept as a [`Row`].
pub trait Record: Serialize + DeserializeOwned {
    /// The columns, with an empty payload.
    fn index(&self) -> Row;

    /// The record as a row.
    ///
    /// # Errors
    /// The record has no JSON form: a client whose secret the host checks (`ClientSecret::Verifier`).
    fn to_row(&self) -> Result<Row, CorruptRow> {
        let payload = serde_json::to_string(&Payload { version: VERSION, record: self });
        Ok(Row { payload: payload.map_err(|cause| CorruptRow(cause.into()))?, ..self.index() })
    }

    /// The record of a row's payload.
    ///
    /// # Errors
    /// The payload is corrupt or of an unknown version.
    fn from_row(payload: &str) -> Result<Self, CorruptRow> {
        let payload: Payload<Self> = serde_json::from_str(payload).map_err(|cause| CorruptRow(cause.into()))?;
        if payload.version != VERSION {
            return Err(CorruptRow(format!("unknown version {}", payload.version).into()));
        }
        Ok(payload.record)
    }
}

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Payload<R> {
    #[serde(rename = "v")]
    version: u32,
    #[serde(rename = "r")]
    record: R,
}

/// A row with the two columns that every record has.
fn row(id: impl ToString, client: &ClientId, expires_at: Option<Timestamp>) -> Row {
    Row {
        id: id.to_string(),
        authorization: None,
        client: client.to_string(),
        subject: None,
        session: None,
        expires_at: expires_at.map(Timestamp::as_unix_signed),
        payload: String::new(),
    }
}

impl Record for Authorization {
    fn index(&self) -> Row {
        Row {
            authorization: Some(self.id.to_string()),
            subject: Some(self.subject.to_string()),
            session: self.ending_session().map(|session| session.to_string()),
            ..row(self.id, &self.client_id, Some(self.expires_at))
        }
    }
}

impl Record for AuthorizationCode {
    fn index(&self) -> Row {
        let expires_at = Some(self.retain_until.as_unix_signed());
        Row { id: self.code.to_string(), expires_at, ..self.authorization.index() }
    }
}

impl Record for AccessToken {
    fn index(&self) -> Row {
        Row {
            authorization: self.authorization.map(|id| id.to_string()),
            ..row(self.token, &self.client_id, Some(self.expires_at))
        }
    }
}

impl Record for RefreshToken {
    fn index(&self) -> Row {
        Row {
            authorization: Some(self.authorization.to_string()),
            ..row(self.handle, &self.client_id, Some(self.expires_at))
        }
    }
}

impl Record for Client {
    fn index(&self) -> Row {
        row(self.id(), self.id(), None)
    }
}

impl Record for SigningKey {
    fn index(&self) -> Row {
        let id = Self::row_id(&self.issuer, &self.algorithm, self.generation);
        row(id, &ClientId::from(""), None)
    }
}

impl Consent {
    /// The [`Row::id`] of the consent that the subject gave the client for that redirect URI.
    pub fn row_id(subject: &Subject, client_id: &ClientId, redirect_uri: &str) -> String {
        let key = [subject.as_str(), client_id.as_str(), redirect_uri];
        Digest::of(&serde_json::Value::from(key.to_vec()).to_string()).to_string()
    }
}

impl Record for Consent {
    fn index(&self) -> Row {
        let id = Self::row_id(&self.subject, &self.client_id, &self.redirect_uri);
        Row { subject: Some(self.subject.to_string()), ..row(id, &self.client_id, None) }
    }
}
