use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderValue, Uri};

use super::{Documents, HttpClient, HttpError};
use crate::error::{Error, ErrorCode};
use crate::jose::{JwkSet, PublicKeys};

/// The public keys behind a `jwks_uri` (RFC 7517 section 5, RFC 8414 section 2), kept as [`Documents`] keeps them.
///
/// ```no_run
/// # #[cfg(feature = "reqwest")] {
/// use std::sync::Arc;
///
/// use grantwell::outbound::{HttpError, ReqwestClient, RemoteKeys};
///
/// # fn keys() -> Result<RemoteKeys, Box<dyn std::error::Error>> {
/// let documents = Arc::new(RemoteKeys::documents(Arc::new(ReqwestClient::new()?)));
/// let keys = RemoteKeys::new("https://as.example/jwks".parse()?, documents);
/// # Ok(keys)
/// # }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RemoteKeys {
    jwks_uri: Uri,
    documents: Arc<Documents<JwkSet>>,
}

impl RemoteKeys {
    /// The keys at `jwks_uri`. Several may share `documents`; what strangers name should not share one with what the host
    /// configured.
    pub const fn new(jwks_uri: Uri, documents: Arc<Documents<JwkSet>>) -> Self {
        Self { jwks_uri, documents }
    }

    /// A cache of JWK Sets. The media type is not looked at: many are served under another than their own.
    pub fn documents(client: Arc<dyn HttpClient>) -> Documents<JwkSet> {
        let accept = HeaderValue::from_static("application/jwk-set+json, application/json");
        Documents::new(client, accept, |response| Ok(JwkSet::parse(response.body())?))
    }
}

#[async_trait]
impl PublicKeys for RemoteKeys {
    async fn jwk_set(&self) -> Result<Arc<JwkSet>, Error> {
        self.documents.get(&self.jwks_uri).await.map_err(unavailable)
    }

    async fn refreshed(&self) -> Result<Arc<JwkSet>, Error> {
        self.documents.refetch(&self.jwks_uri).await.map_err(unavailable)
    }
}

fn unavailable(cause: HttpError) -> Error {
    Error::new(ErrorCode::TemporarilyUnavailable, "the keys cannot be fetched now").caused_by(cause)
}
