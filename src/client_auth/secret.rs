use async_trait::async_trait;

use super::{ClientAuthentication, Credentials, Unauthenticated};
use crate::context::Context;
use crate::error::Error;
use crate::model::{AuthMethod, Client, ClientId, ClientSecret};
use crate::secret::{Digest, Secret};
use crate::wire::basic_credentials;

/// A client's secret (RFC 6749 section 2.3.1), by where it stands.
pub(super) enum SecretIn {
    /// `client_secret_basic`: HTTP Basic, both halves form-encoded.
    Header,
    /// `client_secret_post`: `client_id` and `client_secret` in the body.
    Body,
}

#[async_trait]
impl ClientAuthentication for SecretIn {
    fn method(&self) -> AuthMethod {
        match self {
            Self::Header => AuthMethod::CLIENT_SECRET_BASIC,
            Self::Body => AuthMethod::CLIENT_SECRET_POST,
        }
    }

    fn credentials(&self, request: &Unauthenticated<'_>) -> Result<Option<Credentials>, Error> {
        match self {
            Self::Header => in_header(request),
            Self::Body => Ok(in_body(request)),
        }
    }

    async fn verify(
        &self,
        context: &Context,
        _: &Unauthenticated<'_>,
        client: Option<&Client>,
        presented: &Credentials,
    ) -> Result<bool, Error> {
        let Some(secret) = &presented.proof else { return Ok(false) };
        match client.and_then(|client| client.secret(context.now())) {
            Some(ClientSecret::Digest(digest)) => Ok(digest.matches(secret.expose())),
            Some(ClientSecret::Verifier(verifier)) => Ok(verifier.verify(secret).await?),
            // An unknown client costs what a wrong secret costs. Nobody knows a text with this digest.
            None => Ok(Digest::from_bytes([0; 32]).matches(secret.expose())),
        }
    }
}

fn in_header(request: &Unauthenticated<'_>) -> Result<Option<Credentials>, Error> {
    let presented = basic_credentials(request.request.headers())?;
    Ok(presented.map(|(id, secret)| Credentials { client_id: ClientId::new(id), proof: Some(secret) }))
}

fn in_body(request: &Unauthenticated<'_>) -> Option<Credentials> {
    let secret = request.params.get("client_secret")?;
    // Beside a Basic header the body need not name the client; that these are two methods is found later.
    let client_id = request.params.get("client_id").unwrap_or_default();
    Some(Credentials { client_id: ClientId::from(client_id), proof: Some(Secret::new(secret)) })
}
