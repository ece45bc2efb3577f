//! A database that is away, or that does not answer: "not now" in bounded time, and then on without a restart.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may panic")]

mod support;

use std::net::SocketAddr;

use futures_util::future::join_all;
use grantwell_server::Store;
use grantwell_sqlx::sqlite_options;
use reqwest::StatusCode;
use sqlx::SqlitePool;
use support::{AUTHORIZE, Browser, Page, USER, config, start_on, store};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep, timeout};
use url::Url;

/// A store's limit of five seconds, and what the rest of a request may take on a busy machine.
const ANSWER_WITHIN: Duration = Duration::from_secs(9);
const RECOVER_WITHIN: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Open,
    /// Connections end at once.
    Cut,
    /// Connections stay, and nothing comes through.
    Frozen,
}

/// A way to a database that can be closed.
struct Proxy {
    address: SocketAddr,
    way: watch::Sender<Way>,
}

impl Proxy {
    async fn new(database: &Url) -> Self {
        let default = if database.scheme() == "redis" { 6379 } else { 5432 };
        let target = (database.host_str().unwrap().to_owned(), database.port().unwrap_or(default));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, way) = (listener.local_addr().unwrap(), watch::Sender::new(Way::Open));
        let ways = way.subscribe();
        tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let far = TcpStream::connect((target.0.as_str(), target.1)).await.unwrap();
                tokio::spawn(connection(near, far, ways.clone()));
            }
        });
        Self { address, way }
    }

    fn store(&self, mut database: Url) -> Store {
        database.set_host(Some("127.0.0.1")).unwrap();
        database.set_port(Some(self.address.port())).unwrap();
        database.as_str().parse().unwrap()
    }
}

async fn connection(near: TcpStream, far: TcpStream, mut way: watch::Receiver<Way>) {
    let (near, far) = (near.into_split(), far.into_split());
    tokio::select! {
        () = pump(near.0, far.1, way.clone()) => {}
        () = pump(far.0, near.1, way.clone()) => {}
        _ = way.wait_for(|way| *way == Way::Cut) => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut way: watch::Receiver<Way>) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if way.wait_for(|way| *way != Way::Frozen).await.is_err() || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

fn assert_unavailable(page: &Page) {
    assert_eq!((page.status, page.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"), "{}", page.text);
}

async fn outage(database: Url) {
    let proxy = Proxy::new(&database).await;
    let folder = tempfile::tempdir().unwrap();
    let mut config = config("", "");
    (config.store, config.keys) = (proxy.store(database), Some(folder.path().join("secret.keys")));
    let server = start_on(config).await;
    let browser = server.browser();
    let consent = browser.consent_page(AUTHORIZE).await.form().set("confirm", "yes");
    let code = browser.submit(&consent).await.answer("code").unwrap();
    let token = browser.redeem(&code).await.json();
    let (access_token, mut refresh_token) =
        (token["access_token"].as_str().unwrap(), token["refresh_token"].as_str().unwrap().to_owned());

    for way in [Way::Cut, Way::Frozen] {
        proxy.way.send(way).unwrap();
        timeout(ANSWER_WITHIN, is_unavailable(&browser, access_token, &refresh_token)).await.unwrap();
        proxy.way.send(Way::Open).unwrap();
        refresh_token = recovers(&browser, access_token, &refresh_token).await;
    }
    server.running.stop().await;
}

/// Whatever needs the database is "not now".
async fn is_unavailable(browser: &Browser, access_token: &str, refresh_token: &str) {
    let (home, authorize, me, refresh, style) = tokio::join!(
        browser.get("/"),
        browser.get(AUTHORIZE),
        browser.me(access_token),
        browser.refresh(refresh_token),
        browser.get("/style.css"),
    );
    for page in [home, authorize, me, refresh] {
        assert_unavailable(&page);
    }
    assert_eq!(style.status, StatusCode::OK);
}

/// All of it works again; answers the next refresh token.
async fn recovers(browser: &Browser, access_token: &str, refresh_token: &str) -> String {
    let deadline = Instant::now() + RECOVER_WITHIN;
    while browser.me(access_token).await.status != StatusCode::OK {
        assert!(Instant::now() < deadline, "it does not recover");
        sleep(Duration::from_millis(50)).await;
    }
    assert!(browser.get("/").await.text.contains("Signed in as"), "nobody was logged out");
    let refreshed = browser.refresh(refresh_token).await;
    assert_eq!(refreshed.status, StatusCode::OK, "{}", refreshed.text);
    refreshed.json()["refresh_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: GRANTWELL_POSTGRES=postgres://.."]
async fn postgres_goes_away_and_comes_back() {
    let schema = store::Schema::new().await;
    outage(schema.url()).await;
    schema.drop().await;
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn redis_goes_away_and_comes_back() {
    outage(store::redis_url()).await;
}

/// Another process may hold the lock. Whoever waits behind others waits no longer than they.
#[tokio::test]
async fn a_locked_sqlite_file_is_waited_for_in_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let mut config = config("", "");
    (config.store, config.keys) = (Store::Sqlite(path.clone()), Some(folder.path().join("secret.keys")));
    let server = start_on(config).await;
    let browser = server.browser();
    let consent = browser.consent_page(AUTHORIZE).await.form().set("confirm", "yes");
    let mut codes = vec![browser.submit(&consent).await.answer("code").unwrap()];
    for _ in 0..3 {
        codes.push(browser.get(AUTHORIZE).await.answer("code").unwrap());
    }

    let other = SqlitePool::connect_with(sqlite_options(&path)).await.unwrap();
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let login = browser.get("/login").await.form().set("user_id", USER.0).set("password", USER.1);
    let tokens = join_all(codes.iter().map(|code| browser.redeem(code)));
    let pages = timeout(ANSWER_WITHIN, async { tokio::join!(browser.submit(&login), tokens) }).await.unwrap();
    pages.1.iter().chain([&pages.0]).for_each(assert_unavailable);
    assert!(browser.get("/").await.text.contains("Signed in as"), "who only reads does not wait");

    lock.rollback().await.unwrap();
    assert_eq!(browser.submit(&login).await.location(), "/");
    for code in codes {
        assert_eq!(browser.redeem(&code).await.status, StatusCode::OK);
    }
}
