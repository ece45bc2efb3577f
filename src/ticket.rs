//! Tickets: what a pending request must remember, sealed and handed to the user agent, so that no server keeps it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::clock::Timestamp;
use crate::context::Context;
use crate::error::{Error, ErrorCode};
use crate::interaction::Login;
use crate::model::{AuthorizationId, Issuer, SessionDigest, Subject};
use crate::secret::{Digest, Secret};
use crate::wire::Params;

/// Random bytes from which a decision's code and authorization follow, so that deciding twice gives the same answer.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(Digest);

impl Seed {
    pub(crate) fn draw(context: &Context) -> Self {
        Self(Digest::from_bytes(context.random()))
    }

    fn derive(&self, label: &str) -> [u8; 32] {
        Sha256::new().chain_update(label).chain_update(self.0.as_bytes()).finalize().into()
    }

    /// The authorization code of this decision.
    pub fn code(&self) -> Secret {
        Secret::new(URL_SAFE_NO_PAD.encode(self.derive("authorization code")))
    }

    /// The authorization of this decision.
    pub fn authorization_id(&self) -> AuthorizationId {
        let mut id = [0; 16];
        id.iter_mut().zip(self.derive("authorization id")).for_each(|(to, from)| *to = from);
        AuthorizationId::from_bytes(id)
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// A kind of ticket; one kind never opens as another.
pub(crate) trait Sealed: Serialize + DeserializeOwned {
    const PURPOSE: &'static str;
    fn issuer(&self) -> &Issuer;

    /// # Errors
    /// `server_error`: the server has no key, or the ticket no JSON form.
    fn seal(&self, context: &Context) -> Result<String, Error> {
        let json = serde_json::to_vec(self).ok();
        let sealed = json.and_then(|json| context.keys.seal(Self::PURPOSE, &json, &*context.randomness));
        sealed.ok_or(Error::new(ErrorCode::ServerError, "no ticket can be made"))
    }

    /// `None` for everything this issuer did not seal for this purpose. Expiry is the caller's to look at.
    fn open(context: &Context, sealed: &str) -> Option<Self> {
        let json = context.keys.open(Self::PURPOSE, sealed)?;
        let ticket: Self = serde_json::from_slice(&json).ok()?;
        (*ticket.issuer() == context.config.issuer).then_some(ticket)
    }
}

/// The ticket in a consent page's form.
#[derive(Serialize, Deserialize)]
pub(crate) struct ConsentTicket {
    #[serde(rename = "i")]
    pub(crate) issuer: Issuer,
    #[serde(rename = "p")]
    pub(crate) params: Vec<(String, String)>,
    /// The digest of what the page shows.
    #[serde(rename = "w")]
    pub(crate) shown: Digest,
    #[serde(rename = "e")]
    pub(crate) expires_at: Timestamp,
    #[serde(rename = "r")]
    pub(crate) seed: Seed,
    #[serde(rename = "u")]
    pub(crate) subject: Subject,
    #[serde(rename = "s")]
    pub(crate) session: Option<SessionDigest>,
}

impl Sealed for ConsentTicket {
    const PURPOSE: &'static str = "consent ticket";

    fn issuer(&self) -> &Issuer {
        &self.issuer
    }
}

impl ConsentTicket {
    /// Whether this is the login that the ticket was made for.
    pub(crate) fn is_for(&self, context: &Context, login: &Login) -> bool {
        self.subject == login.subject && is_session(context, self.session, login.session.as_deref())
    }
}

/// The ticket in the URL that leads back from a login which the request demanded (`prompt`, `max_age`).
#[derive(Serialize, Deserialize)]
pub(crate) struct LoginTicket {
    #[serde(rename = "i")]
    pub(crate) issuer: Issuer,
    #[serde(rename = "p")]
    pub(crate) request: Digest,
    #[serde(rename = "t")]
    pub(crate) issued_at: Timestamp,
    #[serde(rename = "e")]
    pub(crate) expires_at: Timestamp,
    /// The login there was before, by session and time.
    #[serde(rename = "l")]
    pub(crate) before: Option<(Option<SessionDigest>, Timestamp)>,
}

impl Sealed for LoginTicket {
    const PURPOSE: &'static str = "login ticket";

    fn issuer(&self) -> &Issuer {
        &self.issuer
    }
}

impl LoginTicket {
    /// Whether `login` was made for this ticket's request: not before it, and not the one there was before.
    pub(crate) fn is_met_by(&self, context: &Context, login: &Login) -> bool {
        let is_unchanged = self.before.is_some_and(|(session, auth_time)| {
            auth_time == login.auth_time && is_session(context, session, login.session.as_deref())
        });
        login.auth_time >= self.issued_at && !is_unchanged
    }
}

fn is_session(context: &Context, digest: Option<SessionDigest>, session: Option<&str>) -> bool {
    match (digest, session) {
        (None, None) => true,
        (Some(digest), Some(session)) => context.keys.session_digests(session).any(|own| own == digest),
        _ => false,
    }
}

/// The digest that ties a ticket to its request.
pub(crate) fn request_digest(params: &Params) -> Digest {
    let mut hash = Sha256::new();
    for part in params.iter().flat_map(|(name, value)| [name, value]) {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    Digest::from_bytes(hash.finalize().into())
}
