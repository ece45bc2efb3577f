use async_trait::async_trait;
use serde_json::Value;

use super::{Approved, TokenRequest, TokenResponse};
use crate::authorization_request::AuthorizationRequest;
use crate::context::Context;
use crate::error::Error;
use crate::metadata::Metadata;
use crate::model::Issued;

/// A part of the protocol that no grant knows of: it reads its own parameters, keeps what it needs with the code, and
/// checks, narrows or decorates what is issued. PKCE (RFC 7636) is one.
///
/// What is issued at the authorization endpoint itself (the implicit grant) has no token request: `check` and
/// `decorate` are not called for it; refuse in `authorize`.
#[async_trait]
pub trait Extension: Send + Sync + 'static {
    /// The name under which it keeps things with the code. `pkce` and `resource_indicators` are the library's own: an
    /// extension of such a name takes its place.
    fn name(&self) -> &'static str;

    /// The parameters of an authorization request that are its own.
    fn parameters(&self) -> &'static [&'static str] {
        &[]
    }

    /// Adds its part to the metadata.
    fn metadata(&self, _metadata: &mut Metadata) {}

    /// Reads an authorization request, whose `params` are those that somebody knows; what it answers is kept with the
    /// code. It may narrow what is asked for. It is called again when the user has decided.
    ///
    /// # Errors
    /// What is wrong with its parameters; the client is told by redirect.
    async fn authorize(&self, _: &Context, _request: &mut AuthorizationRequest) -> Result<Option<Value>, Error> {
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
