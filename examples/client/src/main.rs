//! An example OAuth 2.0 client: a web application that signs its users in at the bundled
//! authorization server, with the authorization code grant and PKCE.
//!
//! ```sh
//! cargo run --release --example server
//! cargo run --release --example client
//! ```

mod failure;
mod pages;
mod provider;
mod routes;
mod session;

use std::error::Error;
use std::io::{self, ErrorKind, IsTerminal};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

/// How long requests under way may take to finish after Ctrl-C.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// An example web application that signs its users in with OAuth 2.0.
#[derive(Parser)]
#[command(name = "client", version)]
struct Options {
    /// The port on localhost to serve the application on.
    #[arg(long, default_value_t = 8000, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// The issuer identifier of the authorization server.
    #[arg(long, default_value = "http://localhost:9000")]
    issuer: String,
    /// The name this application is registered under at the server.
    #[arg(long, default_value = "client_1")]
    client_id: String,
    /// The secret that goes with the client id.
    #[arg(long, default_value = "client_secret_1")]
    client_secret: String,
    /// The scopes to ask for, separated by spaces.
    #[arg(long, default_value = "profile")]
    scope: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(colours)
        .log_internal_errors(false)
        .init();
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let port = options.port;
    let origin = format!("http://localhost:{port}");
    let app = routes::router(provider::Provider::new(options, &origin)?);
    let (v4, v6) = listen(port).await?;

    let serve = |listener| axum::serve(listener, app.clone()).with_graceful_shutdown(interrupted()).into_future();
    let serve_v6 = async {
        match v6 {
            Some(listener) => serve(listener).await,
            None => Ok(()),
        }
    };
    let out_of_time = async {
        interrupted().await;
        tokio::time::sleep(STOP_WITHIN).await;
    };

    println!("The example client is ready. Open {origin}/ in a browser; Ctrl-C stops it.");
    tokio::select! {
        done = async { tokio::try_join!(serve(v4), serve_v6) } => done.map(|_| ())?,
        () = out_of_time => {}
    }
    Ok(())
}

/// Waits for Ctrl-C.
async fn interrupted() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::warn!(%error, "Ctrl-C cannot be waited for");
        std::future::pending().await
    }
}

/// Both addresses `localhost` may stand for; a machine without IPv6 has just the first.
async fn listen(port: u16) -> Result<(TcpListener, Option<TcpListener>), String> {
    let explain = |error: io::Error| match error.kind() {
        ErrorKind::AddrInUse => format!("port {port} is in use by another program; choose another with --port"),
        _ => format!("cannot listen on port {port}: {error}"),
    };
    let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(explain)?;
    let v6 = match TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
        Ok(listener) => Some(listener),
        Err(error) if error.kind() == ErrorKind::AddrInUse => return Err(explain(error)),
        Err(_) => None,
    };
    Ok((v4, v6))
}
