use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::HeaderMap;
use http::request::Parts;
use http::{Request, Uri};
use serde_json::{Map, Value};

use super::{Access, Refused, Requirement, ResourceIdentifier, TokenSource, WellKnown};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::error::{Error, ErrorCode};
use crate::model::Scope;
use crate::wire::{bearer_token, form_body, parse_form};

/// An API that access tokens open (RFC 6750, 9470, 9728). Cheap to clone.
///
/// A token that names its audience (RFC 8707) is taken only if this API is in it. One that names none is taken by every API
/// whose source knows it.
#[derive(Clone)]
pub struct ResourceServer(Arc<Inner>);

#[derive(Clone)]
pub(super) struct Inner {
    pub(super) resource: Option<ResourceIdentifier>,
    pub(super) sources: Vec<Arc<dyn TokenSource>>,
    clock: Arc<dyn Clock>,
    pub(super) takes_body: bool,
    pub(super) takes_query: bool,
    /// Members of the metadata beside those that follow from the rest.
    pub(super) members: Map<String, Value>,
}

impl ResourceServer {
    /// The API `resource`, which takes the tokens that `tokens` knows. Every challenge leads to its metadata, so mount
    /// [`Self::well_known`] too.
    pub fn new(resource: ResourceIdentifier, tokens: impl TokenSource) -> Self {
        Self::with(Some(resource), tokens)
    }

    /// An API without a name: it has no metadata, and takes only tokens that name no audience, so no JWT of RFC 9068.
    pub fn unnamed(tokens: impl TokenSource) -> Self {
        Self::with(None, tokens)
    }

