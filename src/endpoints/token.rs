use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Response, StatusCode};

use super::{Call, EndpointHandler};
use crate::client_auth::address;
use crate::error::{Error, ErrorCode};
use crate::grants::TokenGrant;
use crate::issue::{TokenIssuer, TokenRequest};
use crate::metadata::Metadata;
use crate::model::AuthMethod;
use crate::wire::json;

/// The token endpoint (RFC 6749 section 3.2).
pub(crate) struct TokenEndpoint {
    pub(crate) grants: Vec<Box<dyn TokenGrant>>,
    pub(crate) issuer: Arc<TokenIssuer>,
}

#[async_trait]
impl EndpointHandler for TokenEndpoint {
    fn path(&self) -> &str {
        "/token"
    }

    fn metadata(&self, url: String, methods: &[AuthMethod], metadata: &mut Metadata) {
        metadata.token_endpoint = Some(url);
        metadata.grant_types_supported.extend(self.grants.iter().map(|grant| grant.grant_type().to_owned()));
        self.grants.iter().for_each(|grant| grant.metadata(metadata));
        metadata.token_endpoint_auth_methods_supported = methods.iter().map(|m| m.as_str().to_owned()).collect();
    }

    async fn handle(&self, call: &Call<'_>) -> Result<Response<Bytes>, Error> {
        let (client, params) = call.authenticate().await?;
        let grant_type = params.require("grant_type")?;
        let grant = self.grants.iter().find(|grant| grant.grant_type() == grant_type);
        let grant = grant.ok_or(Error::new(ErrorCode::UnsupportedGrantType, "this grant type is not offered"))?;
        if !client.may_use(grant_type) {
            return Err(Error::new(ErrorCode::UnauthorizedClient, "the client is not registered for this grant type"));
        }
        let request = TokenRequest {
            params: &params,
            client,
            request: call.request(),
            now: call.context().now(),
            address: address(call.request()),
        };
        let approved = grant.approve(call.context(), &request).await?;
        let answer = self.issuer.issue(call.context(), &request, approved).await?;
        Ok(json(StatusCode::OK, &answer))
    }
}
