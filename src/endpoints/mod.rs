//! What each endpoint's specification says happens, step by step; one file an endpoint.

pub(crate) mod authorization;
mod introspection;
#[cfg(feature = "jose")]
mod jwks;
mod revocation;
mod token;

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

pub use introspection::Introspection;
#[cfg(feature = "jose")]
pub(crate) use jwks::JwksEndpoint;
pub use revocation::Revocation;
pub(crate) use token::TokenEndpoint;

use crate::client_auth::{Authenticator, Unauthenticated};
use crate::context::{Abilities, Context};
use crate::error::Error;
use crate::metadata::Metadata;
use crate::model::{AuthMethod, Client, ClientId};
use crate::wire::{Params, form};

/// An endpoint as the host configures it; registering it binds it to the store `S`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an endpoint over the store `{S}`",
    label = "neither an endpoint of `grantwell` nor one of your own",
    note = "`examples/own_endpoint.rs` shows how to write an endpoint"
)]
pub trait Endpoint<S> {
    /// Makes the endpoint ready to serve; it may add to what other parts may use.
    fn bind(self, store: &Arc<S>, abilities: &mut Abilities) -> Box<dyn EndpointHandler>;
}

/// An endpoint that is ready to serve.
#[async_trait]
pub trait EndpointHandler: Send + Sync + 'static {
    /// Its path below the server's base URL, with a leading slash.
    fn path(&self) -> &str;

    /// Adds its part to the metadata: its own URL, and the methods by which clients authenticate there.
    fn metadata(&self, url: String, methods: &[AuthMethod], metadata: &mut Metadata);

    /// Answers a request.
    ///
    /// # Errors
    /// Why not; the caller is told as JSON (RFC 6749 section 5.2).
    async fn handle(&self, call: &Call<'_>) -> Result<Response<Bytes>, Error>;
}

/// One request to an endpoint.
pub struct Call<'a> {
    context: &'a Context,
    authenticator: &'a Authenticator,
    request: &'a Request<Bytes>,
    claimed: OnceLock<ClientId>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(context: &'a Context, authenticator: &'a Authenticator, request: &'a Request<Bytes>) -> Self {
        Self { context, authenticator, request, claimed: OnceLock::new() }
    }

    /// What the request may use.
    pub const fn context(&self) -> &'a Context {
        self.context
    }

    /// The request.
    pub const fn request(&self) -> &'a Request<Bytes> {
        self.request
    }

    /// Reads the form and authenticates the client.
    ///
    /// # Errors
    /// No POST, no form, a repeated parameter, `invalid_client`, a store's fault.
    pub async fn authenticate(&self) -> Result<(Arc<Client>, Params), Error> {
        let params = form(self.request)?;
        params.refuse_repeated()?;
        let request = Unauthenticated { request: self.request, params: &params };
        let presented = self.authenticator.presented(&request)?;
        let _ = self.claimed.set(presented.client_id().clone());
        let client = presented.verify(self.context, &request).await?;
        Ok((client, params))
    }

    /// Who the request claims to come from, once that was read.
    pub(crate) fn claimed(&self) -> Option<&ClientId> {
        self.claimed.get()
    }
}
