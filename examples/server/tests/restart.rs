//! What a server that is started again still knows, over the store and the key file it had.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may panic")]

mod support;

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantwell_server::{Config, Store};
use grantwell_sqlx::sqlite_options;
use reqwest::StatusCode;
use sqlx::SqlitePool;
use support::{AUTHORIZE, Browser, Page, Server, USER, built_in, config, config_of, full, start_on};
use tempfile::TempDir;
use tokio::time::{Duration, Instant, sleep};

/// Where a server keeps everything.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn keys(&self) -> PathBuf {
        self.0.path().join("secret.keys")
    }

    /// Has a server of this configuration keep everything here.
    fn holds(&self, mut config: Config) -> Config {
        config.issuer = Some("http://localhost:9000".to_owned());
        config.store = Store::Sqlite(self.0.path().join("state.db"));
        config.keys = Some(self.keys());
        config
    }

    async fn start(&self) -> Server {
        start_on(self.holds(config("", ""))).await
    }

    async fn restart(&self, server: Server) -> Server {
        server.running.stop().await;
        self.start().await
    }

    async fn database(&self) -> SqlitePool {
        SqlitePool::connect_with(sqlite_options(self.0.path().join("state.db"))).await.unwrap()
    }

    async fn execute(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&self.database().await).await.unwrap();
    }
}

async fn is_logged_in(browser: &Browser) -> bool {
    let page = browser.get("/").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    page.text.contains("Signed in as")
}

/// The access token and the refresh token.
fn tokens(page: &Page) -> (String, String) {
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let token = |name| page.json()[name].as_str().unwrap().to_owned();
    (token("access_token"), token("refresh_token"))
}

#[tokio::test]
async fn a_restart_loses_nothing() {
    let place = Place::new();
    let server = place.start().await;
    let browser = server.browser();
    let consent = browser.consent_page(AUTHORIZE).await.form();

    let server = place.restart(server).await;
    let browser = browser.goes_to(&server.url);
    let answer = browser.submit(&consent.set("confirm", "yes")).await;
    let code = answer.answer("code").unwrap();

    let server = place.restart(server).await;
    let browser = browser.goes_to(&server.url);
    assert!(is_logged_in(&browser).await);
    assert!(browser.get(AUTHORIZE).await.answer("code").is_some(), "consent is remembered");
    let (access_token, refresh_token) = tokens(&browser.redeem(&code).await);

    let server = place.restart(server).await;
    let browser = browser.goes_to(&server.url);
    assert_eq!(browser.me(&access_token).await.json()["user_id"], USER.0);
    let (newer, _) = tokens(&browser.refresh(&refresh_token).await);
    assert_eq!(browser.redeem(&code).await.json()["error"], "invalid_grant");
    for token in [access_token, newer] {
        assert_eq!(browser.me(&token).await.status, StatusCode::UNAUTHORIZED, "the replay revoked it");
    }
}

#[tokio::test]
async fn the_signing_keys_last() {
    let place = Place::new();
    let server = start_on(place.holds(config_of(&full()))).await;
    let keys = server.browser().get("/jwks").await.json();
    assert!(keys["keys"].as_array().unwrap().len() >= 2, "{keys}");
    server.running.stop().await;
    let server = start_on(place.holds(config_of(&full()))).await;
    assert_eq!(server.browser().get("/jwks").await.json(), keys);
}

#[tokio::test]
async fn a_logout_lasts() {
    let place = Place::new();
    let server = place.start().await;
    let browser = server.browser();
    let cookie = browser.log_in("/", USER).await.header("set-cookie").split(';').next().unwrap().to_owned();
    browser.submit(&browser.get("/logout").await.form()).await;

    let server = place.restart(server).await;
    let request = Browser::at(&server.url).request(reqwest::Method::GET, "/").header("cookie", cookie);
    assert!(!Page::of(request).await.text.contains("Signed in as"));
}

