//! Who is calling: client authentication (RFC 6749 section 2.3), one file a method.

mod none;
mod secret;

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;

pub use none::PublicClient;
pub use secret::{ClientSecretBasic, ClientSecretPost};

use crate::context::Context;
use crate::error::{Error, ErrorCode};
use crate::hooks::Attempt;
use crate::model::{AuthMethod, Client, ClientId};
use crate::secret::Secret;
use crate::wire::{ClientAddress, Params};

/// A request that was parsed but not yet authenticated.
#[derive(Clone, Copy)]
pub struct Unauthenticated<'a> {
    /// The request itself, for headers and extensions.
    pub request: &'a Request<Bytes>,
    /// Its body's parameters.
    pub params: &'a Params,
}

/// What a request presents by one method.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Who it claims to be.
    pub client_id: ClientId,
    /// The proof: a secret, an assertion; `None` where it is elsewhere (a certificate) or there is none.
    pub proof: Option<Secret>,
}

/// A client authentication method.
#[async_trait]
pub trait ClientAuthentication: Send + Sync + 'static {
    /// Its name in `token_endpoint_auth_method`.
    fn method(&self) -> AuthMethod;

    /// What the request presents by this method, `None` if it does not use it.
    ///
    /// # Errors
    /// The request uses the method, but wrongly: `invalid_client` or `invalid_request`.
    fn credentials(&self, request: &Unauthenticated<'_>) -> Result<Option<Credentials>, Error>;

    /// Whether the credentials are the client's. Called with `None` when there is no such client, or none of this
    /// method: spend the same time on it, and answer `false`.
    async fn verify(&self, context: &Context, client: Option<&Client>, presented: &Credentials) -> Result<bool, Error>;
}

/// The methods a server accepts, tried on each request.
pub(crate) struct Authenticator {
    methods: Vec<Box<dyn ClientAuthentication>>,
}

impl Authenticator {
    /// The standard methods and the host's own.
    pub(crate) fn new(own: Vec<Box<dyn ClientAuthentication>>) -> Self {
        let mut methods: Vec<Box<dyn ClientAuthentication>> =
            vec![Box::new(ClientSecretBasic), Box::new(ClientSecretPost), Box::new(PublicClient)];
        methods.extend(own);
        Self { methods }
    }

    /// The names of the methods, for the metadata.
    pub(crate) fn methods(&self) -> Vec<AuthMethod> {
        self.methods.iter().map(|method| method.method()).collect()
    }

    /// The client that the request proves to come from, by the method registered for it.
    ///
    /// # Errors
    /// `invalid_client`, the same for an unknown client, another method and a wrong secret; `invalid_request` for two
    /// methods at once; a store's fault; 429 from the rate limiter.
    pub(crate) async fn authenticate(
        &self,
        context: &Context,
        request: &Unauthenticated<'_>,
    ) -> Result<Arc<Client>, Error> {
        let (method, presented) = self.presented(request)?;
        let attempt = Attempt::ClientSecret { client_id: &presented.client_id, address: address(request.request) };
        if let Some(limiter) = &context.rate_limiter {
            limiter.check(&attempt).await.map_err(Error::rate_limited)?;
        }
        let client = context.clients.query_client(&presented.client_id).await?;
        let registered = client.filter(|client| client.metadata().token_endpoint_auth_method == method.method());
        if method.verify(context, registered.as_deref(), &presented).await?
            && let Some(client) = registered
        {
            return Ok(client);
        }
        if let Some(limiter) = &context.rate_limiter {
            limiter.failed(&attempt).await;
        }
        Err(refused())
    }

    /// The one method that the request uses.
    fn presented(&self, request: &Unauthenticated<'_>) -> Result<(&dyn ClientAuthentication, Credentials), Error> {
        let mut found: Option<(&dyn ClientAuthentication, Credentials)> = None;
        for method in &self.methods {
            let Some(credentials) = method.credentials(request)? else { continue };
            if found.is_some() {
                let twice = "more than one client authentication method (RFC 6749 section 2.3)";
                return Err(Error::new(ErrorCode::InvalidRequest, twice));
            }
            found = Some((&**method, credentials));
        }
        let (method, presented) = found.ok_or(Error::new(ErrorCode::InvalidClient, "no client authentication"))?;
        match request.params.get("client_id") {
            Some(named) if named != presented.client_id.as_str() => Err(refused()),
            _ => Ok((method, presented)),
        }
    }
}

fn refused() -> Error {
    Error::new(ErrorCode::InvalidClient, "client authentication failed")
}

/// The caller's address, as far as the host gave it.
pub(crate) fn address(request: &Request<Bytes>) -> Option<IpAddr> {
    request.extensions().get::<ClientAddress>().map(|address| address.0)
}
