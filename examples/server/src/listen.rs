//! Sockets: where the server listens, how it serves a connection, and how it stops.

use std::error::Error;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::serve::Listener;
use grantwell::ClientAddress;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower_service::Service as _;

use crate::app::{self, App};
use crate::tls::Tls;
use crate::{StartError, purge};

const PORT: u16 = 9000;
/// How long the head of a request may take to arrive, and then the whole exchange.
const READ_HEAD_WITHIN: Duration = Duration::from_secs(10);
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long requests under way may take when the server stops.
const STOP_WITHIN: Duration = Duration::from_secs(5);

pub(crate) struct Listeners {
    bound: Vec<(TcpListener, SocketAddr)>,
    tls: Option<Tls>,
}

/// Listens on `address`, or else on both addresses that `localhost` may stand for.
pub(crate) async fn bind(address: Option<SocketAddr>, tls: Option<Tls>) -> Result<Listeners, StartError> {
    let first = address.unwrap_or((Ipv4Addr::LOCALHOST, PORT).into());
    let mut bound = vec![listen(first).await?];
    if address.is_none() {
        match listen((Ipv6Addr::LOCALHOST, PORT).into()).await {
            Ok(second) => bound.push(second),
            Err(StartError::Listen { source, .. }) if source.kind() != ErrorKind::AddrInUse => {
                tracing::debug!(%source, "no IPv6 on this machine");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Listeners { bound, tls })
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let listening = async {
        let listener = TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    listening.await.map_err(|source| StartError::Listen { address, source })
}

impl Listeners {
    pub(crate) fn default_issuer(&self) -> String {
        match (&self.tls, self.bound.first().map_or(PORT, |(_, address)| address.port())) {
            (None, 80) => "http://localhost".to_owned(),
            (None, port) => format!("http://localhost:{port}"),
            (Some(_), 443) => "https://localhost".to_owned(),
            (Some(_), port) => format!("https://localhost:{port}"),
        }
    }

    pub(crate) fn serve(self, app: App) -> Running {
        let app = Arc::new(app);
        let router = app::router(app.clone());
        let stop = watch::Sender::new(());
        let mut tasks = JoinSet::new();
        tasks.spawn(purge::run(app.server.clone(), app.purged.clone(), stop.subscribe()));
        let serving = Serving { tls: self.tls, router, stop: stop.subscribe() };
        let mut addresses = Vec::new();
        for (listener, address) in self.bound {
            addresses.push(address);
            tasks.spawn(serving.clone().accept(listener));
        }
        Running { addresses, app, stop, tasks }
    }
}

/// A server that runs until it is stopped or dropped.
#[must_use = "the server stops when this is dropped"]
pub struct Running {
    addresses: Vec<SocketAddr>,
    app: Arc<App>,
    stop: watch::Sender<()>,
    tasks: JoinSet<()>,
}

impl Running {
    /// Where it listens, with the real ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Its issuer.
    pub fn issuer(&self) -> &str {
        &self.app.site.issuer
    }

    /// The names and URLs of its endpoints, and of the API that its tokens open.
    pub fn endpoints(&self) -> &[(String, String)] {
        &self.app.endpoints
    }

    /// The command that starts the example client; `None`: the configuration is not the built-in one, which has it.
    pub fn client_command(&self) -> Option<&str> {
        self.app.client_command.as_deref()
    }

    /// Accepts no more connections, and gives the requests under way a few seconds.
    pub async fn stop(self) {
        let Self { stop, mut tasks, .. } = self;
        drop(stop);
        let all = async { while tasks.join_next().await.is_some() {} };
        if timeout(STOP_WITHIN, all).await.is_err() {
            tracing::warn!("stopped with requests under way");
        }
    }
}

/// What the connections of all listeners share.
#[derive(Clone)]
struct Serving {
    tls: Option<Tls>,
    router: Router,
    stop: watch::Receiver<()>,
}

impl Serving {
    /// Accepts connections until the server stops, then waits for the last of them.
    async fn accept(mut self, mut listener: TcpListener) {
        let connections = GracefulShutdown::new();
        loop {
            let (stream, address) = tokio::select! {
                accepted = Listener::accept(&mut listener) => accepted,
                _ = self.stop.changed() => break,
            };
            let served = self.clone().serve(stream, address.ip(), connections.watcher());
            tokio::spawn(async move {
                if let Err(error) = served.await {
                    tracing::debug!(error, "connection lost");
                }
            });
        }
        drop(listener);
        connections.shutdown().await;
    }

    async fn serve(
        mut self,
        stream: TcpStream,
        address: IpAddr,
        watcher: Watcher,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let Some(tls) = self.tls else {
            return Ok(watcher.watch(connection(stream, address, self.router)).await?);
        };
        let stream = tokio::select! {
            handshake = tls.handshake(stream) => handshake?,
            _ = self.stop.changed() => return Ok(()),
        };
        Ok(watcher.watch(connection(stream, address, self.router)).await?)
    }
}

fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    address: IpAddr,
    router: Router,
) -> impl GracefulConnection<Error = hyper::Error> {
    let answer = move |mut request: Request<Incoming>| {
        // The socket's own address: no header is to be trusted here.
        request.extensions_mut().insert(ClientAddress(address.to_canonical()));
        let answer = router.clone().call(request);
        async move {
            let late = || Ok(StatusCode::REQUEST_TIMEOUT.into_response());
            timeout(ANSWER_WITHIN, answer).await.unwrap_or_else(|_| late())
        }
    };
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(READ_HEAD_WITHIN)
        .serve_connection(TokioIo::new(stream), service_fn(answer))
}
