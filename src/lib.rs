#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
//! An embeddable OAuth 2.0 authorization server.

// From the top layer down; a file imports only from lower layers (`tests/layers.rs` reads this list).
mod authorization_request;
mod builder;
pub mod client_auth;
mod clock;
mod config;
mod context;
pub mod danger;
mod endpoints;
mod error;
pub mod events;
pub mod extensions;
pub mod grants;
pub mod hooks;
mod interaction;
pub mod issue;
mod metadata;
pub mod model;
pub mod resource;
mod secret;
mod secret_keys;
mod server;
pub mod storage;
pub mod stores;
mod ticket;
#[cfg(feature = "tower")]
mod tower;
mod wire;

pub use authorization_request::{AuthorizationRequest, Prompt, ResponseTarget};
pub use builder::{BuildError, Builder};
pub use clock::{Clock, Randomness, SystemClock, SystemRandomness, Timestamp};
pub use config::{Config, Lifetimes};
pub use context::{Abilities, Context};
pub use endpoints::{Call, Endpoint, EndpointHandler, Introspection, Revocation};
pub use error::{Error, ErrorCode, StorageError};
pub use interaction::{Authorize, Decision, Login, PendingConsent, PendingLogin};
pub use metadata::Metadata;
pub use secret::{Digest, InvalidLength, Secret};
pub use secret_keys::SecretKey;
pub use server::{AuthorizationServer, Endpoints, WellKnown};
pub use ticket::Seed;
#[cfg(feature = "tower")]
pub use tower::buffer;
pub use wire::{ClientAddress, ErrorPage, MAX_BODY, MAX_PARAMS, MAX_VALUE, Params, PlainErrorPage, ResponseMode};
