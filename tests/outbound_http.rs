//! The ready client, against servers on this machine that mean it ill.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::error::Error;
use std::fmt::Write as _;
use std::future::Future;
use std::process::Command;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use grantwell::outbound::{HttpClient, HttpError, ReqwestClient, ReqwestClientBuilder};
use http::{Request, Response};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

/// A server on a loopback address.
struct Server {
    port: u16,
    /// The head of each request, once it was read.
    heads: UnboundedReceiver<String>,
}

impl Server {
    /// A server that answers each connection's first request with these bytes, and closes it.
    async fn answering(response: impl Into<Vec<u8>>) -> Self {
        let response = Arc::new(response.into());
        Self::with(move |mut stream| {
            let response = response.clone();
            async move {
                // The client may have gone after it has had enough.
                drop(stream.write_all(&response).await);
                drop(stream.shutdown().await);
            }
        })
        .await
    }

    /// A server that does this once it has read a request.
    async fn with<F: Future<Output = ()> + Send>(answer: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = Arc::new(answer);
        let (sender, heads) = unbounded_channel();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (answer, sender) = (answer.clone(), sender.clone());
                tokio::spawn(async move {
                    drop(sender.send(head(&mut stream).await));
                    answer(stream).await;
                });
            }
        });
        Self { port, heads }
    }

    fn url(&self, scheme: &str, host: &str) -> String {
        format!("{scheme}://{host}:{}/doc?code=secret", self.port)
    }

    async fn head(&mut self) -> String {
        tokio::time::timeout(LONG, self.heads.recv()).await.unwrap().unwrap()
    }

    /// Whether no connection has brought anything, not even part of a request.
    fn was_left_alone(&mut self) -> bool {
        self.heads.try_recv().is_err()
    }
}

/// What comes before the first empty line; less, if the connection ends before.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let (mut head, mut buffer) = (Vec::new(), [0; 1024]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(count) => head.extend_from_slice(&buffer[..count]),
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

fn response(fields: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}\r\n{body}")
}

fn ok() -> String {
    response("content-length: 2\r\n", "{}")
}

fn local() -> ReqwestClientBuilder {
    ReqwestClient::builder().allow_loopback()
}

async fn get(client: &ReqwestClient, url: &str) -> Result<Response<Bytes>, HttpError> {
    let request = Request::get(url).body(Bytes::new()).unwrap();
    tokio::time::timeout(LONG, client.send(request)).await.unwrap()
}

/// The error with everything that caused it.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        write!(text, ": {cause}").unwrap();
        next = cause.source();
    }
    text
}

/// Asserts a failure whose causes name `why` and tell nothing of the URL but the host.
#[track_caller]
fn fails(result: Result<Response<Bytes>, HttpError>, why: &str) {
    let error = result.unwrap_err();
    let text = chain(&error);
    assert!(text.contains(why), "{text}");
    assert!(!text.contains("secret") && !format!("{error:?}").contains("secret"), "{error:?}");
}

