//! Grants that RFC 9700 advises against (section 2.1.2) or forbids (section 2.4), for clients that cannot be changed.
//! Each has to be registered by name, and a client has to have its grant type; let no new client have it.

mod implicit;
mod password;

pub use implicit::Implicit;
pub use password::{Password, PasswordVerifier};