    fn with(resource: Option<ResourceIdentifier>, tokens: impl TokenSource) -> Self {
        Self(Arc::new(Inner {
            resource,
            sources: vec![Arc::new(tokens)],
            clock: Arc::new(SystemClock),
            takes_body: false,
            takes_query: false,
            members: Map::new(),
        }))
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Takes tokens of another source too, for example of another issuer. It is asked about the tokens that those before
    /// it do not know, and only if they could tell.
    ///
    /// A revoked JWT is one that [`StoredTokens`](super::StoredTokens) and [`IntrospectedTokens`](super::IntrospectedTokens)
    /// do not know: `JwtTokens` of the same issuer behind them would take it again.
    #[must_use]
    pub fn or(self, tokens: impl TokenSource) -> Self {
        self.change(|own| own.sources.push(Arc::new(tokens)))
    }

    /// Takes the token from a form body too (RFC 6750 section 2.2).
    #[must_use]
    pub fn accept_body(self) -> Self {
        self.change(|own| own.takes_body = true)
    }

    /// Takes the token from the query too (RFC 6750 section 2.3); it will stand in logs and histories.
    #[must_use]
    pub fn accept_query(self) -> Self {
        self.change(|own| own.takes_query = true)
    }

    /// Reads the time elsewhere than from the system.
    #[must_use]
    pub fn clock(self, clock: impl Clock) -> Self {
        self.change(|own| own.clock = Arc::new(clock))
    }

    /// The scopes that are published in the metadata (RFC 9728 section 2).
    #[must_use]
    pub fn scopes_supported(self, scopes: Scope) -> Self {
        let scopes: Vec<&str> = scopes.iter().collect();
        self.change(|own| {
            own.members.insert("scopes_supported".to_owned(), scopes.into());
        })
    }

    /// Adds a member to the metadata (RFC 9728 section 2), for example `resource_name` or `resource_documentation`. It
    /// cannot replace one that follows from the configuration.
    #[must_use]
    pub fn metadata(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.change(|own| {
            own.members.insert(name.into(), value.into());
        })
    }

    /// The service of the API's metadata, for the origin's root (RFC 9728 section 3).
    pub fn well_known(&self) -> WellKnown {
        WellKnown::of(&self.0)
    }

    /// Who may do what, if the request's token is active, for this API, and enough.
    ///
    /// # Errors
    /// [`Refused`], which is the answer to send.
    pub async fn check(&self, request: &Request<Bytes>, required: &Requirement) -> Result<Access, Refused> {
        let in_body = match form_body(request) {
            Ok(body) if self.0.takes_body => access_tokens(body),
            _ => Ok(Vec::new()),
        };
        let token = in_body.and_then(|in_body| self.token(request.headers(), request.uri(), in_body));
        self.answer(token, required).await
    }

    /// Like [`Self::check`], of a request whose body was not read; a token in the body is not seen.
    ///
    /// # Errors
    /// [`Refused`], which is the answer to send.
    pub async fn check_head(&self, head: &Parts, required: &Requirement) -> Result<Access, Refused> {
        self.answer(self.token(&head.headers, &head.uri, Vec::new()), required).await
    }

    /// The one token of the request (RFC 6750 section 2: by no more than one method), if it has one.
    fn token(&self, headers: &HeaderMap, uri: &Uri, in_body: Vec<String>) -> Result<Option<String>, Error> {
        let in_query = match uri.query().filter(|_| self.0.takes_query) {
            Some(query) => access_tokens(query.as_bytes())?,
            None => Vec::new(),
        };
        let in_header = bearer_token(headers)?.map(str::to_owned);
        let mut tokens = in_header.into_iter().chain(in_body).chain(in_query);
        let token = tokens.next();
        match tokens.next() {
            Some(_) => Err(Error::new(ErrorCode::InvalidRequest, "more than one access token")),
            None => Ok(token),
        }
    }

    async fn answer(&self, token: Result<Option<String>, Error>, required: &Requirement) -> Result<Access, Refused> {
        let answer = match token {
            Ok(Some(token)) => self.check_token(&token, required).await,
            Ok(None) => Err(Refused::no_token()),
            Err(error) => Err(error.into()),
        };
        answer.map_err(|refused| {
            refused.error().filter(|error| error.status().is_server_error()).inspect(|error| tell(error));
            match &self.0.resource {
                Some(resource) => refused.with("resource_metadata", resource.metadata_url()),
                None => refused,
            }
        })
    }

    async fn check_token(&self, token: &str, required: &Requirement) -> Result<Access, Refused> {
        let now = self.0.clock.now();
        let access = self.access(token, now).await?.filter(|access| self.is_meant(access));
        let access = access.ok_or(Error::new(ErrorCode::InvalidToken, "the access token is not active"))?;
        required.check(&access, now)?;
        Ok(access)
    }

    /// What the first source says that knows the token. A source that cannot tell might know it: the token is not shown to
    /// those behind it.
    async fn access(&self, token: &str, now: Timestamp) -> Result<Option<Access>, Error> {
        for source in &self.0.sources {
            if let Some(access) = source.access(token, now).await? {
                return Ok(Some(access));
            }
        }
        Ok(None)
    }

    fn is_meant(&self, access: &Access) -> bool {
        let is_own = |own: &ResourceIdentifier| access.audience.iter().any(|name| name == own.as_str());
        access.audience.is_empty() || self.0.resource.as_ref().is_some_and(is_own)
    }
}

/// Every token in a query or form body; that there is one is for the caller to see.
fn access_tokens(form: &[u8]) -> Result<Vec<String>, Error> {
    Ok(parse_form([form])?.all("access_token").map(str::to_owned).collect())
}

/// Writes to the log why a token could not be checked.
fn tell(error: &Error) {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    tracing::error!(%error, cause = causes.join(": "), "an access token could not be checked");
}

impl fmt::Debug for ResourceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers: Vec<_> = self.0.sources.iter().map(|source| source.issuer()).collect();
        let mut debug = f.debug_struct("ResourceServer");
        debug.field("resource", &self.0.resource).field("issuers", &issuers).finish_non_exhaustive()
    }
}
