use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::model::{Client, Scope};
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
