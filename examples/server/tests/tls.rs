//! The server behind a certificate of its own.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may panic")]

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use grantwell_server::{StartError, TlsFiles};
use reqwest::{Certificate, Method, tls};
use support::program::Program;
use support::{AUTHORIZE, Browser, Page, Server, USER, config, config_of, full, start_on};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// Longer than the server waits for a handshake.
const SOON: Duration = Duration::from_secs(15);

/// The files of a certificate for `localhost`, which is its own root.
struct Identity {
    certificate: Certificate,
    files: TlsFiles,
    _folder: TempDir,
}

impl Identity {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let files = TlsFiles { certificate: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
        fs::write(&files.certificate, made.cert.pem()).unwrap();
        fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        fs::set_permissions(&files.key, Permissions::from_mode(0o600)).unwrap();
        Self { certificate: Certificate::from_der(made.cert.der()).unwrap(), files, _folder: folder }
    }

    fn settings(&self) -> String {
        format!("tls = {{ certificate = {:?}, key = {:?} }}", self.files.certificate, self.files.key)
    }

    async fn start(&self) -> Server {
        let server = start_on(config(&self.settings(), "")).await;
        Server { url: server.running.issuer().to_owned(), ..server }
    }

    fn browser(&self, server: &Server) -> Browser {
        Browser::trusting(std::slice::from_ref(&self.certificate), &server.url)
    }
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.running.addresses()[0]).await.unwrap()
}

/// What still comes until the server ends the connection.
async fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    // A reset ends it as well.
    let ended = timeout(SOON, stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the server keeps the connection");
    rest
}

#[tokio::test]
async fn the_whole_walk_is_under_https() {
    let identity = Identity::new();
    let server = identity.start().await;
    let port = server.running.addresses()[0].port();
    assert_eq!(server.url, format!("https://localhost:{port}"));

    let browser = identity.browser(&server);
    let login = browser.get("/login").await;
    let cookie = login.header("set-cookie");
    assert!(cookie.starts_with("__Host-grantwell_as=") && cookie.ends_with("; Secure"), "{cookie}");
    let form = browser.consent_page(AUTHORIZE).await.form();
    let code = browser.submit(&form.set("confirm", "yes")).await.answer("code").unwrap();
    let token = browser.redeem(&code).await.json();
    let me = browser.me(token["access_token"].as_str().unwrap()).await.json();
    assert_eq!(me["user_id"], USER.0);
}

#[tokio::test]
async fn the_full_configuration_speaks_tls_too() {
    let identity = Identity::new();
    let server = start_on(config_of(&format!("{}\n{}", identity.settings(), full()))).await;
    let issuer = server.running.issuer().to_owned();
    let server = Server { url: issuer.clone(), ..server };
    let params = [("grant_type", "client_credentials"), ("resource", &format!("{issuer}/api"))];
    let token = identity.browser(&server).token(("machine", "machine-secret"), &params).await;
    assert!(issuer.starts_with("https://") && token.status == 200, "{}", token.text);
}

#[tokio::test]
async fn tls_is_spoken_in_its_two_safe_versions() {
    let identity = Identity::new();
    let server = identity.start().await;
    for version in [tls::Version::TLS_1_2, tls::Version::TLS_1_3] {
        let http = reqwest::Client::builder().tls_certs_only([identity.certificate.clone()]);
        let http = http.tls_version_min(version).tls_version_max(version).build().unwrap();
        assert_eq!(http.get(format!("{}/login", server.url)).send().await.unwrap().status(), 200, "{version:?}");
    }
}

#[tokio::test]
async fn a_handshake_that_fails_is_its_clients_alone() {
    let identity = Identity::new();
    let server = identity.start().await;
    // A client that does not trust the server, and one that speaks no TLS.
    Page::try_of(Browser::at(&server.url).request(Method::GET, "/")).await.err().unwrap();
    let mut plain = connect(&server).await;
    plain.write_all(b"GET /login HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let answer = rest(plain).await;
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
    assert_eq!(identity.browser(&server).get("/login").await.status, 200);
}

/// A client that begins a handshake, but never ends it.
async fn stalled(server: &Server) -> TcpStream {
    let mut stream = connect(server).await;
    stream.write_all(&[22, 3, 1, 2, 0]).await.unwrap();
    stream
}

#[tokio::test]
async fn a_handshake_has_a_time_limit_and_nobody_waits_for_it() {
    let identity = Identity::new();
    let server = identity.start().await;
    let stalled = stalled(&server).await;
    assert_eq!(identity.browser(&server).get("/login").await.status, 200);
    // From here on, time passes whenever there is nothing else to do.
    tokio::time::pause();
    assert_eq!(rest(stalled).await, b"");
}

#[tokio::test]
async fn stopping_does_not_wait_for_a_handshake() {
    let identity = Identity::new();
    let server = identity.start().await;
    let stalled = stalled(&server).await;
    // It is connected, and keeps its connection.
    let browser = identity.browser(&server);
    assert_eq!(browser.get("/login").await.status, 200);

    let address = server.running.addresses()[0];
    let began = Instant::now();
    server.running.stop().await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(rest(stalled).await, b"");
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn an_issuer_without_tls_is_refused_where_there_is_tls() {
    let identity = Identity::new();
    let mut config = config(&identity.settings(), "");
    config.issuer = Some("http://localhost:9000".to_owned());
    let error = grantwell_server::start(config).await.err().unwrap();
    assert!(matches!(error, StartError::Issuer(..)));
    assert_eq!(error.to_string(), "issuer: this server speaks TLS: its issuer begins with https");
}

#[tokio::test]
async fn the_flags_speak_tls_too() {
    let identity = Identity::new();
    let [certificate, key] = [&identity.files.certificate, &identity.files.key].map(|path| path.to_str().unwrap());
    let args = ["--listen", "127.0.0.1:0", "--tls-certificate", certificate, "--tls-key", key];
    let mut program = Program::start(&args);
    let (issuer, address, _) = program.welcome();
    assert_eq!(issuer, address.replace("127.0.0.1", "https://localhost"));
    let browser = Browser::trusting(std::slice::from_ref(&identity.certificate), &issuer);
    assert_eq!(browser.get("/login").await.status, 200);
}
