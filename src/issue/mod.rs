//! One issuer for all grants: the extensions in their order, the token's format, one commit to the store.

mod extension;
#[cfg(feature = "jose")]
mod jwt_access_token;
pub(crate) mod refresh_token;
mod token_format;
mod token_issuer;
mod token_request;

pub use extension::Extension;
#[cfg(feature = "jose")]
pub use jwt_access_token::JwtAccessTokens;
pub use token_format::{Claims, Opaque, TokenFormat};
pub(crate) use token_issuer::Formats;
pub use token_issuer::{Approved, Commit, RefreshTokenAnswer, TokenIssuer, TokenResponse};
pub use token_request::TokenRequest;
