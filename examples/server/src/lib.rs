//! The bundled server: how a service embeds [`grantwell`], on axum.
//!
//! The library answers everything of the protocol. What is here is what a host owns:
//!
//! | | |
//! |---|---|
//! | `oauth` | the library's parts put together |
//! | `store`, `state` | where state is kept; opening it, and what is built upon it |
//! | `bounded`, `purge` | a time limit for the store; what is due from time to time |
//! | `keys`, `secret_file` | the file of secret keys; reading what is nobody else's |
//! | `signing` | the signing keys, looked up before anything is served |
//! | `authorize` | the authorization endpoint and the consent page, where library and session meet |
//! | `login`, `logout` | the pages around a session |
//! | `api` | an API that access tokens open |
//! | `session`, `cookie`, `form` | who is logged in; what a form must carry |
//! | `users`, `limiter` | passwords, and how often they may be guessed |
//! | `config`, `site` | the file, and the URLs that follow from the issuer |
//! | `pages`, `failure` | templates and the answers that go wrong |
//! | `app`, `listen`, `tls` | routes, sockets, the handshake |

mod api;
mod app;
mod authorize;
mod bounded;
mod config;
mod cookie;
mod failure;
mod form;
mod keys;
mod limiter;
mod listen;
mod login;
mod logout;
mod oauth;
mod pages;
mod purge;
mod secret_file;
mod session;
mod signing;
mod site;
mod state;
mod store;
mod tls;
mod users;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

pub use config::{Config, ConfigError};
pub use keys::KeysError;
pub use listen::Running;
pub use site::InvalidIssuer;
pub use store::{InvalidStore, Store};
pub use tls::{TlsError, TlsFiles};

/// Why the server does not start. One line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The issuer is not a URL that the server can live under.
    #[error("issuer: {0}")]
    Issuer(#[from] InvalidIssuer),
    /// The server cannot prove itself.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The secret keys cannot be had.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The store cannot be opened, or its tables are not ours.
    #[error("the store {store} cannot be used: {reason}")]
    Store {
        /// Which.
        store: Store,
        /// Why.
        reason: String,
    },
    /// The signing keys in the store cannot be opened by this key file.
    #[error(
        "the key file {} does not open the keys that sign tokens, which are in the store: start with the key file they \
         were made with (--keys), or have new ones made (--replace-signing-keys; tokens signed before no longer verify)",
        .0.display()
    )]
    SigningKeys(PathBuf),
    /// The signing keys are to be replaced, and there are none.
    #[error("--replace-signing-keys: there is no [signing] in the configuration")]
    NoSigning,
    /// Under this issuer, an entry of the configuration contradicts itself or another one.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The library refuses the configuration.
    #[error(transparent)]
    Build(#[from] grantwell::BuildError),
}

/// Starts a server in the current tokio runtime.
///
/// Without an issuer in `config` it is `localhost` with the port that is listened on, by `https` if there is TLS.
///
/// # Errors
/// [`StartError`]; then nothing keeps running.
pub async fn start(config: Config) -> Result<Running, StartError> {
    let tls = config.tls.as_ref().map(tls::Tls::new).transpose()?;
    let listeners = listen::bind(config.listen, tls).await?;
    let issuer = config.issuer.clone().unwrap_or_else(|| listeners.default_issuer());
    let site = site::Site::new(&issuer)?;
    if config.tls.is_some() && !site.is_https() {
        return Err(InvalidIssuer::NotHttps.into());
    }
    let app = app::App::new(config, site).await?;
    Ok(listeners.serve(app))
}
