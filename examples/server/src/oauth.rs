//! The library's parts, put together.

use std::sync::Arc;

use grantwell::grants::{AuthorizationCode, ClientCredentials, RefreshToken};
use grantwell::model::{Client, ClientId};
use grantwell::resource::BearerCheck;
use grantwell::stores::MemoryStore;
use grantwell::{AuthorizationServer, BuildError, Introspection, Revocation};
use serde_json::{Map, Value};

use crate::bounded::StateStore;
use crate::keys::Keys;
use crate::limiter::Limiter;
use crate::pages::ProtocolErrors;
use crate::site::Site;
use crate::users::Users;

/// What the authorization server is made of, but for the store of its state.
pub(crate) struct Parts {
    pub(crate) site: Arc<Site>,
    pub(crate) keys: Keys,
    pub(crate) clients: Vec<Client>,
    pub(crate) resource_servers: Vec<ClientId>,
    pub(crate) users: Users,
    pub(crate) limiter: Limiter,
}

impl Parts {
    /// The server over `state`, and the check of its tokens. The clients stay in the configuration file.
    pub(crate) fn over(&self, state: impl StateStore) -> Result<(AuthorizationServer, BearerCheck), BuildError> {
        let (clients, state) = (MemoryStore::new(), Arc::new(state));
        self.clients.iter().for_each(|client| clients.insert_client(client.clone()));
        let resource_servers = self.resource_servers.iter().cloned();
        let server = AuthorizationServer::builder(&self.site.issuer, Arc::new(clients), state.clone())
            .secret_keys(self.keys.current().clone(), self.keys.previous().iter().cloned())
            .grant(AuthorizationCode::new())
            .grant(RefreshToken::rotating())
            .grant(ClientCredentials::new())
            .endpoint(resource_servers.fold(Introspection::new(), Introspection::resource_server))
            .endpoint(Revocation::new())
            .remember_consent()
            .rate_limiter(self.limiter.clone())
            .subject_policy(self.users.clone())
            .error_page(ProtocolErrors(self.site.clone()))
            .build()?;
        Ok((server, BearerCheck::new(self.site.issuer.as_str(), state)))
    }
}

/// The name and URL of the metadata, and of every endpoint that it advertises.
pub(crate) fn endpoints(server: &AuthorizationServer, site: &Site) -> Vec<(String, String)> {
    let metadata: Map<String, Value> = serde_json::from_slice(server.metadata()).unwrap_or_default();
    let endpoint = |(name, url): (&String, &Value)| {
        let name = name.strip_suffix("_endpoint")?;
        Some((name.replace('_', " "), url.as_str()?.to_owned()))
    };
    let own = ("metadata".to_owned(), site.metadata_url());
    std::iter::once(own).chain(metadata.iter().filter_map(endpoint)).collect()
}
