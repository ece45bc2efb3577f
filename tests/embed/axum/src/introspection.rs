//! Introspection (RFC 7662): one more trait, one more endpoint.

use async_trait::async_trait;
use grantwell::model::{AccessToken, ActiveAccessToken, Authorization, Record as _};
use grantwell::storage::AccessTokenStore;
use grantwell::{Builder, Digest, Introspection, StorageError};

use crate::store::Store;

/// The client that is a resource server and may introspect every access token.
const RESOURCE_SERVER: &str = "service";

pub(crate) fn add_to(server: Builder<Store>) -> Builder<Store> {
    server.endpoint(Introspection::new().resource_server(RESOURCE_SERVER))
}

#[async_trait]
impl AccessTokenStore for Store {
    async fn query_token(&self, token: &Digest) -> Result<Option<ActiveAccessToken>, StorageError> {
        let sql = "SELECT payload, authorization_payload FROM oauth_standing_tokens WHERE id = ?";
        let found: Option<(String, Option<String>)> = self.0.find(sql, token.to_string()).await?;
        let Some((token, authorization)) = found else { return Ok(None) };
        let authorization = authorization.map(|payload| Authorization::from_row(&payload)).transpose()?;
        Ok(Some(ActiveAccessToken { token: AccessToken::from_row(&token)?, authorization }))
    }
}
