//! A login, as the authorization server and the browser see it: over real connections, with the program itself.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may panic")]

use std::env::consts::EXE_SUFFIX;
use std::net::TcpListener as Probe;
use std::process::Stdio;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::{get, post};
use reqwest::header::{LOCATION, SET_COOKIE};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::timeout;

const WITHIN: Duration = Duration::from_secs(10);

/// The program under test, and the authorization server it was told of.
struct Application {
    issuer: String,
    url: String,
    _child: Child,
}

async fn start() -> Application {
    let issuer = serve_issuer().await;
    for _ in 0..5 {
        // Somebody else may take the port before the program does.
        let port = Probe::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if let Some(child) = run(port, &issuer).await {
            return Application { issuer, url: format!("http://localhost:{port}"), _child: child };
        }
    }
    panic!("the program does not start");
}

/// Runs the program until the child is dropped; `None` if it ends by itself.
async fn run(port: u16, issuer: &str) -> Option<Child> {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join(format!("examples/client{EXE_SUFFIX}"));
    let mut command = Command::new(&program);
    command.args(["--port", &port.to_string(), "--issuer", issuer]).stdin(Stdio::null()).stdout(Stdio::piped());
    // `cargo test --test login` alone does not build it.
    let mut child = command.kill_on_drop(true).spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = timeout(WITHIN, lines.next_line()).await.unwrap().unwrap()?;
    assert!(line.contains("is ready"), "{line}");
    Some(child)
}

/// An authorization server that takes every code; answers its issuer.
async fn serve_issuer() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let metadata = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "authorization_response_iss_parameter_supported": true,
    });
    let token = json!({ "access_token": "a", "token_type": "Bearer" });
    let me = json!({ "client_id": "client_1", "user_id": "id001", "scope": "profile" });
    let answer = |body: Value| async move || ([(CONTENT_TYPE, "application/json")], body.to_string());
    let router = Router::new()
        .route("/.well-known/oauth-authorization-server", get(answer(metadata)))
        .route("/token", post(answer(token)))
        .route("/api/me", get(answer(me)));
    tokio::spawn(axum::serve(listener, router).into_future());
    issuer
}

impl Application {
    fn browser(&self) -> Browser<'_> {
        let http = Client::builder().cookie_store(true).redirect(redirect::Policy::none()).timeout(WITHIN);
        Browser { http: http.build().unwrap(), application: self }
    }
}

struct Browser<'a> {
    http: Client,
    application: &'a Application,
}

impl Browser<'_> {
    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Response {
        self.http.get(format!("{}{path}", self.application.url)).query(query).send().await.unwrap()
    }

    /// Starts a login: where the browser is sent.
    async fn log_in(&self) -> Url {
        let answer = self.get("/login", &[]).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        Url::parse(answer.headers()[LOCATION].to_str().unwrap()).unwrap()
    }

    async fn call_back(&self, query: &[(&str, &str)]) -> (StatusCode, String) {
        let answer = self.get("/callback", query).await;
        (answer.status(), answer.text().await.unwrap())
    }

    async fn assert_refused(&self, query: &[(&str, &str)], why: &str) {
        let (status, page) = self.call_back(query).await;
        assert!(status == StatusCode::BAD_REQUEST && page.contains(why), "{status} {page}");
        let home = self.get("/", &[]).await.text().await.unwrap();
        assert!(!home.contains("id001"), "nobody is logged in: {home}");
    }
}

fn param(url: &Url, name: &str) -> String {
    let values: Vec<_> = url.query_pairs().filter(|(own, _)| own == name).map(|(_, value)| value).collect();
    assert_eq!(values.len(), 1, "{name}: {url}");
    values[0].to_string()
}

const NOT_STARTED_HERE: &str = "This login was not started in this browser";
const ANOTHER_SERVER: &str = "This answer comes from another authorization server";

