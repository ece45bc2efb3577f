//! The library's parts, put together.

use std::sync::Arc;
use std::time::Duration;

use grantwell::grants::{AuthorizationCode, ClientCredentials, RefreshToken};
use grantwell::model::{Client, ClientId};
use grantwell::storage::PurgeStore as _;
use grantwell::stores::MemoryStore;
use grantwell::{
    AuthorizationServer, BuildError, Clock as _, Introspection, Revocation, SecretKey, SystemClock, SystemRandomness,
};
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::limiter::Limiter;
use crate::pages::ProtocolErrors;
use crate::site::Site;

const PURGE_EVERY: Duration = Duration::from_secs(60);
/// The store answers nobody while it purges, so it gets its work in small portions.
const PURGE_BATCH: usize = 1_000;

/// A store that knows `clients` and nothing else.
pub(crate) fn store(clients: Vec<Client>) -> Arc<MemoryStore> {
    let store = MemoryStore::new();
    clients.into_iter().for_each(|client| store.insert_client(client));
    Arc::new(store)
}

/// The authorization server over `store`.
pub(crate) fn server(
    site: &Arc<Site>,
    store: &Arc<MemoryStore>,
    resource_servers: Vec<ClientId>,
    limiter: Limiter,
) -> Result<AuthorizationServer, BuildError> {
    let introspection = resource_servers.into_iter().fold(Introspection::new(), Introspection::resource_server);
    AuthorizationServer::builder(&site.issuer, store.clone(), store.clone())
        // The store does not outlive the process, so neither need the key.
        .secret_keys(SecretKey::generate(&SystemRandomness), [])
        .grant(AuthorizationCode::new())
        .grant(RefreshToken::rotating())
        .grant(ClientCredentials::new())
        .endpoint(introspection)
        .endpoint(Revocation::new())
        .remember_consent()
        .rate_limiter(limiter)
        .error_page(ProtocolErrors(site.clone()))
        .build()
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

/// Has the store forget what has expired, until `stop` is dropped.
pub(crate) async fn purge(store: Arc<MemoryStore>, mut stop: watch::Receiver<()>) {
    let mut timer = interval(PURGE_EVERY);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = timer.tick() => {}
            _ = stop.changed() => return,
        }
        loop {
            match store.purge(SystemClock.now(), PURGE_BATCH).await {
                Ok(PURGE_BATCH) => tokio::task::yield_now().await,
                Ok(_) => break,
                Err(error) => {
                    tracing::error!(%error, "the store cannot be purged");
                    break;
                }
            }
        }
    }
}
