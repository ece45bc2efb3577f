//! The program itself: its command line, its signals, and what it lets out.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may panic")]

mod support;

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, StatusCode};
use support::{AUTHORIZE, Browser, CALLBACK, Page, cheap_hash};
use tokio::time::Instant;

/// A debug build takes its time over the built-in password.
const START_WITHIN: Duration = Duration::from_secs(60);
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// The program under test. It is killed when this is dropped.
struct Program {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Program {
    fn start(args: &[&str]) -> Self {
        Self::start_logging("info", args)
    }

    fn start_logging(filter: &str, args: &[&str]) -> Self {
        let test = std::env::current_exe().unwrap();
        let program = test.parent().unwrap().parent().unwrap().join("examples/server");
        let mut command = Command::new(&program);
        command.args(args).env("RUST_LOG", filter).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // `cargo test --test process` alone does not build it.
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let (stdout, stderr) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        Self { child, stdout, stderr }
    }

    /// Waits until the server runs; answers its issuer, its address and all that it printed.
    fn welcome(&mut self) -> (String, String, String) {
        let mut printed = String::new();
        while !printed.ends_with("Ctrl-C stops the server.\n") {
            match self.stdout.recv_timeout(START_WITHIN) {
                Ok(line) => printed += &line,
                Err(_) => panic!("{}", self.end(STOP_WITHIN).stderr),
            }
        }
        let first = printed.lines().next().unwrap().strip_suffix('.').unwrap();
        let (issuer, address) = first.split_once(" listens on ").unwrap();
        let issuer = issuer.strip_prefix("The authorization server ").unwrap();
        (issuer.to_owned(), address.to_owned(), printed)
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    fn end(&mut self, within: Duration) -> Ended {
        let deadline = Instant::now() + within;
        let (stdout, stderr) = (rest(&self.stdout, deadline), rest(&self.stderr, deadline));
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Ended { code: status.code(), stdout, stderr };
            }
            assert!(Instant::now() < deadline, "still running: {stderr}");
            thread::yield_now();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let _ = sender.send(String::from_utf8_lossy(&line).into_owned() + "\n");
        }
    });
    receiver
}

fn rest(lines: &Receiver<String>, deadline: Instant) -> String {
    let mut text = String::new();
    loop {
        match lines.recv_timeout(deadline - Instant::now()) {
            Ok(line) => text += &line,
            Err(RecvTimeoutError::Disconnected) => return text,
            Err(RecvTimeoutError::Timeout) => panic!("still running: {text}"),
        }
    }
}

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
    assert!(printed.contains(&format!(" {issuer}/token\n")), "{printed}");
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
    assert_refused(&["--listen", "127.0.0.1:0", "--issuer", "http://as.example"], "issuer");
}

#[test]
fn a_bad_flag_is_refused() {
    for args in [&["--nonsense"][..], &["--listen", "nowhere"], &["--store", "disk"], &["--config"]] {
        let Ended { code, stdout, stderr } = Program::start(args).end(START_WITHIN);
        assert_eq!((code, &*stdout), (Some(2), ""), "{args:?}");
        assert!(stderr.contains(args[0]), "{stderr}");
    }
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