#[tokio::test]
async fn each_login_has_a_fresh_state_and_challenge() {
    let application = start().await;
    let browser = application.browser();
    let (first, second) = (browser.log_in().await, browser.log_in().await);
    for url in [&first, &second] {
        assert!(url.as_str().starts_with(&format!("{}/authorize?", application.issuer)), "{url}");
        assert_eq!(param(url, "response_type"), "code");
        assert_eq!(param(url, "redirect_uri"), format!("{}/callback", application.url));
        assert_eq!(param(url, "code_challenge_method"), "S256");
        let challenge = param(url, "code_challenge");
        assert_eq!(challenge.len(), 43);
        assert!(challenge.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'), "{challenge}");
        assert!(param(url, "state").len() >= 22, "128 bits: {url}");
    }
    for name in ["state", "code_challenge"] {
        assert_ne!(param(&first, name), param(&second, name));
    }
}

#[tokio::test]
async fn the_cookie_is_guarded() {
    let application = start().await;
    let answer = application.browser().get("/login", &[]).await;
    let (pair, attributes) = answer.headers()[SET_COOKIE].to_str().unwrap().split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax");
    assert_eq!(pair.strip_prefix("grantwell_client=").map(str::len), Some(32));
}

#[tokio::test]
async fn an_unknown_state_is_refused() {
    let application = start().await;
    let browser = application.browser();
    let good = param(&browser.log_in().await, "state");
    for state in ["", "guess", &good[1..]] {
        browser
            .assert_refused(&[("state", state), ("iss", &application.issuer), ("code", "c")], NOT_STARTED_HERE)
            .await;
    }
    browser.assert_refused(&[("iss", &application.issuer), ("code", "c")], NOT_STARTED_HERE).await;
}

#[tokio::test]
async fn a_state_is_for_one_browser() {
    let application = start().await;
    let state = param(&application.browser().log_in().await, "state");
    let query = [("state", &*state), ("iss", &application.issuer), ("code", "c")];
    application.browser().assert_refused(&query, NOT_STARTED_HERE).await;
    let other = application.browser();
    other.log_in().await;
    other.assert_refused(&query, NOT_STARTED_HERE).await;
}

#[tokio::test]
async fn a_state_works_once() {
    let application = start().await;
    let browser = application.browser();
    let state = param(&browser.log_in().await, "state");
    let query = [("state", &*state), ("iss", &application.issuer), ("code", "c")];
    let answer = browser.get("/callback", &query).await;
    assert_eq!((answer.status(), &answer.headers()[LOCATION]), (StatusCode::SEE_OTHER, &"/".parse().unwrap()));
    assert!(browser.get("/", &[]).await.text().await.unwrap().contains("id001"));

    let (status, page) = browser.call_back(&query).await;
    assert!(status == StatusCode::BAD_REQUEST && page.contains(NOT_STARTED_HERE), "{status} {page}");
}

#[tokio::test]
async fn an_answer_of_another_server_is_refused() {
    let application = start().await;
    let browser = application.browser();
    let slash = format!("{}/", application.issuer);
    for iss in [&["https://other.example"][..], &[&slash], &[""], &[]] {
        let state = param(&browser.log_in().await, "state");
        let mut query = vec![("state", &*state), ("code", "c")];
        query.extend(iss.iter().map(|iss| ("iss", *iss)));
        browser.assert_refused(&query, ANOTHER_SERVER).await;
        query.push(("iss", &application.issuer));
        assert_eq!(browser.call_back(&query).await.0, StatusCode::BAD_REQUEST, "the state is spent");
    }
}

#[tokio::test]
async fn an_error_is_shown_as_text() {
    let application = start().await;
    let browser = application.browser();
    let hostile = [("error", "<b>no</b>"), ("error_description", "<script>alert(1)</script>")];
    browser.assert_refused(&hostile, NOT_STARTED_HERE).await;

    let state = param(&browser.log_in().await, "state");
    let mut query = vec![("state", &*state), ("iss", &*application.issuer)];
    query.extend(hostile);
    let (status, page) = browser.call_back(&query).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(page.contains("&#60;b&#62;no&#60;/b&#62;: &#60;script&#62;alert(1)&#60;/script&#62;"), "{page}");
    assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
}
