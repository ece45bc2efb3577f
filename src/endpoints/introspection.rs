use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;

use super::{Call, Endpoint, EndpointHandler};
use crate::clock::Timestamp;
use crate::context::{Abilities, Context};
use crate::error::{Error, ErrorCode};
use crate::issue::refresh_token::Claimed;
use crate::metadata::Metadata;
use crate::model::{AccessToken, AuthMethod, AuthorizationId, Client, ClientId};
use crate::secret::Digest;
use crate::storage::AccessTokenStore;
use crate::wire;

/// The introspection endpoint (RFC 7662). Needs [`AccessTokenStore`].
///
/// A client that authenticates learns of its own tokens; a resource server named here, of the access tokens that it may
/// be shown, but of nobody's refresh tokens. For all others, and for every token that is not active, the answer is
/// `{"active":false}`. A resource server is a client with a secret, whose grant types and response types may be empty.
#[derive(Clone, Debug, Default)]
pub struct Introspection {
    resource_servers: ResourceServers,
}

/// The clients that are resource servers, each with its resources; `None`: all of them.
type ResourceServers = HashMap<ClientId, Option<Vec<String>>>;

impl Introspection {
    /// The endpoint, at `/introspect`, for the tokens' own clients.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the client `client_id` introspect every access token: it is a resource server (RFC 7662 section 2.1).
    #[must_use]
    pub fn resource_server(mut self, client_id: impl Into<ClientId>) -> Self {
        self.resource_servers.insert(client_id.into(), None);
        self
    }

    /// Lets the client `client_id` introspect the access tokens for one of `resources` (RFC 8707), as they stand in `aud`,
    /// and those for no named one. It is not told which others a token is for.
    #[must_use]
    pub fn resource_server_for(
        mut self,
        client_id: impl Into<ClientId>,
        resources: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.resource_servers.insert(client_id.into(), Some(resources.into_iter().map(Into::into).collect()));
        self
    }
}

impl<S: AccessTokenStore> Endpoint<S> for Introspection {
    fn bind(self, store: &Arc<S>, _: &mut Abilities) -> Box<dyn EndpointHandler> {
        Box::new(Introspect { access_tokens: store.clone(), resource_servers: self.resource_servers })
    }
}

struct Introspect {
    access_tokens: Arc<dyn AccessTokenStore>,
    resource_servers: ResourceServers,
}

/// The answer about an active token (RFC 7662 section 2.2).
#[derive(Serialize)]
struct Active<'a> {
    active: bool,
    iss: &'a str,
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    aud: &'a [&'a str],
    exp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'a str>,
    /// RFC 9470 section 6.2.
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'a str>,
    /// As in a JWT: it tells a user from a client of the same name.
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_id: Option<AuthorizationId>,
}

#[async_trait]
impl EndpointHandler for Introspect {
    fn path(&self) -> &str {
        "/introspect"
    }

    fn metadata(&self, url: String, methods: &[AuthMethod], metadata: &mut Metadata) {
        let methods: Vec<&AuthMethod> = methods.iter().filter(|method| **method != AuthMethod::NONE).collect();
        metadata.other.insert("introspection_endpoint".to_owned(), json!(url));
        metadata.other.insert("introspection_endpoint_auth_methods_supported".to_owned(), json!(methods));
    }

    async fn handle(&self, call: &Call<'_>) -> Result<Response<Bytes>, Error> {
        let (client, params) = call.authenticate().await?;
        if client.is_public() {
            // Anyone could ask in a public client's name and so try tokens out (RFC 7662 section 2.1).
            return Err(Error::new(ErrorCode::InvalidClient, "introspection is for clients that authenticate"));
        }
        let token = params.require("token")?;
        let answer = match Claimed::parse(token) {
            Some(claimed) => self.refresh_token(call.context(), &client, &claimed).await?,
            None => self.access_token(call.context(), &client, token).await?,
        };
        Ok(answer.unwrap_or_else(|| wire::json(StatusCode::OK, &json!({ "active": false }))))
    }
}

impl Introspect {
    /// What the client may know of whom the token is for; `None`: it may know nothing of the token.
    fn audience_for<'a>(&self, client: &Client, token: &'a AccessToken) -> Option<Vec<&'a str>> {
        let own_resources = match self.resource_servers.get(client.id()) {
            _ if token.client_id == *client.id() => None,
            Some(resources) => resources.as_ref(),
            None => return None,
        };
        let is_own = |name: &&str| own_resources.is_none_or(|own| own.iter().any(|own| own == name));
        let audience: Vec<&str> = token.audience.iter().map(String::as_str).filter(is_own).collect();
        (!audience.is_empty() || token.audience.is_empty()).then_some(audience)
    }

    async fn access_token(
        &self,
        context: &Context,
        client: &Client,
        token: &str,
    ) -> Result<Option<Response<Bytes>>, Error> {
        let Some(found) = self.access_tokens.query_token(&Digest::of(token)).await? else { return Ok(None) };
        let Some(audience) = self.audience_for(client, &found.token) else { return Ok(None) };
        let is_own = context.is_own("access token", &found.token.issuer);
        if !is_own || !found.is_active(&context.config.issuer, context.now()) {
            return Ok(None);
        }
        let authorization = found.authorization.as_ref();
        let active = Active {
            active: true,
            iss: found.token.issuer.as_str(),
            client_id: found.token.client_id.as_str(),
            sub: authorization.map(|authorization| authorization.subject.as_str()),
            scope: found.token.scope.as_str(),
            aud: &audience,
            exp: found.token.expires_at,
            iat: Some(found.token.issued_at),
            token_type: Some("Bearer"),
            auth_time: authorization.map(|authorization| authorization.auth_time),
            acr: authorization.and_then(|authorization| authorization.acr.as_deref()),
            authorization_id: found.token.authorization,
        };
        Ok(Some(wire::json(StatusCode::OK, &active)))
    }

    async fn refresh_token(
        &self,
        context: &Context,
        client: &Client,
        claimed: &Claimed<'_>,
    ) -> Result<Option<Response<Bytes>>, Error> {
        let Some(store) = &context.abilities.refresh_tokens else { return Ok(None) };
        let Some(found) = claimed.find(context, &**store).await? else { return Ok(None) };
        let family = &found.token;
        let is_active = claimed.generation == family.generation
            && family.client_id == *client.id()
            && found.is_active(&context.config.issuer, context.now());
        if !is_active {
            return Ok(None);
        }
        let active = Active {
            active: true,
            iss: family.issuer.as_str(),
            client_id: family.client_id.as_str(),
            sub: Some(found.authorization.subject.as_str()),
            scope: found.authorization.scope.as_str(),
            aud: &found.authorization.resources.iter().map(String::as_str).collect::<Vec<_>>(),
            exp: found.ends_at(),
            iat: None,
            token_type: None,
            auth_time: None,
            acr: None,
            authorization_id: Some(found.authorization.id),
        };
        Ok(Some(wire::json(StatusCode::OK, &active)))
    }
}
