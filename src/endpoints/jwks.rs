use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Response};
use serde_json::json;

use super::{Call, EndpointHandler};
use crate::error::Error;
use crate::metadata::Metadata;
use crate::model::AuthMethod;
use crate::signing::SigningKeys;
use crate::wire::document;

/// The server's public keys as a JWK Set (RFC 7517 section 5; `jwks_uri` in RFC 8414 section 2).
pub(crate) struct JwksEndpoint(pub(crate) SigningKeys);

#[async_trait]
impl EndpointHandler for JwksEndpoint {
    fn path(&self) -> &str {
        "/jwks"
    }

    fn metadata(&self, url: String, _: &[AuthMethod], metadata: &mut Metadata) {
        metadata.other.insert("jwks_uri".to_owned(), json!(url));
    }

    async fn handle(&self, call: &Call<'_>) -> Result<Response<Bytes>, Error> {
        if !matches!(*call.request().method(), Method::GET | Method::HEAD) {
            return Err(Error::method_not_allowed("GET, HEAD"));
        }
        Ok(document(self.0.published().await?, self.0.max_age()))
    }
}
