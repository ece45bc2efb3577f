//! The program itself: its command line, its signals, and what it lets out.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may panic")]

mod support;

use std::fs::Permissions;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use grantwell_sqlx::sqlite_options;
use reqwest::{Method, StatusCode};
use sqlx::SqlitePool;
use support::program::{Ended, Program, START_WITHIN, STOP_WITHIN};
use support::{AUTHORIZE, Browser, CALLBACK, Page, cheap_hash};

fn assert_refused(args: &[&str], why: &str) {
    let Ended { code, stdout, stderr } = Program::start(args).end(START_WITHIN);
    assert_eq!((code, &*stdout), (Some(1), ""), "{stderr}");
    assert!(stderr.starts_with("error: ") && stderr.contains(why), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

/// The path of a configuration file with this text.
fn file(name: &str, text: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path.into_os_string().into_string().unwrap()
}

async fn issuer_at(address: &str) -> serde_json::Value {
    let page = Browser::at(&format!("http://{address}")).get("/.well-known/oauth-authorization-server").await;
    page.json()["issuer"].clone()
}

#[tokio::test]
async fn port_0_is_a_free_port_and_the_real_one_is_printed() {
    let mut program = Program::start(&["--listen", "127.0.0.1:0"]);
    let (issuer, address, printed) = program.welcome();
    let port = address.strip_prefix("127.0.0.1:").unwrap();
    assert_ne!(port, "0");
    assert_eq!(issuer, format!("http://localhost:{port}"));
    let api_metadata = format!(" {issuer}/.well-known/oauth-protected-resource/api\n");
    for line in [format!(" {issuer}/token\n"), format!(" {issuer}/api/me\n"), api_metadata] {
        assert!(printed.contains(&line), "{printed}");
    }
    assert!(printed.contains(&format!("--example client -- --issuer {issuer}\n")), "{printed}");
    assert_eq!(issuer_at(&address).await, issuer);
}

#[tokio::test]
async fn it_listens_on_ipv6_alone() {
    if let Err(error) = TcpListener::bind("[::1]:0") {
        eprintln!("skipped, no IPv6 here: {error}");
        return;
    }
    let mut program = Program::start(&["--listen", "[::1]:0"]);
    let (issuer, address, _) = program.welcome();
    assert!(address.starts_with("[::1]:") && !address.ends_with(":0"), "{address}");
    assert_eq!(issuer_at(&address).await, issuer);
}

#[tokio::test]
async fn a_flag_overrides_the_file() {
    let file = file("overridden.toml", "issuer = 'https://file.example'\nlisten = '127.0.0.1:0'");
    let mut from_file = Program::start(&["--config", &file]);
    let (issuer, address, printed) = from_file.welcome();
    assert_eq!((&*issuer, issuer_at(&address).await), ("https://file.example", issuer.as_str().into()));
    assert!(!printed.contains("password"), "the built-in user is not there: {printed}");

    let mut from_flag = Program::start(&["--config", &file, "--issuer", "https://flag.example"]);
    let (issuer, address, _) = from_flag.welcome();
    assert_eq!((&*issuer, issuer_at(&address).await), ("https://flag.example", issuer.as_str().into()));
}

#[test]
fn a_broken_file_is_told_in_one_line() {
    let broken = file("broken.toml", "\n[[clients]\nclient_id = 'c'");
    assert_refused(&["--config", &broken], &format!("{broken}: line 2: "));
    let missing = format!("{broken}.missing");
    assert_refused(&["--config", &missing], &missing);
}

#[test]
fn a_taken_port_is_told_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert_refused(&["--listen", &address], &format!("cannot listen on {address}: "));
}

#[test]
fn a_bad_issuer_is_told_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["--listen", "127.0.0.1:0", "--issuer", "http://as.example"];
    let Ended { code, stderr, .. } = Program::start_in(folder.path(), &args).end(START_WITHIN);
    assert_eq!((code, stderr.lines().count()), (Some(1), 1), "{stderr}");
    assert!(stderr.starts_with("error: ") && stderr.contains("issuer"), "{stderr}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn a_bad_flag_is_refused() {
    for args in [&["--nonsense"][..], &["--listen", "nowhere"], &["--config"], &["--tls-key", "key.pem"]] {
        let Ended { code, stdout, stderr } = Program::start(args).end(START_WITHIN);
        assert_eq!((code, &*stdout), (Some(2), ""), "{args:?}");
        assert!(stderr.contains(args[0]), "{stderr}");
    }
}

#[test]
fn a_bad_store_is_refused_without_a_word_of_its_password() {
    for store in ["disk", "mysql://u:wrong0store0password@h/d", "postgres://u:wrong0store0/password@h/d"] {
        let Ended { code, stdout, stderr } = Program::start(&["--store", store]).end(START_WITHIN);
        assert_eq!((code, &*stdout), (Some(2), ""), "{store}");
        assert!(stderr.starts_with("error: --store: ") && !stderr.contains("wrong0"), "{stderr}");
    }
}

#[test]
fn an_unreachable_store_is_told_in_one_line() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (store, shown, advice) in [
        ("sqlite:missing/a.db".to_owned(), "missing/a.db".to_owned(), "; can this file be made"),
        (format!("postgres://u:right0store0password@{free}/d"), format!("postgres://{free}/d"), "; does it run"),
        (format!("redis://u:right0store0password@{free}/3"), format!("redis://{free}/3"), "; does it run"),
    ] {
        let mut program = Program::start(&["--listen", "127.0.0.1:0", "--store", &store]);
        let Ended { code, stdout, stderr } = program.end(START_WITHIN);
        assert_eq!((code, &*stdout), (Some(1), ""), "{stderr}");
        // On a first start the log begins with the new key file.
        let error = stderr.lines().last().unwrap();
        assert!(error.starts_with(&format!("error: the store {shown} cannot be used: ")), "{stderr}");
        assert!(error.contains(advice) && !stderr.contains("right0"), "{stderr}");
    }
}

