//! Servers that are started side by side on one store and one key file: they are one server.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may panic")]

mod support;

use futures_util::future::join_all;
use grantwell_server::{Config, Store};
use reqwest::{Method, StatusCode};
use support::{AUTHORIZE, Browser, CLIENT, Page, Server, USER, config, config_of, full, start_on, store};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// What replicas share.
struct Shared {
    folder: TempDir,
    store: Store,
}

impl Shared {
    fn new(store: impl FnOnce(&TempDir) -> Store) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { store: store(&folder), folder }
    }

    fn sqlite() -> Self {
        Self::new(|folder| Store::Sqlite(folder.path().join("state.db")))
    }

    fn config(&self) -> Config {
        self.by(config("", ""))
    }

    /// A replica with this configuration.
    fn by(&self, mut config: Config) -> Config {
        config.issuer = Some("http://localhost:9000".to_owned());
        config.store = self.store.clone();
        config.keys = Some(self.folder.path().join("secret.keys"));
        config
    }

    /// Starts them at the same moment, where nothing is yet.
    async fn start(&self, count: usize) -> Vec<Server> {
        join_all((0..count).map(|_| start_on(self.config()))).await
    }
}

async fn is_logged_in(browser: &Browser) -> bool {
    browser.get("/").await.text.contains("Signed in as")
}

async fn is_active(browser: &Browser, token: &str) -> bool {
    let request = browser.request(Method::POST, "/introspect").basic_auth(CLIENT.0, Some(CLIENT.1));
    Page::of(request.form(&[("token", token)])).await.json()["active"] == true
}

/// Each request goes to another replica than the one before.
async fn walk(shared: &Shared) {
    let replicas = shared.start(4).await;
    let a = replicas[0].browser();
    let b = a.goes_to(&replicas[1].url);

    let login = a.get(AUTHORIZE).await.location();
    let form = b.get(&login).await.form().set("user_id", USER.0).set("password", USER.1);
    let resumed = a.submit(&form).await.location();
    let consent = b.get(&resumed).await.form().set("confirm", "yes");
    let code = a.submit(&consent).await.answer("code").unwrap();
    let token = b.redeem(&code).await.json();
    let (access_token, refresh_token) = (token["access_token"].as_str(), token["refresh_token"].as_str());
    let (access_token, refresh_token) = (access_token.unwrap(), refresh_token.unwrap());
    assert_eq!(a.me(access_token).await.json()["user_id"], USER.0);
    assert!(is_active(&b, access_token).await);

    let (first, second) = tokio::join!(a.refresh(refresh_token), b.refresh(refresh_token));
    assert_eq!((first.status, second.status), (StatusCode::OK, StatusCode::OK), "{} {}", first.text, second.text);
    assert_eq!(first.json()["refresh_token"], second.json()["refresh_token"], "there is one successor");

    assert_eq!(a.redeem(&code).await.json()["error"], "invalid_grant");
    assert!(!is_active(&b, access_token).await, "the replay revoked it");
    for _ in 0..20 {
        let code = a.get(AUTHORIZE).await.answer("code").unwrap();
        let (first, second) = tokio::join!(a.redeem(&code), b.redeem(&code));
        let statuses = [first.status, second.status];
        assert!(statuses.contains(&StatusCode::OK) && statuses.contains(&StatusCode::BAD_REQUEST), "{statuses:?}");
    }

    assert!(is_logged_in(&b).await);
    a.submit(&b.get("/logout").await.form()).await;
    assert!(!is_logged_in(&b).await);
    for replica in replicas {
        replica.running.stop().await;
    }
}

#[tokio::test]
async fn a_walk_begun_at_one_replica_ends_at_another_on_sqlite() {
    walk(&Shared::sqlite()).await;
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: GRANTWELL_POSTGRES=postgres://.."]
async fn a_walk_begun_at_one_replica_ends_at_another_on_postgres() {
    let database = store::Schema::new().await;
    walk(&Shared::new(|_| database.store())).await;
    database.drop().await;
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn a_walk_begun_at_one_replica_ends_at_another_on_redis() {
    walk(&Shared::new(|_| store::redis())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replicas_start_at_the_same_moment_where_nothing_is_yet() {
    for _ in 0..20 {
        let shared = Shared::sqlite();
        let starts: JoinSet<_> = (0..8).map(|_| grantwell_server::start(shared.config())).collect();
        for outcome in starts.join_all().await {
            if let Err(error) = outcome {
                panic!("{error}");
            }
        }
    }
}

#[tokio::test]
async fn replicas_sign_by_the_same_keys() {
    let shared = Shared::sqlite();
    let replicas = join_all((0..4).map(|_| start_on(shared.by(config_of(&full()))))).await;
    let browsers: Vec<Browser> = replicas.iter().map(Server::browser).collect();
    let sets = join_all(browsers.iter().map(async |browser| browser.get("/jwks").await.json())).await;
    assert!(sets[0]["keys"].as_array().unwrap().len() >= 2, "{}", sets[0]);
    assert!(sets.iter().all(|set| *set == sets[0]), "{sets:?}");
    for (browser, next) in browsers.iter().zip(browsers.iter().cycle().skip(1)) {
        let token = browser.token(("machine", "machine-secret"), &[("grant_type", "client_credentials")]).await.json();
        let me = next.me(token["access_token"].as_str().unwrap()).await;
        assert_eq!(me.json()["client_id"], "machine");
    }
}

#[tokio::test]
async fn another_key_file_makes_another_server() {
    let shared = Shared::sqlite();
    let mut other = shared.config();
    other.keys = Some(shared.folder.path().join("other.keys"));
    let (ours, other) = (start_on(shared.config()).await, start_on(other).await);
    let browser = ours.browser();
    let consent = browser.consent_page(AUTHORIZE).await.form().set("confirm", "yes");
    assert_eq!(browser.goes_to(&other.url).submit(&consent).await.status, StatusCode::BAD_REQUEST);
}

/// Ports of one host share their cookies.
#[tokio::test]
async fn a_session_of_another_issuer_on_the_same_store_is_nobodys() {
    let shared = Shared::sqlite();
    let mut other = shared.config();
    other.issuer = Some("http://localhost:9001".to_owned());
    let (own, other) = (start_on(shared.config()).await, start_on(other).await);
    let browser = own.browser();
    browser.log_in("/", USER).await;
    assert!(browser.get("/").await.text.contains("Signed in as"));
    let page = browser.goes_to(&other.url).get("/").await;
    assert!(page.status == StatusCode::OK && !page.text.contains("Signed in as"), "{}", page.text);
}
