#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::string_slice))]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]

// From the top layer down; a file imports only from lower layers (`tests/layers.rs` reads this list).
mod builder;
#[cfg(feature = "tower")]
mod tower;
mod server;
mod endpoints;
pub mod resource;
pub mod danger;
pub mod extensions;
pub mod grants;
pub mod issue;
pub mod client_auth;
mod ticket;
mod context;
mod interaction;
mod authorization_request;
pub mod hooks;
pub mod stores;
pub mod events;
mod metadata;
mod config;
#[cfg(feature = "jose")]
pub mod signing;
pub mod outbound;
pub mod storage;
mod secret_keys;
#[cfg(feature = "jose")]
pub mod jose;
pub mod model;
mod wire;
mod secret;
mod error;
mod clock;

/// What the storage traits are written with; put it before each `impl` of one.
pub use async_trait::async_trait;
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
