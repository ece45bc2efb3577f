use async_trait::async_trait;

use super::{ClientAuthentication, Credentials, Unauthenticated};
use crate::context::Context;
use crate::error::Error;
use crate::model::{AuthMethod, Client, ClientId, ClientSecret};
use crate::secret::{Digest, Secret};
use crate::wire::basic_credentials;

/// `client_secret_basic`: HTTP Basic, both halves form-encoded (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientSecretBasic;

/// `client_secret_post`: `client_id` and `client_secret` in the body (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientSecretPost;

#[async_trait]
impl ClientAuthentication for ClientSecretBasic {
    fn method(&self) -> AuthMethod {
        AuthMethod::CLIENT_SECRET_BASIC
    }

    fn credentials(&self, request: &Unauthenticated<'_>) -> Result<Option<Credentials>, Error> {
        let presented = basic_credentials(request.request.headers())?;
        Ok(presented.map(|(id, secret)| Credentials { client_id: ClientId::new(id), proof: Some(secret) }))
    }

    async fn verify(
        &self,
        context: &Context,
        _: &Unauthenticated<'_>,
        client: Option<&Client>,
        presented: &Credentials,
    ) -> Result<bool, Error> {
        verify_secret(context, client, presented).await
    }
}

#[async_trait]
impl ClientAuthentication for ClientSecretPost {
    fn method(&self) -> AuthMethod {
        AuthMethod::CLIENT_SECRET_POST
    }

    fn credentials(&self, request: &Unauthenticated<'_>) -> Result<Option<Credentials>, Error> {
        let Some(secret) = request.params.get("client_secret") else { return Ok(None) };
        // Beside a Basic header the body need not name the client; that these are two methods is found later.
        let client_id = request.params.get("client_id").unwrap_or_default();
        Ok(Some(Credentials { client_id: ClientId::from(client_id), proof: Some(Secret::new(secret)) }))
    }

    async fn verify(
        &self,
        context: &Context,
        _: &Unauthenticated<'_>,
        client: Option<&Client>,
        presented: &Credentials,
    ) -> Result<bool, Error> {
        verify_secret(context, client, presented).await
    }
}

async fn verify_secret(context: &Context, client: Option<&Client>, presented: &Credentials) -> Result<bool, Error> {
    let Some(secret) = &presented.proof else { return Ok(false) };
    match client.and_then(|client| client.secret(context.now())) {
        Some(ClientSecret::Digest(digest)) => Ok(digest.matches(secret.expose())),
        Some(ClientSecret::Verifier(verifier)) => Ok(verifier.verify(secret).await?),
        // An unknown client costs what a wrong secret costs. Nobody knows a text with this digest.
        None => Ok(Digest::from_bytes([0; 32]).matches(secret.expose())),
    }
}
