//! The bundled server's command line.
//!
//! ```sh
//! cargo run --release --example server
//! ```

use std::error::Error;
use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser};
use grantwell_server::{Config, Running, Store, TlsFiles};
use tracing_subscriber::EnvFilter;

/// A complete OAuth 2.0 authorization server, with login and consent pages and a small API.
#[derive(Parser)]
#[command(name = "server", version)]
struct Options {
    /// The file with clients and users; there is a built-in one (examples/server/default.toml).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The one address to listen on, like 127.0.0.1:9000; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// The issuer identifier: the URL that clients reach this server by. Replicas have the same one.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Speaks TLS with this certificate (and those that lead to a root, behind it), in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The certificate's private key, in PEM. Other users of the machine must not be able to read it.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Where state is kept: memory, sqlite:PATH, postgres://USER@HOST/DATABASE or redis://HOST/NUMBER.
    ///
    /// By default sqlite:grantwell.db, a file in the working directory. A URL with a password is better given in the
    /// configuration file, as `store`: other users of the machine see the flags.
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
    /// The file of secret keys, which is made if it is missing. Replicas share it.
    ///
    /// A replica that does not find it makes its own, and then refuses the refresh tokens and forms of the others; with
    /// [signing] it cannot sign either, and does not start.
    ///
    /// By default grantwell.keys in the working directory; with the memory store, which forgets everything anyway,
    /// there is no file and the key ends with the process.
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Replaces the keys that sign tokens before it serves: for a key that leaked, or where the key file was lost.
    ///
    /// Tokens signed before no longer verify. It is for one start of one replica: the others follow within a minute. If
    /// the key file is a new one, start them again with it.
    #[arg(long)]
    replace_signing_keys: bool,
}

impl Options {
    /// Not clap's parsing: its errors repeat the value, which may hold a password.
    fn store(&self) -> Result<Option<Store>, clap::Error> {
        let store = self.store.as_deref().map(str::parse).transpose();
        store.map_err(|error| Self::command().error(ErrorKind::ValueValidation, format!("--store: {error}")))
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let store = options.store().unwrap_or_else(|error| error.exit());
    let outcome = match log() {
        Ok(()) => run(options, store).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Logs to standard error what `RUST_LOG` asks for.
fn log() -> Result<(), Box<dyn Error>> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(directives) => EnvFilter::try_new(directives).map_err(|error| format!("RUST_LOG: {error}"))?,
        Err(_) => EnvFilter::new("info"),
    };
    let colours = io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colours);
    // A log that cannot be written is no reason to refuse a request.
    log.log_internal_errors(false).init();
    Ok(())
}

async fn run(options: Options, store: Option<Store>) -> Result<(), Box<dyn Error>> {
    let mut config = match &options.config {
        Some(file) => Config::read(file)?,
        None => Config::parse(Config::BUILT_IN)?,
    };
    config.listen = options.listen.or(config.listen);
    config.issuer = options.issuer.or(config.issuer);
    let tls = options.tls_certificate.zip(options.tls_key);
    config.tls = tls.map(|(certificate, key)| TlsFiles { certificate, key }).or(config.tls);
    config.store = store.unwrap_or(config.store);
    config.keys = options.keys.or(config.keys);
    config.replace_signing_keys = options.replace_signing_keys;
    let kept = kept(&config);
    let running = grantwell_server::start(config).await?;
    // Before the welcome: whoever reads it may send the signal at once.
    let interrupted = interrupted()?;
    welcome(&running, &kept)?;
    interrupted.await;
    running.stop().await;
    Ok(())
}

/// Where state and keys are.
fn kept(config: &Config) -> String {
    match config.key_file() {
        Some(keys) => format!("State is kept in {}, secret keys in {}.", config.store, keys.display()),
        None => "State and secret keys are kept in memory: they end with the server.".to_owned(),
    }
}

/// Says where the server is and what to open next.
fn welcome(running: &Running, kept: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let issuer = running.issuer();
    let addresses: Vec<String> = running.addresses().iter().map(ToString::to_string).collect();
    writeln!(out, "The authorization server {issuer} listens on {}.", addresses.join(" and "))?;
    for (name, url) in running.endpoints() {
        writeln!(out, "  {name:<14} {url}")?;
    }
    writeln!(out, "{kept}")?;
    if let Some(command) = running.client_command() {
        let (user_id, password) = Config::BUILT_IN_USER;
        writeln!(out, "Start the client with: {command}")?;
        writeln!(out, "Then open http://localhost:8000/ and log in as {user_id} with the password {password}.")?;
    } else {
        writeln!(out, "Open {}/ to see what is here.", issuer.trim_end_matches('/'))?;
    }
    writeln!(out, "Ctrl-C stops the server.")
}

/// Waits for Ctrl-C, or for the signal by which a process manager stops it.
#[cfg(unix)]
fn interrupted() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut interrupted, mut terminated) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    })
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
fn interrupted() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
