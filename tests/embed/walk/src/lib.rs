//! Starts a service and walks it as its users and clients do: a browser with cookies, and the `oauth2` crate.
//!
//! Everything here panics where something is not as it should be: it is for tests.

mod browser;
mod client;
mod protocol_file;
mod service;
mod walks;

pub use browser::{Answer, Browser};
pub use client::{Client, Code, Tokens, refused_with};
pub use protocol_file::check as check_protocol_file;
pub use service::Service;
pub use walks::*;
