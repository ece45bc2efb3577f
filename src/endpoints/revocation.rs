use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::json;

use super::{Call, Endpoint, EndpointHandler};
use crate::context::{Abilities, Context};
use crate::error::{Error, ErrorCode};
use crate::events::Event;
use crate::issue::refresh_token::Claimed;
use crate::metadata::Metadata;
use crate::model::{AuthMethod, AuthorizationId, Client};
use crate::secret::Digest;
use crate::storage::{AccessTokenStore, RevocationStore, Selector};
use crate::wire;

/// The revocation endpoint (RFC 7009). Needs [`AccessTokenStore`] and [`RevocationStore`].
///
/// Revoking a refresh token revokes its authorization, and so the access tokens with it (section 2.1).
#[derive(Clone, Copy, Debug, Default)]
pub struct Revocation(());

impl Revocation {
    /// The endpoint, at `/revoke`.
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S: AccessTokenStore + RevocationStore> Endpoint<S> for Revocation {
    fn bind(self, store: &Arc<S>, abilities: &mut Abilities) -> Box<dyn EndpointHandler> {
        abilities.revocation = Some(store.clone());
        Box::new(Revoke { access_tokens: store.clone(), revocation: store.clone() })
    }
}

struct Revoke {
    access_tokens: Arc<dyn AccessTokenStore>,
    revocation: Arc<dyn RevocationStore>,
}

#[async_trait]
impl EndpointHandler for Revoke {
    fn path(&self) -> &str {
        "/revoke"
    }

    fn metadata(&self, url: String, methods: &[AuthMethod], metadata: &mut Metadata) {
        metadata.other.insert("revocation_endpoint".to_owned(), json!(url));
        metadata.other.insert("revocation_endpoint_auth_methods_supported".to_owned(), json!(methods));
    }

    async fn handle(&self, call: &Call<'_>) -> Result<Response<Bytes>, Error> {
        let (client, params) = call.authenticate().await?;
        let token = params.require("token")?;
        // The form of a token tells its kind, so `token_type_hint` is not needed.
        let revoked = match Claimed::parse(token) {
            Some(claimed) => self.revoke_family(call.context(), &client, &claimed).await?,
            None => self.revoke_access_token(call.context(), &client, token).await?,
        };
        if let Revoked::Yes(authorization) = revoked {
            call.context().event(&Event::Revoked { client_id: client.id(), authorization });
        }
        Ok(wire::json(StatusCode::OK, &json!({})))
    }
}

enum Revoked {
    Yes(Option<AuthorizationId>),
    /// The token is unknown or dead already, which is no error (RFC 7009 section 2.2).
    NothingToDo,
}

impl Revoke {
    async fn revoke_family(&self, context: &Context, client: &Client, claimed: &Claimed<'_>) -> Result<Revoked, Error> {
        let Some(store) = &context.abilities.refresh_tokens else { return Ok(Revoked::NothingToDo) };
        let Some(found) = claimed.find(context, &**store).await? else { return Ok(Revoked::NothingToDo) };
        is_own_token(found.token.client_id == *client.id())?;
        let id = found.authorization.id;
        self.revocation.revoke_authorizations(&Selector::Authorization(id)).await?;
        Ok(Revoked::Yes(Some(id)))
    }

    async fn revoke_access_token(&self, context: &Context, client: &Client, token: &str) -> Result<Revoked, Error> {
        let digest = Digest::of(token);
        let Some(found) = self.access_tokens.query_token(&digest).await? else { return Ok(Revoked::NothingToDo) };
        if !context.is_own("access token", &found.token.issuer) {
            return Ok(Revoked::NothingToDo);
        }
        is_own_token(found.token.client_id == *client.id())?;
        self.revocation.revoke_token(&digest).await?;
        Ok(Revoked::Yes(None))
    }
}

/// A token of another client is refused, not revoked (RFC 7009 section 2.1).
fn is_own_token(is_own: bool) -> Result<(), Error> {
    let refused = Error::new(ErrorCode::UnauthorizedClient, "the token was issued to another client");
    if is_own { Ok(()) } else { Err(refused) }
}
