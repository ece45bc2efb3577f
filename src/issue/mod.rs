//! One issuer for all grants: the extensions in their order, one token format, one commit to the store.

mod extension;
mod issuer;
mod opaque;
pub(crate) mod refresh_token;

pub use extension::{Extension, TokenRequest};
pub(crate) use issuer::Issuer;
pub(crate) use issuer::refresh_policy;
pub use issuer::{Approved, Commit, RefreshTokenAnswer, TokenResponse};
pub use opaque::{Claims, Opaque, TokenFormat};