#[tokio::test]
async fn tables_of_a_later_version_are_told_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["--listen", "127.0.0.1:0"];
    Program::start_in(folder.path(), &args).welcome();
    let pool = SqlitePool::connect_with(sqlite_options(folder.path().join("grantwell.db"))).await.unwrap();
    sqlx::query("UPDATE grantwell_schema SET version = 99").execute(&pool).await.unwrap();

    let Ended { code, stdout, stderr } = Program::start_in(folder.path(), &args).end(START_WITHIN);
    assert_eq!((code, &*stdout), (Some(1), ""), "{stderr}");
    let expected = "error: the store grantwell.db cannot be used: the tables are of schema version 99 and this program";
    assert!(stderr.starts_with(expected) && stderr.contains(": run the version"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn state_and_keys_are_kept_in_files_that_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (_, _, printed) = Program::start_in(folder.path(), &["--listen", "127.0.0.1:0"]).welcome();
    let kept = "State is kept in grantwell.db, secret keys in grantwell.keys.\n";
    assert!(printed.contains(kept), "{printed}");
    let keys = folder.path().join("grantwell.keys");
    assert_eq!(keys.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(folder.path().join("grantwell.db").exists());

    let args = ["--listen", "127.0.0.1:0", "--store", "sqlite:other.db", "--keys", "other.keys"];
    let (_, _, printed) = Program::start_in(folder.path(), &args).welcome();
    assert!(printed.contains("State is kept in other.db, secret keys in other.keys.\n"), "{printed}");
    assert!(folder.path().join("other.db").exists() && folder.path().join("other.keys").exists());
}

#[test]
fn the_memory_store_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["--listen", "127.0.0.1:0", "--store", "memory"];
    let (_, _, printed) = Program::start_in(folder.path(), &args).welcome();
    assert!(printed.contains("State and secret keys are kept in memory: they end with the server.\n"), "{printed}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_bad_key_file_is_told_in_one_line() {
    let keys = file("bad.keys", "# ours\nwrong0secret0key");
    let args = ["--listen", "127.0.0.1:0", "--store", "memory", "--keys", &keys];
    for (mode, why) in [(0o644, "chmod 600"), (0o600, "line 2: this is not 32 bytes as base64url")] {
        std::fs::set_permissions(&keys, Permissions::from_mode(mode)).unwrap();
        assert_refused(&args, why);
    }
}

#[test]
fn a_lost_key_file_is_told_in_one_line_and_got_over_by_a_flag() {
    let folder = tempfile::tempdir().unwrap();
    let file = file("signing.toml", "listen = '127.0.0.1:0'\n[signing]\nalgorithms = ['ES256']");
    let args = ["--config", &*file, "--issuer", "http://localhost:9000"];
    Program::start_in(folder.path(), &args).welcome();
    std::fs::remove_file(folder.path().join("grantwell.keys")).unwrap();

    let Ended { code, stdout, stderr } = Program::start_in(folder.path(), &args).end(START_WITHIN);
    assert_eq!((code, &*stdout), (Some(1), ""), "{stderr}");
    let error = stderr.lines().last().unwrap();
    assert!(error.starts_with("error: the key file grantwell.keys does not open the keys"), "{stderr}");
    assert!(error.contains("--keys") && error.contains("--replace-signing-keys"), "{stderr}");

    Program::start_in(folder.path(), &[&args[..], &["--replace-signing-keys"]].concat()).welcome();
    Program::start_in(folder.path(), &args).welcome();
}

/// The store is what must withstand this; here are the server's own parts.
#[tokio::test]
async fn a_session_outlives_a_killed_server() {
    let folder = tempfile::tempdir().unwrap();
    let user = format!("[[users]]\nuser_id = '{USER_ID}'\npassword_hash = '{}'", cheap_hash(PASSWORD));
    let file = file("killed.toml", &format!("listen = '127.0.0.1:0'\n{CLIENT}{user}"));
    let args = ["--config", &file, "--issuer", "http://localhost:9000"];
    let mut before = Program::start_in(folder.path(), &args);
    let browser = Browser::at(&format!("http://{}", before.welcome().1));
    browser.log_in("/", (USER_ID, PASSWORD)).await;
    before.signal("-KILL");
    before.end(STOP_WITHIN);

    let mut after = Program::start_in(folder.path(), &args);
    let browser = browser.goes_to(&format!("http://{}", after.welcome().1));
    assert!(browser.get("/").await.text.contains(&format!("Signed in as <strong><bdi>{USER_ID}")));
}

#[test]
fn a_signal_stops_it() {
    for signal in ["-INT", "-TERM"] {
        let mut program = Program::start(&["--listen", "127.0.0.1:0"]);
        program.welcome();
        program.signal(signal);
        let ended = program.end(STOP_WITHIN);
        assert_eq!(ended.code, Some(0), "{signal}: {}", ended.stderr);
    }
}

#[test]
fn open_connections_do_not_keep_it_running() {
    let mut program = Program::start(&["--listen", "127.0.0.1:0"]);
    let (_, address, _) = program.welcome();
    let mut alive = TcpStream::connect(&address).unwrap();
    alive.set_read_timeout(Some(STOP_WITHIN)).unwrap();
    alive.write_all(b"GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let mut status = [0; 12];
    alive.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 404");
    let _silent = TcpStream::connect(&address).unwrap();

    program.signal("-INT");
    let ended = program.end(STOP_WITHIN);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

const USER_ID: &str = "grace";
const PASSWORD: &str = "right0password0typed";
const CLIENT_SECRET: &str = "right0client0secret";
const WRONG: &str = "wrong0client0secret";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

const CLIENT: &str = "
[[clients]]
client_id = 'client_1'
client_secret = 'right0client0secret'
redirect_uris = ['http://localhost:8000/callback']
grant_types = ['authorization_code', 'refresh_token']
scope = 'profile'
";

/// What must stay out of the log, by name.
#[derive(Default)]
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    fn add(&mut self, name: &'static str, value: &str) -> String {
        assert!(value.len() >= 16, "{name} is too short to be told from other text: {value:?}");
        self.0.push((name, value.to_owned()));
        value.to_owned()
    }

    fn add_cookie(&mut self, page: &Page) {
        let cookie = page.header("set-cookie").split(';').next().unwrap();
        self.add("session cookie", cookie.split_once('=').unwrap().1);
    }

    fn add_tokens(&mut self, page: &Page) -> (String, String) {
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        let token = page.json();
        let access_token = self.add("access token", token["access_token"].as_str().unwrap());
        (access_token, self.add("refresh token", token["refresh_token"].as_str().unwrap()))
    }
}

async fn post(browser: &Browser, path: &str, token: &str) -> Page {
    let request = browser.request(Method::POST, path).basic_auth("client_1", Some(CLIENT_SECRET));
    Page::of(request.form(&[("token", token)])).await
}

/// Logs in after a failure, and logs in again because the client demands it; answers the code.
async fn authorize(browser: &Browser, secrets: &mut Secrets) -> String {
    let request = format!("{AUTHORIZE}&code_challenge={CHALLENGE}&code_challenge_method=S256");
    let login = browser.get(&browser.get(&request).await.location()).await;
    secrets.add_cookie(&login);
    secrets.add("csrf of the login page", login.form().get("csrf"));
    let wrong = secrets.add("wrong password", "wrong0password0typed");
    let misplaced = secrets.add("password typed as the user id", "password0in0wrong0field");
    for (user_id, password) in [(USER_ID, &*wrong), (&misplaced, PASSWORD)] {
        let refused = browser.submit(&login.form().set("user_id", user_id).set("password", password)).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    }
    let credentials = login.form().set("user_id", USER_ID).set("password", PASSWORD);
    secrets.add_cookie(&browser.submit(&credentials).await);

    let login = browser.get(&browser.get(&format!("{request}&prompt=login")).await.location()).await.form();
    let ticket = login.get("next").split_once("login_ticket=").unwrap().1;
    secrets.add("login_ticket", ticket.split('&').next().unwrap());
    let resumed = browser.submit(&login.set("user_id", USER_ID).set("password", PASSWORD)).await;
    secrets.add_cookie(&resumed);

    let consent = browser.get(&resumed.location()).await.form();
    secrets.add("csrf of the consent page", consent.get("csrf"));
    secrets.add("consent ticket", consent.get("ticket"));
    secrets.add("code", &browser.submit(&consent.set("confirm", "yes")).await.answer("code").unwrap())
}

/// Spends the code, and everything that comes of it more than once.
async fn use_up(browser: &Browser, code: &str, secrets: &mut Secrets) {
    let redeem =
        [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
    assert_eq!(browser.token(("client_1", WRONG), &redeem).await.status, StatusCode::UNAUTHORIZED);
    let client = ("client_1", CLIENT_SECRET);
    let (_, refresh_token) = secrets.add_tokens(&browser.token(client, &redeem).await);

    let refresh = [("grant_type", "refresh_token"), ("refresh_token", &*refresh_token)];
    let (access_token, newer) = secrets.add_tokens(&browser.token(client, &refresh).await);
    assert_eq!(post(browser, "/introspect", &access_token).await.json()["active"], true);
    let me = Page::of(browser.request(Method::GET, "/api/me").bearer_auth(&access_token)).await;
    assert_eq!(me.json()["user_id"], USER_ID);
    browser.get(&format!("/api/me?access_token={access_token}")).await;

    assert_eq!(post(browser, "/revoke", &newer).await.status, StatusCode::OK);
    assert_eq!(browser.token(client, &refresh).await.json()["error"], "invalid_grant");
    assert_eq!(browser.token(client, &redeem).await.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn no_secret_is_logged() {
    let mut secrets = Secrets::default();
    let hash = secrets.add("password hash", &cheap_hash(PASSWORD).to_string());
    secrets.add("password", PASSWORD);
    secrets.add("client secret", CLIENT_SECRET);
    secrets.add("wrong client secret", WRONG);
    secrets.add("code verifier", VERIFIER);
    for secret in [CLIENT_SECRET, WRONG] {
        secrets.add("basic credentials", &STANDARD.encode(format!("client_1:{secret}")));
    }
    let user = format!("[[users]]\nuser_id = '{USER_ID}'\npassword_hash = '{hash}'");
    let file = file("secrets.toml", &format!("{CLIENT}{user}"));
    let mut program = Program::start_logging("trace", &["--config", &file, "--listen", "127.0.0.1:0"]);
    let (issuer, _, printed) = program.welcome();

    let browser = Browser::at(&issuer);
    let code = authorize(&browser, &mut secrets).await;
    use_up(&browser, &code, &mut secrets).await;
    program.signal("-INT");
    let Ended { stdout, stderr, .. } = program.end(STOP_WITHIN);

    for expected in ["login refused", "logged in", "/consent", "invalid_client", "invalid_grant", "/api/me"] {
        assert!(stderr.contains(expected), "the walk is not in the log: {expected}: {stderr}");
    }
    for (name, value) in &secrets.0 {
        for text in [&printed, &stdout, &stderr] {
            let line = text.lines().find(|line| line.contains(value));
            assert_eq!(line, None, "{name}");
        }
    }
}
