//! Keys that rotate under load, on two replicas, seen by an API that knows the server by its JWK Set alone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may panic")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Request;
use futures_util::future::join_all;
use grantwell::jose::Jws;
use grantwell::outbound::{RemoteKeys, ReqwestClient};
use grantwell::resource::{JwtTokens, Requirement, ResourceServer};
use grantwell_server::Store;
use support::{Browser, Server, config_of, full, start_on};

const ISSUER: &str = "http://localhost:9000";
/// Seconds: so short that a few rotations fit into a test.
const TIMES: [(&str, &str); 3] = [
    ("rotate_every = 7_776_000", "rotate_every = 20"),
    ("publish_ahead = 3_600", "publish_ahead = 20"),
    ("longest_token = 86_400", "longest_token = 240"),
];
const ENOUGH_KEYS: usize = 3;
const WITHIN: Duration = Duration::from_secs(120);

/// An API that fetches its keys from the replica at `url`.
fn api(url: &str) -> ResourceServer {
    let client = ReqwestClient::builder().allow_loopback().build().unwrap();
    let documents = Arc::new(RemoteKeys::documents(Arc::new(client)));
    let keys = Arc::new(RemoteKeys::new(format!("{url}/jwks").parse().unwrap(), documents));
    ResourceServer::new(format!("{ISSUER}/api").parse().unwrap(), JwtTokens::new(ISSUER, keys))
}

async fn token(browser: &Browser) -> String {
    let answer = browser.token(("machine", "machine-secret"), &[("grant_type", "client_credentials")]).await;
    answer.json()["access_token"].as_str().unwrap_or_else(|| panic!("{}", answer.text)).to_owned()
}

fn bearing(token: &str) -> Request<Bytes> {
    Request::builder().header("authorization", format!("Bearer {token}")).body(Bytes::new()).unwrap()
}

/// Takes tokens from one replica and shows them, fresh and old, to APIs that know either; the keys that were seen.
async fn load(browser: Browser, apis: Vec<ResourceServer>, is_over: Arc<AtomicBool>) -> BTreeSet<String> {
    let (mut kids, mut tokens) = (BTreeSet::new(), Vec::new());
    while !is_over.load(Ordering::Relaxed) {
        let fresh = token(&browser).await;
        kids.insert(Jws::parse(&fresh).unwrap().header().kid.clone().unwrap());
        tokens.push(fresh);
        for shown in [tokens.last(), tokens.first(), tokens.get(tokens.len() / 2)].into_iter().flatten() {
            for api in &apis {
                let access = api.check(&bearing(shown), &Requirement::all_of("profile")).await;
                assert!(access.is_ok(), "{:?}", access.err());
            }
        }
        if kids.len() >= ENOUGH_KEYS {
            is_over.store(true, Ordering::Relaxed);
        }
    }
    kids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_valid_token_is_refused_while_keys_rotate_on_two_replicas() {
    let folder = tempfile::tempdir().unwrap();
    let replicas: Vec<Server> = join_all([(); 2].map(async |()| {
        let text = TIMES.iter().fold(full(), |text, (usual, short)| text.replace(usual, short));
        let mut config = config_of(&text);
        config.issuer = Some(ISSUER.to_owned());
        config.store = Store::Sqlite(folder.path().join("state.db"));
        config.keys = Some(folder.path().join("secret.keys"));
        start_on(config).await
    }))
    .await;
    let is_over = Arc::new(AtomicBool::new(false));
    let apis: Vec<ResourceServer> = replicas.iter().map(|replica| api(&replica.url)).collect();
    let loads = replicas.iter().map(|replica| tokio::spawn(load(replica.browser(), apis.clone(), is_over.clone())));
    let seen =
        tokio::time::timeout(WITHIN, join_all(loads)).await.unwrap_or_else(|_| panic!("no rotation within {WITHIN:?}"));
    for kids in seen {
        assert!(kids.unwrap().len() >= ENOUGH_KEYS - 1);
    }
}
