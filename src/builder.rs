//! Building a server: generic over the store while parts are registered, checked as a whole at the end.

use std::fmt;
use std::sync::Arc;

use crate::client_auth::{Authenticator, ClientAuthentication};
use crate::clock::{Clock, Randomness};
use crate::config::{Config, Lifetimes, is_path};
use crate::context::Context;
#[cfg(feature = "jose")]
use crate::endpoints::JwksEndpoint;
use crate::endpoints::authorization::AuthorizationEndpoint;
use crate::endpoints::{Endpoint, EndpointHandler, TokenEndpoint};
use crate::events::EventSink;
use crate::extensions::{Pkce, ResourceIndicators};
use crate::grants::{Grant, ResponseType, TokenGrant};
use crate::hooks::{RateLimiter, SubjectPolicy};
#[cfg(feature = "jose")]
use crate::issue::JwtAccessTokens;
use crate::issue::{Extension, Formats, TokenFormat, TokenIssuer};
use crate::metadata::Metadata;
use crate::model::Scope;
use crate::secret_keys::{KeyRing, SecretKey};
use crate::server::{AuthorizationServer, Inner};
#[cfg(feature = "jose")]
use crate::signing::{BoundKeys, KeySource, Surroundings};
use crate::storage::{ClientStore, ConsentStore, RevocationStore};
use crate::wire::{ErrorPage, ResponseMode};

/// Builds an [`AuthorizationServer`]; begun by [`AuthorizationServer::builder`].
#[must_use]
pub struct Builder<S> {
    store: Arc<S>,
    context: Context,
    token_grants: Vec<Box<dyn TokenGrant>>,
    response_types: Vec<Box<dyn ResponseType>>,
    endpoints: Vec<Box<dyn EndpointHandler>>,
    extensions: Vec<Box<dyn Extension>>,
    client_authentications: Vec<Box<dyn ClientAuthentication>>,
    formats: Formats,
    #[cfg(feature = "jose")]
    signing_keys: Option<BoundKeys>,
    #[cfg(feature = "jose")]
    jwt_access_tokens: Option<JwtAccessTokens>,
}

impl AuthorizationServer {
    /// Begins to build a server.
    ///
    /// `issuer` is its https URL (http on a loopback host), without query and fragment (RFC 8414 section 2).
    /// `clients` and `state` are often two stores: the host's own table, and one that is shipped. They may be one.
    pub fn builder<C: ClientStore, S>(issuer: &str, clients: Arc<C>, state: Arc<S>) -> Builder<S> {
        Builder::new(issuer, clients, state)
    }
}

