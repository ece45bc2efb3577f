//! What a server does about signing keys when it starts: it can sign, or it says why not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may panic")]

mod support;

use std::path::PathBuf;
use std::time::Duration;

use grantwell::jose::Jws;
use grantwell_server::{Config, Running, StartError, Store};
use grantwell_sqlx::sqlite_options;
use serde_json::Value;
use sqlx::SqlitePool;
use support::{Browser, Server, config_of, start_on};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

const CONFIG: &str = "
issuer = 'http://localhost:9000'
[signing]
algorithms = ['ES256']
publish_ahead = 4

[[resources]]
resource = '{issuer}/api'

[[clients]]
client_id = 'machine'
client_secret = 'secret'
grant_types = ['client_credentials']
policy = { access_token_format = 'jwt' }
";

/// A store and a key file.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn key_file(&self) -> PathBuf {
        self.0.path().join("secret.keys")
    }

    fn config(&self) -> Config {
        let mut config = config_of(CONFIG);
        config.store = Store::Sqlite(self.0.path().join("state.db"));
        config.keys = Some(self.key_file());
        config
    }

    fn replacing(&self) -> Config {
        let mut config = self.config();
        config.replace_signing_keys = true;
        config
    }

    async fn start(&self) -> Server {
        start_on(self.config()).await
    }

    async fn refusal(&self, config: Config) -> StartError {
        grantwell_server::start(config).await.map(Running::stop).err().unwrap()
    }
}

async fn kids(browser: &Browser) -> Vec<Value> {
    let keys = browser.get("/jwks").await.json()["keys"].clone();
    keys.as_array().unwrap().iter().map(|key| key["kid"].clone()).collect()
}

/// The `kid` of a new token.
async fn signs_with(browser: &Browser) -> Value {
    let answer = browser.token(("machine", "secret"), &[("grant_type", "client_credentials")]).await;
    let token = answer.json()["access_token"].as_str().unwrap_or_else(|| panic!("{}", answer.text)).to_owned();
    Jws::parse(&token).unwrap().header().kid.clone().unwrap().into()
}

#[tokio::test]
async fn without_the_right_key_file_it_does_not_start() {
    let place = Place::new();
    place.start().await.running.stop().await;
    let right = std::fs::read(place.key_file()).unwrap();
    for what in ["lost", "another one"] {
        if what == "lost" {
            std::fs::remove_file(place.key_file()).unwrap();
        }
        let error = place.refusal(place.config()).await;
        assert!(matches!(&error, StartError::SigningKeys(path) if *path == place.key_file()), "{what}: {error}");
        assert!(error.to_string().contains("--replace-signing-keys") && !error.to_string().contains('\n'), "{error}");
    }
    std::fs::write(place.key_file(), right).unwrap();
    signs_with(&place.start().await.browser()).await;
}

#[tokio::test]
async fn a_lost_key_file_is_got_over_by_new_signing_keys() {
    let place = Place::new();
    let server = place.start().await;
    let before = kids(&server.browser()).await;
    server.running.stop().await;
    std::fs::remove_file(place.key_file()).unwrap();

    let server = start_on(place.replacing()).await;
    let after = kids(&server.browser()).await;
    assert!(after.iter().all(|kid| !before.contains(kid)), "{before:?} {after:?}");
    assert!(after.contains(&signs_with(&server.browser()).await));
    server.running.stop().await;
    assert_eq!(kids(&place.start().await.browser()).await, after, "once is enough");
}

#[tokio::test]
async fn running_replicas_follow() {
    let place = Place::new();
    let server = place.start().await;
    let running = server.browser();
    let before = kids(&running).await;
    let replacing = start_on(place.replacing()).await;
    let after = kids(&replacing.browser()).await;
    assert!(after.iter().all(|kid| !before.contains(kid)), "{before:?} {after:?}");

    let deadline = Instant::now() + Duration::from_secs(10);
    while kids(&running).await != after {
        assert!(Instant::now() < deadline, "it keeps the old keys");
        sleep(Duration::from_millis(50)).await;
    }
    assert!(after.contains(&signs_with(&running).await));
}

#[tokio::test]
async fn what_the_store_is_to_blame_for_is_told_so() {
    let place = Place::new();
    place.start().await.running.stop().await;
    let database = SqlitePool::connect_with(sqlite_options(place.0.path().join("state.db"))).await.unwrap();
    sqlx::raw_sql("DROP TABLE grantwell_signing_keys").execute(&database).await.unwrap();
    for config in [place.config(), place.replacing()] {
        let error = place.refusal(config).await;
        assert!(matches!(error, StartError::Store { .. }), "{error}");
    }
}

#[tokio::test]
async fn where_nothing_is_signed_there_is_nothing_to_replace() {
    let mut config = support::config("", "");
    config.replace_signing_keys = true;
    let error = grantwell_server::start(config).await.map(Running::stop).err().unwrap();
    assert!(error.to_string().starts_with("--replace-signing-keys: there is no [signing]"), "{error}");
}
