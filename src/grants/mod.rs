//! May they have it? One file a grant.

mod authorization_code;
mod client_credentials;
pub mod legacy;
mod refresh_token;

use std::sync::Arc;

use async_trait::async_trait;

pub use authorization_code::AuthorizationCode;
pub use client_credentials::ClientCredentials;
pub use refresh_token::RefreshToken;

use crate::authorization_request::AuthorizationRequest;
use crate::config::Config;
use crate::context::{Abilities, Context};
use crate::error::Error;
use crate::issue::{Approved, Commit, TokenIssuer, TokenRequest, TokenResponse};
use crate::metadata::Metadata;
use crate::model::{Authorization, Issued};
use crate::storage::TokenStore;
use crate::ticket::Seed;
use crate::wire::ResponseMode;

/// A grant as the host configures it; registering it binds it to the store `S`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a grant over the store `{S}`",
    label = "neither a grant of `grantwell::grants` nor one of your own",
    note = "`examples/own_grant.rs` shows how to write a grant"
)]
pub trait Grant<S> {
    /// Makes the grant ready to serve; it may add to the configuration and to what other parts may use.
    fn bind(self, store: &Arc<S>, config: &mut Config, abilities: &mut Abilities) -> BoundGrant;
}

/// A grant that is ready to serve.
#[derive(Default)]
pub struct BoundGrant {
    /// What it does at the token endpoint.
    pub token: Option<Box<dyn TokenGrant>>,
    /// What it does at the authorization endpoint.
    pub response_type: Option<Box<dyn ResponseType>>,
}

/// A grant at the token endpoint (RFC 6749 section 3.2).
#[async_trait]
pub trait TokenGrant: Send + Sync + 'static {
    /// Its `grant_type`.
    fn grant_type(&self) -> &str;

    /// Adds its part to the metadata, beside its name.
    fn metadata(&self, _metadata: &mut Metadata) {}

    /// Whether the client may have what it asks for, and how it is committed. Nothing changes in the store here.
    ///
    /// # Errors
    /// Why not.
    async fn approve(&self, context: &Context, request: &TokenRequest<'_>) -> Result<Approved, Error>;
}

/// What an approved authorization request is answered with (RFC 6749 section 3.1.1).
#[async_trait]
pub trait ResponseType: Send + Sync + 'static {
    /// Its `response_type`.
    fn response_type(&self) -> &str;

    /// The grant type a client must have for it.
    fn grant_type(&self) -> &str;

    /// How its answer travels unless the request says otherwise. Where this is the fragment, the query is refused.
    fn response_mode(&self) -> ResponseMode;

    /// Saves what the approval gives, and answers its parameters.
    ///
    /// # Errors
    /// A store's fault.
    async fn respond(&self, context: &Context, approval: &Approval<'_>) -> Result<Responded, Error>;
}

/// An approval, before anything of it is saved.
pub struct Approval<'a> {
    /// What was asked.
    pub request: &'a AuthorizationRequest,
    /// What was approved.
    pub authorization: Authorization,
    /// What codes are derived from.
    pub seed: &'a Seed,
    /// What mints tokens, where the response carries one.
    pub issuer: &'a TokenIssuer,
    /// Until when the same approval could be sent again.
    pub repeatable_until: crate::clock::Timestamp,
}

/// What came of an approval.
pub enum Responded {
    /// The parameters of the response, without `state` and `iss`.
    Parameters(Vec<(&'static str, String)>),
    /// The same approval was sent before, and its answer has been used.
    AlreadyUsed,
}

/// The commit of a grant that consumes nothing: it saves what is issued.
pub struct SaveToken<S: ?Sized>(pub Arc<S>);

#[async_trait]
impl<S: TokenStore + ?Sized> Commit for SaveToken<S> {
    async fn commit(self: Box<Self>, _: &Context, issued: &mut Issued, _: &mut TokenResponse) -> Result<(), Error> {
        Ok(self.0.save_token(issued).await?)
    }
}