/// What a configuration contradicts; found before the server exists.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A URL, path or lifetime cannot be used.
    #[error("{0}")]
    Configuration(&'static str),
    /// Where an endpoint is said to be cannot stand behind the base URL.
    #[error("`{0}` is no path: it must begin with a slash and be nothing but a path")]
    Path(String),
    /// Tickets and refresh tokens need keys.
    #[error("the authorization endpoint and the refresh_token grant need secret keys: call `secret_keys`")]
    NoSecretKeys,
    /// Two parts answer for the same name.
    #[error("two {kind} are registered for `{name}`")]
    Twice {
        /// What they are.
        kind: &'static str,
        /// What both answer for.
        name: String,
    },
    /// A part that nothing can reach.
    #[error("the grant `{0}` is registered, but no registered grant issues what it takes")]
    Unreachable(&'static str),
    /// Signed tokens need signing keys.
    #[error("JWT access tokens need signing keys: call `signing_keys`")]
    NoSigningKeys,
    /// Nothing is registered.
    #[error("no grant and no endpoint is registered: the server would answer nothing")]
    Nothing,
}

impl<S> Builder<S> {
    pub(crate) fn new<C: ClientStore>(issuer: &str, clients: Arc<C>, store: Arc<S>) -> Self {
        Self {
            store,
            context: Context::new(Config::new(issuer), clients),
            token_grants: Vec::new(),
            response_types: Vec::new(),
            endpoints: Vec::new(),
            extensions: vec![Box::new(Pkce::default()), Box::new(ResourceIndicators::default())],
            client_authentications: Vec::new(),
            formats: Formats::default(),
            #[cfg(feature = "jose")]
            signing_keys: None,
            #[cfg(feature = "jose")]
            jwt_access_tokens: None,
        }
    }

    /// Registers a grant.
    pub fn grant<G: Grant<S>>(mut self, grant: G) -> Self {
        let bound = grant.bind(&self.store, &mut self.context.config, &mut self.context.abilities);
        self.token_grants.extend(bound.token);
        self.response_types.extend(bound.response_type);
        self
    }

    /// Registers an endpoint.
    pub fn endpoint<E: Endpoint<S>>(mut self, endpoint: E) -> Self {
        self.endpoints.push(endpoint.bind(&self.store, &mut self.context.abilities));
        self
    }

    /// Registers an extension, in the place of one with the same name or behind the others.
    pub fn extension(mut self, extension: impl Extension) -> Self {
        let extension: Box<dyn Extension> = Box::new(extension);
        match self.extensions.iter_mut().find(|own| own.name() == extension.name()) {
            Some(own) => *own = extension,
            None => self.extensions.push(extension),
        }
        self
    }

    /// Accepts a client authentication method beside `client_secret_basic`, `client_secret_post` and `none`.
    pub fn client_authentication(mut self, method: impl ClientAuthentication) -> Self {
        self.client_authentications.push(Box::new(method));
        self
    }

    /// Mints access tokens in another format than [`Opaque`](crate::issue::Opaque).
    pub fn token_format(mut self, format: impl TokenFormat) -> Self {
        self.formats.default = Some(Box::new(format));
        self
    }

    /// Signs tokens by these keys, and publishes them at `/jwks`.
    #[cfg(feature = "jose")]
    pub fn signing_keys<K: KeySource<S>>(mut self, keys: K) -> Self {
        self.signing_keys = Some(keys.bind(&self.store));
        self
    }

    /// Makes JWT access tokens (RFC 9068) for the clients and resources that ask for them.
    #[cfg(feature = "jose")]
    pub fn jwt_access_tokens(mut self, format: JwtAccessTokens) -> Self {
        self.jwt_access_tokens = Some(format);
        self
    }

    /// Lets the server revoke: what a replayed code bought (RFC 6749 section 4.1.2), and what
    /// [`AuthorizationServer::revoke_authorizations`] selects. The `refresh_token` grant and the revocation endpoint
    /// bring this with them.
    pub fn with_revocation(mut self) -> Self
    where
        S: RevocationStore,
    {
        self.context.abilities.revocation = Some(self.store.clone());
        self
    }

    /// Remembers consent in the store, so that the same request is not asked twice. A public client that does not
    /// redirect to https is asked about every time: anybody on the device could ask in its name.
    pub fn remember_consent(mut self) -> Self
    where
        S: ConsentStore,
    {
        self.context.abilities.consents = Some(self.store.clone());
        self
    }

    /// The keys that seal tickets and authenticate refresh tokens: the current one, and those that still open what
    /// they sealed. The same on every replica: one that does not know a key refuses what was made with it, so a new key
    /// goes to all replicas as a previous one first. Dropping a key ends the refresh tokens last made with it, and
    /// [`AuthorizationServer::session_selector`] no longer finds what was approved under it. Signing keys that were made
    /// under it no longer open: keep it for as long as a new one needs to sign in their place, and their tokens to expire.
    pub fn secret_keys(mut self, current: SecretKey, previous: impl IntoIterator<Item = SecretKey>) -> Self {
        let keys: Vec<SecretKey> = std::iter::once(current).chain(previous).collect();
        self.context.keys = KeyRing::new(&keys);
        self
    }

    /// The URL that the endpoints' paths are appended to, where it is not the issuer.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.context.config.base_url = url.into();
        self
    }

    /// The path of the host's authorization endpoint below the base URL, where it is not `/authorize`.
    pub fn authorization_path(mut self, path: impl Into<String>) -> Self {
        self.context.config.authorization_path = path.into();
        self
    }

    /// Lifetimes, in seconds, for clients whose policy does not say otherwise.
    pub fn lifetimes(mut self, lifetimes: Lifetimes) -> Self {
        self.context.config.lifetimes = lifetimes;
        self
    }

    /// Publishes `scopes_supported` (RFC 8414 section 2).
    pub fn scopes_supported(mut self, scopes: Scope) -> Self {
        self.context.config.scopes_supported = scopes;
        self
    }

    /// The values of [`Login::acr`](crate::Login::acr) that the host's login can bring about; published as
    /// `acr_values_supported`. A request for one of them (`acr_values`; RFC 9470 section 4) goes to the login page unless
    /// the login is of one. Whoever comes back without is answered `unmet_authentication_requirements` (section 5).
    pub fn acr_values_supported(mut self, values: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.context.config.acr_values_supported = values.into_iter().map(Into::into).collect();
        self
    }

    /// Tells `sink` what happens.
    pub fn events(mut self, sink: impl EventSink) -> Self {
        self.context.events = Some(Arc::new(sink));
        self
    }

    /// Limits guessing.
    pub fn rate_limiter(mut self, limiter: impl RateLimiter) -> Self {
        self.context.rate_limiter = Some(Arc::new(limiter));
        self
    }

    /// Asks `policy` whenever a code is redeemed or a token refreshed.
    pub fn subject_policy(mut self, policy: impl SubjectPolicy) -> Self {
        self.context.subject_policy = Some(Arc::new(policy));
        self
    }

    /// Shows the authorization endpoint's errors on a page of the host's.
    pub fn error_page(mut self, page: impl ErrorPage) -> Self {
        self.context.error_page = Arc::new(page);
        self
    }

    /// Reads the time elsewhere than from the system.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.context.clock = Arc::new(clock);
        self
    }

    /// Draws randomness elsewhere than from the system.
    pub fn randomness(mut self, source: impl Randomness) -> Self {
        self.context.randomness = Arc::new(source);
        self
    }

    /// Checks the whole and makes the server.
    ///
    /// # Errors
    /// What contradicts what.
    pub fn build(
        #[cfg_attr(not(feature = "jose"), expect(unused_mut))] mut self,
    ) -> Result<AuthorizationServer, BuildError> {
        self.check()?;
        #[cfg(feature = "jose")]
        self.start_signing()?;
        let extensions: Arc<[Box<dyn Extension>]> = self.extensions.into();
        let issuer = Arc::new(TokenIssuer::new(self.formats, extensions.clone()));
        let authenticator = Authenticator::new(self.client_authentications);
        unique("client authentication methods", authenticator.methods().iter().map(|own| own.as_str().to_owned()))?;
        let mut endpoints = self.endpoints;
        if !self.token_grants.is_empty() {
            endpoints.insert(0, Box::new(TokenEndpoint { grants: self.token_grants, issuer: issuer.clone() }));
        }
        check_paths(&self.context.config, &endpoints, !self.response_types.is_empty())?;
        let authorization = AuthorizationEndpoint { response_types: self.response_types, extensions, issuer };
        let metadata = metadata(&self.context.config, &authenticator, &authorization, &endpoints)?;
        let context = self.context;
        Ok(AuthorizationServer(Arc::new(Inner { context, authenticator, authorization, endpoints, metadata })))
    }

    #[cfg(feature = "jose")]
    fn start_signing(&mut self) -> Result<(), BuildError> {
        let jwt_access_tokens = self.jwt_access_tokens.take();
        let Some(keys) = self.signing_keys.take() else {
            return if jwt_access_tokens.is_some() { Err(BuildError::NoSigningKeys) } else { Ok(()) };
        };
        let of_tokens = jwt_access_tokens.as_ref().and_then(|format| format.contradiction(&keys.algorithms()));
        if let Some(contradiction) = keys.contradiction(&self.context.keys).or(of_tokens) {
            return Err(BuildError::Configuration(contradiction));
        }
        if let Some(format) = jwt_access_tokens {
            self.formats.add_jwt(format);
        }
        let keys = keys.start(Surroundings {
            issuer: self.context.config.issuer.clone(),
            keys: self.context.keys.clone(),
            clock: self.context.clock.clone(),
            randomness: self.context.randomness.clone(),
        });
        self.endpoints.push(Box::new(JwksEndpoint(keys.clone())));
        self.context.signing_keys = Some(keys);
        Ok(())
    }

    fn check(&self) -> Result<(), BuildError> {
        if let Some(contradiction) = self.context.config.contradiction() {
            return Err(BuildError::Configuration(contradiction));
        }
        if self.token_grants.is_empty() && self.response_types.is_empty() && self.endpoints.is_empty() {
            return Err(BuildError::Nothing);
        }
        let has_refresh = self.context.abilities.refresh_tokens.is_some();
        if self.context.keys.is_empty() && (has_refresh || !self.response_types.is_empty()) {
            return Err(BuildError::NoSecretKeys);
        }
        let issues_no_refresh = |grant: &str| matches!(grant, "refresh_token" | "client_credentials");
        if has_refresh
            && self.response_types.iter().all(|own| own.grant_type() == "implicit")
            && self.token_grants.iter().all(|grant| issues_no_refresh(grant.grant_type()))
        {
            return Err(BuildError::Unreachable("refresh_token"));
        }
        unique("grants", self.token_grants.iter().map(|grant| grant.grant_type().to_owned()))?;
        unique("response types", self.response_types.iter().map(|own| own.response_type().to_owned()))
    }
}

