use async_trait::async_trait;
use http::header::AUTHORIZATION;

use super::{ClientAuthentication, Credentials, Unauthenticated};
use crate::context::Context;
use crate::error::Error;
use crate::model::{AuthMethod, Client, ClientId};

/// `none`: a public client names itself by `client_id` and proves nothing (RFC 6749 section 3.2.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct PublicClient;

#[async_trait]
impl ClientAuthentication for PublicClient {
    fn method(&self) -> AuthMethod {
        AuthMethod::NONE
    }

    fn credentials(&self, request: &Unauthenticated<'_>) -> Result<Option<Credentials>, Error> {
        // Credentials of a method that is not offered here are still credentials.
        let has_credentials =
            request.request.headers().contains_key(AUTHORIZATION) || request.params.get("client_assertion").is_some();
        let client_id = request.params.get("client_id").filter(|_| !has_credentials);
        Ok(client_id.map(|client_id| Credentials { client_id: ClientId::from(client_id), proof: None }))
    }

    async fn verify(
        &self,
        _: &Context,
        _: &Unauthenticated<'_>,
        client: Option<&Client>,
        _: &Credentials,
    ) -> Result<bool, Error> {
        Ok(client.is_some())
    }
}
