use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use serde_json::Value;

use super::{Approved, TokenResponse};
use crate::clock::Timestamp;
use crate::context::Context;
use crate::error::Error;
use crate::metadata::Metadata;
use crate::model::{Client, Issued, Scope};
use crate::wire::Params;

/// A token request (RFC 6749 section 3.2) of an authenticated client.
#[derive(Clone)]
#[non_exhaustive]
pub struct TokenRequest<'a> {
    /// The body's parameters.
    pub params: &'a Params,
    /// Who is calling.
    pub client: Arc<Client>,
    /// The request itself, for headers and extensions.
    pub request: &'a Request<Bytes>,
    /// When it was received; one moment for the whole request.
    pub now: Timestamp,
    /// From where, if the host says so.
    pub address: Option<IpAddr>,
}

impl TokenRequest<'_> {
    /// The scope the request names, within `most`; all of `most` when it names none (RFC 6749 section 3.3).
    ///
    /// # Errors
    /// `invalid_scope`.
    pub fn scope_within(&self, most: &Scope) -> Result<Scope, Error> {
        Scope::requested(self.params.get("scope"), most)
    }
}

/// A part of the protocol that no grant knows of: it reads its own parameters, keeps what it needs with the code, and
/// checks, narrows or decorates what is issued. PKCE (RFC 7636) is one.
#[async_trait]
pub trait Extension: Send + Sync + 'static {
    /// The name under which it keeps things with the code.
    fn name(&self) -> &'static str;

    /// The parameters of an authorization request that are its own.
    fn parameters(&self) -> &'static [&'static str] {
        &[]
    }

    /// Adds its part to the metadata.
    fn metadata(&self, _metadata: &mut Metadata) {}

    /// Reads an authorization request; what it answers is kept with the code.
    ///
    /// # Errors
    /// What is wrong with its parameters; the client is told by redirect.
    async fn authorize(&self, _: &Context, _params: &Params, _: &Client) -> Result<Option<Value>, Error> {
        Ok(None)
    }

    /// Checks a token request before anything is minted; it may narrow what was approved.
    ///
    /// # Errors
    /// Why nothing is issued; nothing has changed then.
    async fn check(&self, _: &Context, _request: &TokenRequest<'_>, _: &mut Approved) -> Result<(), Error> {
        Ok(())
    }

    /// Adds to the answer. What fails here fails before the commit, so the client may try again.
    ///
    /// # Errors
    /// Why nothing is issued.
    async fn decorate(
        &self,
        _: &Context,
        _request: &TokenRequest<'_>,
        _issued: &Issued,
        _answer: &mut TokenResponse,
    ) -> Result<(), Error> {
        Ok(())
    }
}
