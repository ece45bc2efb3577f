//! The server: built once out of registered parts, then cheap to clone and free of type parameters.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};

use crate::client_auth::{Authenticator, address};
use crate::context::Context;
use crate::endpoints::authorization::AuthorizationEndpoint;
use crate::endpoints::{Call, EndpointHandler};
use crate::error::{Error, ErrorCode};
use crate::events::Event;
use crate::interaction::{Authorize, Decision, Login};
#[cfg(feature = "jose")]
use crate::signing::SigningKeys;
use crate::storage::Selector;
use crate::wire::{document, error_json, not_found};

/// An authorization server: `http::Request` in, `http::Response` out.
#[derive(Clone)]
pub struct AuthorizationServer(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) context: Context,
    pub(crate) authenticator: Authenticator,
    pub(crate) authorization: AuthorizationEndpoint,
    pub(crate) endpoints: Vec<Box<dyn EndpointHandler>>,
    /// The metadata document, as JSON.
    pub(crate) metadata: Bytes,
}

impl AuthorizationServer {
    /// What an authorization request (RFC 6749 section 3.1) needs now, given who is logged in.
    ///
    /// `request` is what came to the host's authorization endpoint, by GET or POST.
    pub async fn authorize(&self, request: &Request<Bytes>, login: Option<&Login>) -> Authorize {
        self.0.authorization.authorize(&self.0.context, request, login).await
    }

    /// Answers the client what the user decided. `ticket` comes from the consent page's form.
    ///
    /// Posted under another login than the page was shown to, or too late, it decides nothing: the answer then leads
    /// back to the authorization endpoint. Deciding twice gives the same code while it is unused; a token in
    /// the fragment is minted anew.
    pub async fn decide(&self, ticket: &str, login: Option<&Login>, decision: Decision) -> Response<Bytes> {
        self.0.authorization.decide(&self.0.context, ticket, login, decision).await
    }

    /// Revokes what `selector` names, and all tokens under it; answers how many authorizations stood until then.
    ///
    /// # Errors
    /// A store's fault; `server_error` when no registered part needed a store that can revoke.
    pub async fn revoke_authorizations(&self, selector: &Selector) -> Result<usize, Error> {
        let context = &self.0.context;
        let store = context.abilities.revocation.as_ref();
        let store = store.ok_or(Error::new(ErrorCode::ServerError, "nothing registered here can revoke"))?;
        let count = store.revoke_authorizations(selector).await?;
        context.event(&Event::AuthorizationsRevoked { selector, count });
        Ok(count)
    }

    /// The selector of everything that was approved in a session of the host, for when it ends.
    pub fn session_selector(&self, session: &str) -> Selector {
        Selector::Session(self.0.context.keys.session_digests(session).collect())
    }

    /// The service for the origin's root: `/.well-known/oauth-authorization-server` and, for an issuer with a path,
    /// that path behind it (RFC 8414 section 3.1).
    pub fn well_known(&self) -> WellKnown {
        WellKnown(self.clone())
    }

    /// The service of the token endpoint and every registered endpoint. Their paths may come with or without the path
    /// of the server's base URL, so it can be mounted at any prefix.
    pub fn endpoints(&self) -> Endpoints {
        Endpoints(self.clone())
    }

    /// The keys that sign the server's tokens, if it has such; also for whoever checks the tokens in the same process.
    #[cfg(feature = "jose")]
    pub fn signing_keys(&self) -> Option<&SigningKeys> {
        self.0.context.signing_keys()
    }

    /// The server's issuer identifier.
    pub fn issuer(&self) -> &str {
        self.0.context.config.issuer.as_str()
    }

    /// The metadata document (RFC 8414 section 2), as JSON.
    pub fn metadata(&self) -> &Bytes {
        &self.0.metadata
    }
}

impl fmt::Debug for AuthorizationServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationServer").field("issuer", &self.issuer()).finish_non_exhaustive()
    }
}

/// The service of the well-known documents; see [`AuthorizationServer::well_known`].
#[derive(Clone, Debug)]
pub struct WellKnown(AuthorizationServer);

impl WellKnown {
    /// Answers a request.
    pub async fn call(&self, request: Request<Bytes>) -> Response<Bytes> {
        let path = request.uri().path();
        let name = path.strip_prefix("/.well-known").unwrap_or(path).strip_prefix("/oauth-authorization-server");
        if name.is_none_or(|issuer_path| issuer_path != self.0.0.context.config.issuer_path()) {
            return not_found();
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return error_json(&Error::method_not_allowed("GET, HEAD"));
        }
        document(self.0.0.metadata.clone(), 300)
    }
}

/// The service of the endpoints; see [`AuthorizationServer::endpoints`].
#[derive(Clone, Debug)]
pub struct Endpoints(AuthorizationServer);

impl Endpoints {
    /// Answers a request.
    pub async fn call(&self, request: Request<Bytes>) -> Response<Bytes> {
        let server = &*self.0.0;
        let path = request.uri().path();
        let below = path.strip_prefix(server.context.config.base_path()).filter(|below| below.starts_with('/'));
        let path = below.unwrap_or(path);
        let Some(endpoint) = server.endpoints.iter().find(|endpoint| endpoint.path() == path) else {
            return not_found();
        };
        let call = Call::new(&server.context, &server.authenticator, &request);
        endpoint.handle(&call).await.unwrap_or_else(|error| {
            let client_id = call.claimed();
            let address = address(&request);
            server.context.event(&Event::Refused { endpoint: endpoint.path(), client_id, error: &error, address });
            error_json(&error)
        })
    }
}
