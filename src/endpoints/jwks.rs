use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{Method, Response, StatusCode};
use serde_json::json;

use super::{Call, EndpointHandler};
use crate::error::{Error, ErrorCode};
use crate::metadata::Metadata;
use crate::model::AuthMethod;
use crate::signing::SigningKeys;
use crate::wire::json_bytes;

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
        let mut response = json_bytes(StatusCode::OK, self.0.published().await?);
        let cache_control = HeaderValue::from_str(&format!("public, max-age={}", self.0.max_age()));
        let cache_control = cache_control.map_err(|cause| Error::new(ErrorCode::ServerError, "no header").caused_by(cause));
        response.headers_mut().insert(CACHE_CONTROL, cache_control?);
        Ok(response)
    }
}
