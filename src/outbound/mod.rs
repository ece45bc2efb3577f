//! Requests that the library itself sends: for keys, documents and introspection. Only through the host's [`HttpClient`].

mod address;
#[cfg(feature = "jose")]
mod documents;
#[cfg(feature = "jose")]
mod freshness;
#[cfg(feature = "jose")]
mod remote_keys;
#[cfg(feature = "reqwest")]
mod reqwest_client;

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

pub use address::is_public;
#[cfg(feature = "jose")]
pub use documents::Documents;
#[cfg(feature = "jose")]
pub use remote_keys::RemoteKeys;
#[cfg(feature = "reqwest")]
pub use reqwest_client::{ReqwestClient, ReqwestClientBuilder};

/// Sends HTTP requests for the library. `ReqwestClient` (the feature `reqwest`) is a ready one.
///
/// The URLs may come from strangers, and so may what answers. Whoever writes another client sees to it that it
///
/// * sends nothing but https, and verifies the certificate;
/// * reaches only addresses that [`is_public`] accepts: it looks a name up once, refuses it if one of its addresses is not
///   accepted, and connects to no other addresses than those; an address in place of a name is checked too, after the
///   URL's parser has read it (`2130706433` and `0x7f.1` are 127.0.0.1);
/// * follows no redirect, and asks no proxy to look the name up in its stead;
/// * sends no cookies and no credentials that are not in the request;
/// * stops after a number of bytes, counted as they arrive and after decompression, and after a few seconds in all, however
///   slowly the bytes come;
/// * says in its errors what failed, without the URL's query.
///
/// A request that was begun should go on when its future is dropped, up to its own limit of time: whoever asks next may be
/// given the same future to end.
#[async_trait]
pub trait HttpClient: Send + Sync + 'static {
    /// Sends the request, whose URI is absolute, and answers with the response, whatever its status.
    ///
    /// # Errors
    /// There is none, or none that may be read.
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError>;
}

/// There is no response that can be used; the source says why.
#[derive(Clone, Debug, thiserror::Error)]
#[error("outbound HTTP failed")]
pub struct HttpError(#[source] Arc<dyn Error + Send + Sync>);

impl HttpError {
    /// A failure described by text or by another error.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into().into())
    }
}
