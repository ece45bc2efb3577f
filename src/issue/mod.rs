//! One issuer for all grants: the extensions in their order, one token format, one commit to the store.

mod extension;
mod issuer;
mod opaque;
pub(crate) mod refresh_token;

pub use extension::{Extension, TokenRequest};
pub use issuer::{Approved, Commit, Issuer, RefreshTokenAnswer, TokenResponse};
pub use opaque::{Claims, Opaque, TokenFormat};
