//! The library's parts, put together.

use std::sync::Arc;

use grantwell::extensions::ResourceIndicators;
use grantwell::grants::{AuthorizationCode, ClientCredentials, RefreshToken};
use grantwell::issue::JwtAccessTokens;
use grantwell::model::ClientId;
use grantwell::resource::{ResourceServer, StoredTokens};
use grantwell::stores::MemoryStore;
use grantwell::{AuthorizationServer, BuildError, Introspection, Revocation};
use serde_json::{Map, Value};

use crate::bounded::StateStore;
use crate::config::{Registered, Signing};
use crate::keys::Keys;
use crate::limiter::Limiter;
use crate::pages::ProtocolErrors;
use crate::site::Site;
use crate::users::Users;

/// What the authorization server is made of, but for the store of its state.
pub(crate) struct Parts {
    pub(crate) site: Arc<Site>,
    pub(crate) keys: Keys,
    pub(crate) registered: Registered,
    pub(crate) resource_servers: Vec<ClientId>,
    pub(crate) signing: Option<Signing>,
    pub(crate) users: Users,
    pub(crate) limiter: Limiter,
}

impl Parts {
    /// The server over `state`, and the API that its tokens open. The clients stay in the configuration file.
    pub(crate) fn over(&self, state: impl StateStore) -> Result<(AuthorizationServer, ResourceServer), BuildError> {
        let (clients, state) = (MemoryStore::new(), Arc::new(state));
        self.registered.clients.iter().for_each(|client| clients.insert_client(client.clone()));
        let resource_servers = self.resource_servers.iter().cloned();
        let mut server = AuthorizationServer::builder(&self.site.issuer, Arc::new(clients), state.clone())
            .secret_keys(self.keys.current().clone(), self.keys.previous().iter().cloned())
            .grant(AuthorizationCode::new())
            .grant(RefreshToken::rotating())
            .grant(ClientCredentials::new())
            .endpoint(resource_servers.fold(Introspection::new(), Introspection::resource_server))
            .endpoint(Revocation::new())
            .extension(ResourceIndicators::of(self.registered.resources.iter().cloned()))
            .remember_consent()
            .rate_limiter(self.limiter.clone())
            .subject_policy(self.users.clone())
            .error_page(ProtocolErrors(self.site.clone()));
        if let Some(signing) = &self.signing {
            server =
                server.signing_keys(signing.keys()).jwt_access_tokens(JwtAccessTokens::new(self.site.api.as_str()));
        }
        let tokens = StoredTokens::new(self.site.issuer.as_str(), state);
        Ok((server.build()?, ResourceServer::new(self.site.api.clone(), tokens)))
    }
}

/// The name and URL of the metadata, of every endpoint that it advertises, and of the API with its metadata.
pub(crate) fn endpoints(server: &AuthorizationServer, site: &Site) -> Vec<(String, String)> {
    let own = ("metadata".to_owned(), site.metadata_url());
    let api = ("API".to_owned(), format!("{}/me", site.api));
    let api_metadata = ("API metadata".to_owned(), site.api.metadata_url());
    std::iter::once(own).chain(advertised(server)).chain([api, api_metadata]).collect()
}

/// The paths, behind the issuer's, of all endpoints but the authorization endpoint, which shows pages.
pub(crate) fn paths(server: &AuthorizationServer) -> Vec<String> {
    let base = server.issuer().trim_end_matches('/');
    let endpoints = advertised(server).into_iter().filter(|(name, _)| name != "authorization");
    endpoints.filter_map(|(_, url)| url.strip_prefix(base).map(str::to_owned)).collect()
}

fn advertised(server: &AuthorizationServer) -> Vec<(String, String)> {
    let metadata: Map<String, Value> = serde_json::from_slice(server.metadata()).unwrap_or_default();
    let endpoint = |(name, url): (String, Value)| {
        let name = if name == "jwks_uri" { "JWKS" } else { name.strip_suffix("_endpoint")? };
        Some((name.replace('_', " "), url.as_str()?.to_owned()))
    };
    metadata.into_iter().filter_map(endpoint).collect()
}