fn check_paths(
    config: &Config,
    endpoints: &[Box<dyn EndpointHandler>],
    has_authorization: bool,
) -> Result<(), BuildError> {
    let own = has_authorization.then(|| config.authorization_path.clone());
    let paths: Vec<String> = endpoints.iter().map(|endpoint| endpoint.path().to_owned()).chain(own).collect();
    if let Some(path) = paths.iter().find(|path| !is_path(path)) {
        return Err(BuildError::Path(path.clone()));
    }
    unique("endpoints", paths.into_iter())
}

fn unique(kind: &'static str, names: impl Iterator<Item = String>) -> Result<(), BuildError> {
    let mut seen = std::collections::HashSet::new();
    for name in names {
        if seen.contains(&name) {
            return Err(BuildError::Twice { kind, name });
        }
        seen.insert(name);
    }
    Ok(())
}

/// The metadata document: what is advertised is what is served.
fn metadata(
    config: &Config,
    authenticator: &Authenticator,
    authorization: &AuthorizationEndpoint,
    endpoints: &[Box<dyn EndpointHandler>],
) -> Result<bytes::Bytes, BuildError> {
    let mut metadata = Metadata::new(config);
    if !authorization.response_types.is_empty() {
        metadata.add_authorization_endpoint(config);
        let response_types = authorization.response_types.iter();
        if authorization.response_types.iter().all(|own| own.response_mode() != ResponseMode::Query) {
            metadata.response_modes_supported.retain(|name| name != ResponseMode::Query.as_str());
        }
        metadata.response_types_supported = response_types.map(|own| own.response_type().to_owned()).collect();
    }
    let methods = authenticator.methods();
    for endpoint in endpoints {
        endpoint.metadata(config.url(endpoint.path()), &methods, &mut metadata);
    }
    for response_type in &authorization.response_types {
        let grant_types = &mut metadata.grant_types_supported;
        if !grant_types.iter().any(|own| own == response_type.grant_type()) {
            grant_types.push(response_type.grant_type().to_owned());
        }
    }
    authenticator.metadata(&mut metadata);
    authorization.extensions.iter().for_each(|extension| extension.metadata(&mut metadata));
    let json = serde_json::to_vec(&metadata);
    json.map(Into::into).map_err(|_| BuildError::Configuration("the metadata has no JSON form"))
}

impl<S> fmt::Debug for Builder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("context", &self.context).finish_non_exhaustive()
    }
}
