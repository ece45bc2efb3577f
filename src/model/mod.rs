//! What the protocol talks about: clients, authorizations, codes, tokens. Checked things have their own types.

mod authorization;
mod client;
mod ids;
mod redirect_uri;
mod refresh_policy;
mod row;
mod scope;
mod signing_key;

pub use authorization::{
    AccessToken, ActiveAccessToken, ActiveRefreshToken, Authorization, AuthorizationCode, Consent, Issued, Kept,
    RefreshToken,
};
pub use client::{
    AccessTokenFormat, AuthMethod, Client, ClientMetadata, ClientPolicy, ClientSecret, InvalidClient, SecretVerifier,
};
pub use ids::{AuthorizationId, ClientId, Issuer, KeyId, RefreshHandle, SessionDigest, Subject};
pub use redirect_uri::{InvalidRedirectUri, RedirectUri};
pub use refresh_policy::{RefreshPolicy, Rotation};
pub use row::{CorruptRow, Record, Row};
pub use scope::{InvalidScope, Scope};
pub use signing_key::SigningKey;
