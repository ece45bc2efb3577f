//! The other side: protecting an API by access tokens, also where this is no authorization server itself.

mod access;
mod identifier;
mod introspected;
#[cfg(feature = "jose")]
mod jwt;
#[cfg(feature = "tower")]
mod layer;
mod metadata;
mod refused;
mod requirement;
mod server;
mod stored;

pub use access::{Access, TokenSource};
pub use identifier::{InvalidResourceIdentifier, ResourceIdentifier};
pub use introspected::IntrospectedTokens;
#[cfg(feature = "jose")]
pub use jwt::JwtTokens;
#[cfg(feature = "tower")]
pub use layer::{RequireAccess, RequireAccessLayer};
pub use metadata::WellKnown;
pub use refused::Refused;
pub use requirement::Requirement;
pub use server::ResourceServer;
pub use stored::StoredTokens;
