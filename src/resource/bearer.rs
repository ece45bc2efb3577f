use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use http::{Request, Response, StatusCode, Uri};

use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorCode};
use crate::model::{ActiveAccessToken, ClientId, Issuer, Scope, Subject};
use crate::secret::Digest;
use crate::storage::AccessTokenStore;
use crate::wire::{bearer_token, error_json, form_body, parse_form};

/// Checks the bearer tokens of requests to an API (RFC 6750).
///
/// It shares the store with the authorization server; it need not be in the same process.
#[derive(Clone)]
pub struct BearerCheck {
    issuer: Issuer,
    tokens: Arc<dyn AccessTokenStore>,
    clock: Arc<dyn Clock>,
    audience: Option<String>,
    takes_body: bool,
    takes_query: bool,
}

/// Who may do what: the result of a successful check.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Access {
    /// The user who allowed it; `None` when the client acts for itself.
    pub subject: Option<Subject>,
    /// Who acts.
    pub client_id: ClientId,
    /// What they may do.
    pub scope: Scope,
    /// The token and its authorization.
    pub token: ActiveAccessToken,
}

/// The scope a request needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequiredScope {
    /// Every one of these; with an empty scope, any active token will do.
    AllOf(Scope),
    /// At least one of these.
    AnyOf(Scope),
}

impl RequiredScope {
    fn is_met_by(&self, scope: &Scope) -> bool {
        match self {
            Self::AllOf(required) => scope.covers(required),
            Self::AnyOf(accepted) => accepted.iter().any(|token| scope.contains(token)),
        }
    }

    fn scope(&self) -> &Scope {
        match self {
            Self::AllOf(scope) | Self::AnyOf(scope) => scope,
        }
    }
}

/// Why a request to an API is refused, and the answer that says so (RFC 6750 section 3).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// No token came: 401, and a challenge without an error code.
    #[error("no access token")]
    NoToken,
    /// A token came, but the request is malformed (400), the token not active (401), its scope too narrow (403), or the
    /// store cannot tell (503).
    #[error("{error}")]
    Error {
        /// Which of these.
        #[source]
        error: Error,
        /// The scope that would do.
        required: Option<Scope>,
    },
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Error { error, required: None }
    }
}

impl BearerCheck {
    /// A check of the tokens that `issuer` issued into `tokens`. Needs [`AccessTokenStore`].
    pub fn new<S: AccessTokenStore>(issuer: impl Into<Issuer>, tokens: Arc<S>) -> Self {
        let (issuer, clock) = (issuer.into(), Arc::new(SystemClock));
        Self { issuer, tokens, clock, audience: None, takes_body: false, takes_query: false }
    }

    /// Names this API (RFC 8707 section 2). A token that names its audience is taken only where that is named; a token
    /// that names none is taken everywhere.
    #[must_use]
    pub fn audience(mut self, resource: impl Into<String>) -> Self {
        self.audience = Some(resource.into());
        self
    }

    /// Takes the token from a form body too (RFC 6750 section 2.2).
    #[must_use]
    pub const fn accept_body(mut self) -> Self {
        self.takes_body = true;
        self
    }

    /// Takes the token from the query too (RFC 6750 section 2.3); it will stand in logs and histories.
    #[must_use]
    pub const fn accept_query(mut self) -> Self {
        self.takes_query = true;
        self
    }

    /// Reads the time elsewhere than from the system.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Who may do what, if the request's token is active and its scope is wide enough.
    ///
    /// # Errors
    /// [`Refused`], which is the answer to send.
    pub async fn check(&self, request: &Request<Bytes>, required: &RequiredScope) -> Result<Access, Refused> {
        let in_body = match form_body(request) {
            Ok(body) if self.takes_body => access_tokens(body)?,
            _ => Vec::new(),
        };
        self.check_token(self.token(request.headers(), request.uri(), in_body)?, required).await
    }

    /// Like [`Self::check`], of a request whose body was not read; a token in the body is not seen.
    ///
    /// # Errors
    /// [`Refused`], which is the answer to send.
    pub async fn check_head(&self, head: &http::request::Parts, required: &RequiredScope) -> Result<Access, Refused> {
        self.check_token(self.token(&head.headers, &head.uri, Vec::new())?, required).await
    }

    /// The one token of the request (RFC 6750 section 2: by no more than one method).
    fn token(&self, headers: &HeaderMap, uri: &Uri, in_body: Vec<String>) -> Result<String, Refused> {
        let in_query = match uri.query().filter(|_| self.takes_query) {
            Some(query) => access_tokens(query.as_bytes())?,
            None => Vec::new(),
        };
        let in_header = bearer_token(headers)?.map(str::to_owned);
        let mut tokens = in_header.into_iter().chain(in_body).chain(in_query);
        let token = tokens.next().ok_or(Refused::NoToken)?;
        match tokens.next() {
            Some(_) => Err(Error::new(ErrorCode::InvalidRequest, "more than one access token").into()),
            None => Ok(token),
        }
    }

    fn is_meant(&self, found: &ActiveAccessToken) -> bool {
        let audience = &found.token.audience;
        audience.is_empty() || self.audience.as_ref().is_some_and(|own| audience.contains(own))
    }

    async fn check_token(&self, token: String, required: &RequiredScope) -> Result<Access, Refused> {
        let found = self.tokens.query_token(&Digest::of(&token)).await.map_err(Error::from)?;
        let active = found.filter(|found| found.is_active(&self.issuer, self.clock.now()) && self.is_meant(found));
        let active = active.ok_or(Error::new(ErrorCode::InvalidToken, "the access token is not active"))?;
        if !required.is_met_by(&active.token.scope) {
            let error = Error::new(ErrorCode::InsufficientScope, "the access token's scope is too narrow");
            return Err(Refused::Error { error, required: Some(required.scope().clone()) });
        }
        Ok(Access {
            subject: active.authorization.as_ref().map(|authorization| authorization.subject.clone()),
            client_id: active.token.client_id.clone(),
            scope: active.token.scope.clone(),
            token: active,
        })
    }
}

/// Every token in a query or form body; that there is one is for the caller to see.
fn access_tokens(form: &[u8]) -> Result<Vec<String>, Error> {
    Ok(parse_form([form])?.all("access_token").map(str::to_owned).collect())
}

impl Refused {
    /// The answer: status, `WWW-Authenticate` and, where there is an error, JSON.
    pub fn response(&self) -> Response<Bytes> {
        match self {
            Self::NoToken => {
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = StatusCode::UNAUTHORIZED;
                response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                response
            }
            Self::Error { error, required } => {
                let mut response = error_json(error);
                if error.status().is_client_error()
                    && let Ok(value) = HeaderValue::from_str(&challenge(error, required.as_ref()))
                {
                    response.headers_mut().insert(WWW_AUTHENTICATE, value);
                }
                response
            }
        }
    }
}

/// The challenge of RFC 6750 section 3; neither description nor scope can hold a quote.
fn challenge(error: &Error, required: Option<&Scope>) -> String {
    let mut challenge = format!("Bearer error=\"{}\", error_description=\"{}\"", error.code(), error.description());
    if let Some(scope) = required {
        challenge.push_str(&format!(", scope=\"{scope}\""));
    }
    challenge
}

impl fmt::Debug for BearerCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerCheck").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