#[tokio::test]
async fn a_request_is_sent_as_it_is_and_the_response_comes_back_whole() {
    let mut server = Server::answering("HTTP/1.1 404 Not Found\r\nx-a: b\r\ncontent-length: 5\r\n\r\nnever").await;
    let request = Request::post(server.url("http", "127.0.0.1"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from_static(b"token=t"));
    let response = local().build().unwrap().send(request.unwrap()).await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["x-a"].to_str().unwrap()), (404, "b"));
    assert_eq!(response.body(), "never");
    let head = server.head().await;
    assert!(head.starts_with("POST /doc?code=secret HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("content-type: application/x-www-form-urlencoded\r\n"), "{head}");
    assert!(head.contains("accept-encoding: identity\r\n"), "{head}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut elsewhere = Server::answering(ok()).await;
    let to = elsewhere.url("http", "127.0.0.1");
    for status in [301, 302, 303, 307, 308] {
        let server =
            Server::answering(format!("HTTP/1.1 {status} Moved\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"));
        let response = get(&local().build().unwrap(), &server.await.url("http", "127.0.0.1")).await.unwrap();
        assert_eq!(response.status(), status);
    }
    assert!(elsewhere.was_left_alone());
}

#[tokio::test]
async fn no_cookie_and_no_referer_is_sent() {
    let mut server = Server::answering(response("set-cookie: a=b; Path=/\r\ncontent-length: 0\r\n", "")).await;
    let (client, url) = (local().build().unwrap(), server.url("http", "127.0.0.1"));
    for _ in 0..2 {
        get(&client, &url).await.unwrap();
        let head = server.head().await.to_ascii_lowercase();
        assert!(!head.contains("\r\ncookie:") && !head.contains("\r\nreferer:"), "{head}");
    }
}

#[tokio::test]
async fn a_body_ends_at_the_limit_however_it_is_framed() {
    let client = local().max_body(1000).build().unwrap();
    let (fits, exceeds) = ("a".repeat(1000), "a".repeat(1001));
    let chunked = |body: &str| {
        let (first, second) = body.split_at(500);
        format!("1f4\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n", second.len())
    };
    let table = [
        (response("content-length: 1000\r\n", &fits), true),
        (response("content-length: 1001\r\n", &exceeds), false),
        (response("connection: close\r\n", &fits), true),
        (response("connection: close\r\n", &exceeds), false),
        (response("transfer-encoding: chunked\r\n", &chunked(&fits)), true),
        (response("transfer-encoding: chunked\r\n", &chunked(&exceeds)), false),
        // The length says little, and more follows: what was announced is all that is read.
        (response("content-length: 1000\r\n", &"a".repeat(100_000)), true),
        // The length says much, and less follows.
        (response("content-length: 1000\r\n", "a"), false),
        (response("content-length: 1000000000000\r\n", &exceeds), false),
    ];
    for (response, is_ok) in table {
        let server = Server::answering(response.clone()).await;
        match get(&client, &server.url("http", "127.0.0.1")).await {
            Ok(response) => assert!(is_ok && response.body() == fits.as_bytes()),
            Err(error) => assert!(!is_ok, "{}", chain(&error)),
        }
    }
}

#[tokio::test]
async fn a_body_without_end_is_left_where_the_limit_is() {
    let server = Server::with(async |mut stream| {
        drop(stream.write_all(response("", "").as_bytes()).await);
        // Ends when the client closes the connection.
        while stream.write_all(&[b'a'; 4096]).await.is_ok() {}
    });
    let url = server.await.url("http", "127.0.0.1");
    fails(get(&ReqwestClient::builder().allow_loopback().build().unwrap(), &url).await, "length limit exceeded");
}

#[tokio::test]
async fn a_header_without_end_is_refused() {
    let fields: String = (0..101).map(|number| format!("x-{number}: a\r\n")).collect();
    for fields in [fields, format!("x-a: {}\r\n", "a".repeat(1_000_000))] {
        let server = Server::answering(response(&fields, "")).await;
        fails(get(&local().build().unwrap(), &server.url("http", "127.0.0.1")).await, "message head is too large");
    }
}

#[tokio::test]
async fn what_comes_slowly_is_cut_off_as_a_whole() {
    let drip = |head: &'static str| {
        Server::with(async move |mut stream| {
            drop(stream.write_all(head.as_bytes()).await);
            while stream.write_all(b"a").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
    };
    let silent = Server::with(async |_stream| std::future::pending().await);
    let client = local().timeout(1).build().unwrap();
    for server in [drip("HTTP/1.1 200 OK\r\n\r\n").await, drip("HTTP/1.1 200 OK\r\nx-a: ").await, silent.await] {
        let began = tokio::time::Instant::now();
        fails(get(&client, &server.url("http", "127.0.0.1")).await, "deadline has elapsed");
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_compressed_response_is_refused() {
    for encoding in ["gzip", "br", "zstd", "deflate", "identity"] {
        let fields = format!("content-encoding: {encoding}\r\ncontent-length: 2\r\n");
        let server = Server::answering(response(&fields, "{}")).await;
        fails(get(&local().build().unwrap(), &server.url("http", "127.0.0.1")).await, "the response is compressed");
    }
}

#[tokio::test]
async fn plain_http_is_refused() {
    let mut server = Server::answering(ok()).await;
    for host in ["127.0.0.1", "localhost", "8.8.8.8"] {
        fails(get(&ReqwestClient::new().unwrap(), &server.url("http", host)).await, "scheme is not allowed");
    }
    assert!(server.was_left_alone());
    // Where loopback is allowed, http leads there and nowhere else.
    for host in ["8.8.8.8", "[2606:4700::1111]", "10.0.0.1"] {
        fails(get(&local().build().unwrap(), &server.url("http", host)).await, "is not allowed");
    }
    get(&local().build().unwrap(), &server.url("http", "localhost")).await.unwrap();
    for url in ["ftp://localhost/", "file:///etc/passwd", "unix://localhost/", "/path"] {
        let request = Request::get(url).body(Bytes::new());
        if let Ok(request) = request {
            assert!(local().build().unwrap().send(request).await.is_err(), "{url}");
        }
    }
}

#[tokio::test]
async fn loopback_is_refused_by_address_and_by_name() {
    let mut server = Server::answering(ok()).await;
    let client = ReqwestClient::new().unwrap();
    for host in ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "127.0.0.1.", "0", "[::1]"] {
        fails(get(&client, &server.url("https", host)).await, "is not allowed");
    }
    for host in ["[::ffff:7f00:1]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "localhost", "LOCALHOST"] {
        fails(get(&client, &server.url("https", host)).await, "is not allowed");
    }
    // Not every resolver knows it by this name.
    assert!(get(&client, &server.url("https", "localhost.")).await.is_err());
    assert!(server.was_left_alone());
}

#[tokio::test]
async fn where_loopback_is_allowed_nothing_else_is() {
    let hosts = "10.0.0.1 10.1 0xa.1 167772161 192.168.0.1 172.16.0.1 169.254.169.254 0xa9fea9fe 100.64.0.1 0.0.0.0 \
        255.255.255.255 224.0.0.1 192.0.2.1 198.18.0.1 [::] [::ffff:10.0.0.1] [::ffff:a00:1] [::10.0.0.1] [fe80::1] \
        [fd00:ec2::254] [fec0::1] [ff02::1] [64:ff9b::7f00:1] [64:ff9b:1::1] [2002:7f00:1::] [2001::1] [2001:db8::1]";
    let client = local().build().unwrap();
    for host in hosts.split_whitespace() {
        for scheme in ["http", "https"] {
            fails(get(&client, &format!("{scheme}://{host}/?secret")).await, "is not allowed");
        }
    }
}

#[tokio::test]
async fn credentials_in_a_url_are_refused() {
    let mut server = Server::answering(ok()).await;
    for user in ["user:secret@", "secret@", ":@"] {
        let url = format!("http://{user}localhost:{}/", server.port);
        fails(get(&local().build().unwrap(), &url).await, "the URL has credentials in it");
    }
    assert!(server.was_left_alone());
}

/// A certificate authority, and a server that has a certificate from it.
async fn tls_server(name: &str) -> (String, Server) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    (authority.pem(), tls_listener(TlsAcceptor::from(Arc::new(config))).await)
}

async fn tls_listener(acceptor: TlsAcceptor) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, heads) = unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(mut stream) = acceptor.accept(stream).await {
                drop(sender.send(head(&mut stream).await));
                answer_and_close(stream).await;
            }
        }
    });
    Server { port, heads }
}

