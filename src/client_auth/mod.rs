//! Who is calling: client authentication (RFC 6749 section 2.3), one file a method.

mod none;
mod secret;

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;

use none::PublicClient;
use secret::SecretIn;

use crate::context::Context;
use crate::error::{Error, ErrorCode};
use crate::hooks::Attempt;
use crate::metadata::Metadata;
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

    /// Adds its part to the metadata, beside its name.
    fn metadata(&self, _metadata: &mut Metadata) {}

    /// Whether the credentials are the client's. Called with `None` when there is no such client, or none of this
    /// method: spend the same time on it, and answer `false`.
    async fn verify(
        &self,
        context: &Context,
        request: &Unauthenticated<'_>,
        client: Option<&Client>,
        presented: &Credentials,
    ) -> Result<bool, Error>;
}

/// The methods a server accepts, tried on each request.
pub(crate) struct Authenticator {
    methods: Vec<Box<dyn ClientAuthentication>>,
}

impl Authenticator {
    /// The standard methods and the host's own.
    pub(crate) fn new(own: Vec<Box<dyn ClientAuthentication>>) -> Self {
        let mut methods: Vec<Box<dyn ClientAuthentication>> =
            vec![Box::new(SecretIn::Header), Box::new(SecretIn::Body)];
        methods.extend(own);
        Self { methods }
    }

    /// What the methods add to the metadata, beside their names.
    pub(crate) fn metadata(&self, metadata: &mut Metadata) {
        self.methods.iter().for_each(|method| method.metadata(metadata));
    }

    /// The names of the methods, for the metadata.
    pub(crate) fn methods(&self) -> Vec<AuthMethod> {
        self.methods.iter().map(|method| method.method()).chain([AuthMethod::NONE]).collect()
    }

    /// What the request presents, by the one method it uses.
    ///
    /// # Errors
    /// `invalid_client` when it presents nothing, or wrongly; `invalid_request` for two methods at once.
    pub(crate) fn presented(&self, request: &Unauthenticated<'_>) -> Result<Presented<'_>, Error> {
        let mut found: Option<Presented<'_>> = None;
        for method in &self.methods {
            let Some(credentials) = method.credentials(request)? else { continue };
            if found.is_some() {
                let twice = "more than one client authentication method (RFC 6749 section 2.3)";
                return Err(Error::new(ErrorCode::InvalidRequest, twice));
            }
            found = Some(Presented { method: &**method, credentials });
        }
        if found.is_none() {
            // Only who presents nothing is a public client.
            let credentials = PublicClient.credentials(request)?;
            found = credentials.map(|credentials| Presented { method: &PublicClient, credentials });
        }
        let presented = found.ok_or(Error::new(ErrorCode::InvalidClient, "no client authentication"))?;
        match request.params.get("client_id") {
            Some(named) if named != presented.credentials.client_id.as_str() => Err(refused()),
            _ => Ok(presented),
        }
    }
}

/// What a request presents, before it is verified.
pub(crate) struct Presented<'a> {
    method: &'a dyn ClientAuthentication,
    credentials: Credentials,
}

impl Presented<'_> {
    /// Who the request claims to come from.
    pub(crate) const fn client_id(&self) -> &ClientId {
        &self.credentials.client_id
    }

    /// The client that the request proves to come from, by the method registered for it.
    ///
    /// # Errors
    /// `invalid_client`, the same for an unknown client, another method and a wrong secret; a store's fault; 429 from
    /// the rate limiter.
    pub(crate) async fn verify(&self, context: &Context, request: &Unauthenticated<'_>) -> Result<Arc<Client>, Error> {
        let attempt = Attempt::ClientSecret { client_id: self.client_id(), address: address(request.request) };
        // A public client has nothing that could be guessed.
        let limiter = context.rate_limiter.as_ref().filter(|_| self.credentials.proof.is_some());
        if let Some(limiter) = limiter {
            limiter.check(&attempt).await.map_err(Error::rate_limited)?;
        }
        let client = context.client(self.client_id()).await?;
        let method = self.method.method();
        let registered = client.filter(|client| client.metadata().token_endpoint_auth_method == method);
        let is_right = self.method.verify(context, request, registered.as_deref(), &self.credentials).await?;
        match (registered.filter(|_| is_right), limiter) {
            (Some(client), None) => Ok(client),
            (Some(client), Some(limiter)) => {
                limiter.succeeded(&attempt).await;
                Ok(client)
            }
            (None, limiter) => {
                if let Some(limiter) = limiter {
                    limiter.failed(&attempt).await;
                }
                Err(refused())
            }
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