#[tokio::test]
async fn a_walk_goes_on_under_a_new_key_until_the_old_one_is_dropped() {
    let place = Place::new();
    let server = place.start().await;
    let browser = server.browser();
    let consent = browser.consent_page(AUTHORIZE).await.form().set("confirm", "yes");
    let code = browser.submit(&consent).await.answer("code").unwrap();
    let (_, used) = tokens(&browser.redeem(&code).await);
    let code = browser.get(AUTHORIZE).await.answer("code").unwrap();
    let (_, unused) = tokens(&browser.redeem(&code).await);
    let consent = browser.get(&format!("{AUTHORIZE}&prompt=consent")).await.form().set("confirm", "yes");

    let new = URL_SAFE_NO_PAD.encode([7; 32]);
    let old = std::fs::read_to_string(place.keys()).unwrap();
    std::fs::write(place.keys(), format!("{new}\n{old}")).unwrap();
    let server = place.restart(server).await;
    let browser = browser.goes_to(&server.url);
    assert!(browser.submit(&consent).await.answer("code").is_some());
    let (_, newer) = tokens(&browser.refresh(&used).await);

    std::fs::write(place.keys(), new).unwrap();
    let server = place.restart(server).await;
    let browser = browser.goes_to(&server.url);
    assert!(is_logged_in(&browser).await);
    assert_eq!(browser.submit(&consent).await.status, StatusCode::BAD_REQUEST, "the page is out of date");
    tokens(&browser.refresh(&newer).await);
    assert_eq!(browser.refresh(&unused).await.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn a_user_who_is_no_longer_configured_is_out() {
    let place = Place::new();
    let server = place.start().await;
    let browser = server.browser();
    let consent = browser.consent_page(AUTHORIZE).await.form().set("confirm", "yes");
    let code = browser.submit(&consent).await.answer("code").unwrap();
    let (_, refresh_token) = tokens(&browser.redeem(&code).await);
    server.running.stop().await;

    let server = start_on(place.holds(config_of(&built_in().replace(USER.0, "id002")))).await;
    let browser = browser.goes_to(&server.url);
    assert!(!is_logged_in(&browser).await);
    assert_eq!(browser.refresh(&refresh_token).await.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn a_session_ends_in_time_and_is_purged_later() {
    let place = Place::new();
    let server = place.start().await;
    let browser = server.browser();
    browser.log_in("/", USER).await;
    assert!(is_logged_in(&browser).await);
    place.execute("UPDATE server_sessions SET expires_at = unixepoch()").await;
    assert!(!is_logged_in(&browser).await);
    place.execute("INSERT INTO server_sessions VALUES (x'00', 'id001', 0, unixepoch() - 3600)").await;

    // Another replica's clock may be slow: what expired just now is kept a while.
    let _server = place.restart(server).await;
    let database = place.database().await;
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let left: Vec<(i64,)> =
            sqlx::query_as("SELECT auth_time FROM server_sessions").fetch_all(&database).await.unwrap();
        match left[..] {
            [(auth_time,)] => break assert_ne!(auth_time, 0),
            _ => assert!(left.len() == 2 && Instant::now() < deadline, "{left:?}"),
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// A thief of the files has no cookie and no token.
#[tokio::test]
async fn the_database_holds_digests_only() {
    let place = Place::new();
    let server = place.start().await;
    let browser = server.browser();
    let login = browser.log_in(AUTHORIZE, USER).await;
    let cookie = login.header("set-cookie").split([';', '=']).nth(1).unwrap();
    let consent = browser.get(AUTHORIZE).await.form().set("confirm", "yes");
    let code = browser.submit(&consent).await.answer("code").unwrap();
    let (access_token, refresh_token) = tokens(&browser.redeem(&code).await);
    let key = std::fs::read_to_string(place.keys()).unwrap().lines().last().unwrap().to_owned();

    let files = std::fs::read_dir(place.0.path()).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> = files.filter(|path| *path != place.keys()).collect();
    let all: Vec<u8> = files.iter().flat_map(|path| std::fs::read(path).unwrap()).collect();
    let holds = |text: &str| all.windows(text.len()).any(|own| own == text.as_bytes());
    assert!(holds(USER.0), "what is there is found");
    for secret in [cookie, &code, &access_token, &refresh_token, &key, support::CLIENT.1] {
        assert!(secret.len() > 14 && !holds(secret), "{secret}");
    }
}

#[tokio::test]
async fn a_fault_of_the_store_is_not_now_and_never_no() {
    let place = Place::new();
    let server = place.start().await;
    let browser = server.browser();
    let consent = browser.consent_page(AUTHORIZE).await.form().set("confirm", "yes");
    let code = browser.submit(&consent).await.answer("code").unwrap();
    let (access_token, refresh_token) = tokens(&browser.redeem(&code).await);
    let login = browser.get("/login").await.form().set("user_id", USER.0).set("password", USER.1);
    let logout = browser.get("/logout").await.form();

    place.execute("ALTER TABLE server_sessions RENAME TO away").await;
    for page in [
        browser.get("/").await,
        browser.get(AUTHORIZE).await,
        browser.submit(&consent).await,
        browser.submit(&login).await,
        browser.submit(&logout).await,
    ] {
        assert_eq!((page.status, page.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"), "{}", page.text);
        assert!(page.text.contains("The server cannot reach its data"), "{}", page.text);
        assert_eq!(page.headers.get("set-cookie"), None);
    }
    assert_eq!(browser.me(&access_token).await.status, StatusCode::OK);
    place.execute("ALTER TABLE away RENAME TO server_sessions").await;
    assert!(is_logged_in(&browser).await);

    place.execute("ALTER TABLE grantwell_access_tokens RENAME TO away").await;
    for page in [browser.me(&access_token).await, browser.refresh(&refresh_token).await] {
        assert_eq!((page.status, page.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"), "{}", page.text);
    }
    place.execute("ALTER TABLE away RENAME TO grantwell_access_tokens").await;
    tokens(&browser.refresh(&refresh_token).await);
    assert_eq!(browser.me(&access_token).await.status, StatusCode::OK);
}
