//! One issuer for all grants: the extensions in their order, one token format, one commit to the store.

mod extension;
pub(crate) mod refresh_token;
mod token_format;
mod token_issuer;
mod token_request;

pub use extension::Extension;
pub use token_format::{Claims, Opaque, TokenFormat};
pub use token_issuer::{Approved, Commit, RefreshTokenAnswer, TokenIssuer, TokenResponse};
pub use token_request::TokenRequest;
