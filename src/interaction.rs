//! What the host does next at its authorization endpoint: log the user in, ask for consent, or just answer.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;

use crate::authorization_request::{AuthorizationRequest, Prompt};
use crate::clock::Timestamp;
use crate::model::{Client, Scope, Subject};
use crate::secret::Secret;

/// Who is logged in at the host, as its session says.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub subject: Subject,
    /// The session's identifier; a pending consent is bound to it. Only a keyed digest of it is kept.
    pub session: Option<String>,
    /// When the user last proved who they are.
    pub auth_time: Timestamp,
    /// How well (OpenID Connect Core section 2, `acr`).
    pub acr: Option<String>,
    /// By which means (RFC 8176).
    pub amr: Vec<String>,
}

impl Login {
    /// A login of `subject` in `session`, at `auth_time`.
    pub fn new(subject: impl Into<Subject>, session: impl Into<String>, auth_time: Timestamp) -> Self {
        Self { subject: subject.into(), session: Some(session.into()), auth_time, acr: None, amr: Vec::new() }
    }
}

impl Login {
    /// Like [`Login::new`], where the host keeps no session.
    pub fn without_session(subject: impl Into<Subject>, auth_time: Timestamp) -> Self {
        Self { subject: subject.into(), session: None, auth_time, acr: None, amr: Vec::new() }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let login = &mut f.debug_struct("Login");
        login.field("subject", &self.subject).field("auth_time", &self.auth_time).finish_non_exhaustive()
    }
}

/// What an authorization request needs now.
#[must_use]
pub enum Authorize {
    /// A login: send the user to the host's login page, to come back to [`PendingLogin::resume_url`].
    Login(PendingLogin),
    /// Consent: show what is asked, then call `decide` with [`PendingConsent::ticket`].
    Consent(Box<PendingConsent>),
    /// Nothing: this is the answer.
    Respond(Response<Bytes>),
}

/// The response may carry a code: only its status is shown.
impl fmt::Debug for Authorize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login(pending) => f.debug_tuple("Login").field(pending).finish(),
            Self::Consent(pending) => f.debug_tuple("Consent").field(pending).finish(),
            Self::Respond(response) => f.debug_tuple("Respond").field(&response.status()).finish(),
        }
    }
}

/// A request that waits for a login.
#[derive(Clone)]
pub struct PendingLogin {
    pub(crate) client: Arc<Client>,
    pub(crate) request_url: String,
    pub(crate) resume_url: String,
    pub(crate) prompts: Vec<Prompt>,
    pub(crate) acr_values: Vec<String>,
    pub(crate) login_hint: Option<String>,
}

impl fmt::Debug for PendingLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingLogin").field("client", self.client.id()).finish_non_exhaustive()
    }
}

impl PendingLogin {
    /// Where the user comes back to: the same request, as a path with a query on the origin of the server's base URL.
    pub fn resume_url(&self) -> &str {
        &self.resume_url
    }

    /// The request itself, as a GET: for a POST that came without the host's cookie (`SameSite`), to look again with
    /// it.
    pub fn request_url(&self) -> &str {
        &self.request_url
    }

    /// Who asks.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Whether the user should be offered another account (`prompt=select_account`).
    pub fn selects_account(&self) -> bool {
        self.prompts.contains(&Prompt::SelectAccount)
    }

    /// The authentication context classes one of which the login must be of, the best first, as far as the host
    /// supports them (RFC 9470 section 4); empty: any will do.
    pub fn acr_values(&self) -> &[String] {
        &self.acr_values
    }

    /// Whom the client expects (OpenID Connect Core section 3.1.2.1, `login_hint`); not to be trusted.
    pub fn login_hint(&self) -> Option<&str> {
        self.login_hint.as_deref()
    }
}

/// A request that waits for the user's decision.
#[derive(Clone, Debug)]
pub struct PendingConsent {
    pub(crate) request: AuthorizationRequest,
    pub(crate) ticket: Secret,
}

impl PendingConsent {
    /// Who asks.
    pub fn client(&self) -> &Client {
        &self.request.target.client
    }

    /// What is asked for.
    pub fn scopes(&self) -> &Scope {
        &self.request.scope
    }

    /// The resources it is asked for (RFC 8707), each an absolute URI; empty: those the server protects by default.
    pub fn resources(&self) -> &[String] {
        &self.request.resources
    }

    /// The host that will get the answer (of a private-use URI, its scheme).
    pub fn redirect_host(&self) -> &str {
        self.request.target.redirect_uri.host()
    }

    /// The whole request.
    pub const fn request(&self) -> &AuthorizationRequest {
        &self.request
    }

    /// To be put into the consent page's form. It is bound to the user and session, so it serves against CSRF too.
    pub fn ticket(&self) -> &str {
        self.ticket.expose()
    }
}

/// What the user said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Yes.
    Approve {
        /// To this scope only; `None`: to all that was asked. Nothing beyond what was asked is ever granted.
        scope: Option<Scope>,
        /// And need not be asked again; without effect unless consent is remembered.
        remember: bool,
    },
    /// No.
    Deny,
}

impl Decision {
    /// Yes to all that was asked, to be remembered.
    pub const APPROVE: Self = Self::Approve { scope: None, remember: true };
}