async fn answer_and_close(mut stream: impl AsyncWrite + Unpin) {
    stream.write_all(ok().as_bytes()).await.unwrap();
    drop(stream.shutdown().await);
}

#[tokio::test]
async fn an_extra_authority_is_trusted_and_no_other() {
    let (authority, mut server) = tls_server("localhost").await;
    let (another, _) = tls_server("localhost").await;
    let url = server.url("https", "localhost");
    for untrusting in [local(), local().extra_root(another)] {
        fails(get(&untrusting.build().unwrap(), &url).await, "invalid peer certificate");
    }
    assert!(server.was_left_alone());
    let client = local().extra_root(authority).build().unwrap();
    assert_eq!(get(&client, &url).await.unwrap().body(), "{}");
    // The certificate is for the name, not for the address.
    fails(get(&client, &server.url("https", "127.0.0.1")).await, "not valid for name");
    assert!(CryptoProvider::get_default().is_none(), "the process's provider is the host's to choose");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let (authority, mut server) = tls_server("as.example").await;
    let client = local().extra_root(authority).build().unwrap();
    fails(get(&client, &server.url("https", "localhost")).await, "not valid for name");
    assert!(server.was_left_alone());
}

#[tokio::test]
async fn an_extra_authority_that_cannot_be_read_is_an_error() {
    for pem in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert!(ReqwestClient::builder().extra_root(pem).build().is_err(), "{pem}");
    }
}

#[tokio::test]
async fn a_request_goes_on_when_nobody_waits_for_it() {
    let mut server = Server::answering(ok()).await;
    let client = local().build().unwrap();
    let request = Request::get(server.url("http", "localhost")).body(Bytes::new()).unwrap();
    let mut sending = client.send(request);
    assert!(sending.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(sending);
    assert!(server.head().await.starts_with("GET /doc"));
}

/// Runs itself again, in an environment with proxies.
#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_of_the_environment_is_not_used() {
    const TARGET: &str = "GRANTWELL_TEST_TARGET";
    if let Ok(url) = std::env::var(TARGET) {
        get(&local().build().unwrap(), &url).await.unwrap();
        return;
    }
    let (mut target, mut proxy) = (Server::answering(ok()).await, Server::answering(ok()).await);
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "a_proxy_of_the_environment_is_not_used"]).env(TARGET, target.url("http", "localhost"));
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        let url = format!("http://127.0.0.1:{}", proxy.port);
        again.env(name, &url).env(name.to_ascii_lowercase(), &url);
    }
    let again = tokio::task::spawn_blocking(move || again.env_remove("NO_PROXY").env_remove("no_proxy").output());
    let output = again.await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(target.head().await.starts_with("GET /doc"));
    assert!(proxy.was_left_alone());
}
