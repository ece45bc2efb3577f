//! Signatures, keys and tokens of JOSE (RFC 7515, 7517, 7518, 7519, 7638, 8037, 8725): the only place that knows the
//! library beneath.
//!
//! Only the compact form is read. A token is refused before its signature is looked at where its header is not understood:
//! `none`, an algorithm that is not in use here, `crit`, an embedded key or the URL of one.

mod algorithm;
mod claims;
mod json;
mod jwk;
mod jwk_set;
mod jws;
mod private_jwk;
mod private_key;
mod public_key;
mod public_keys;
mod shared_secret;
mod signer;

pub use algorithm::Algorithm;
pub use claims::{InvalidClaims, JwtClaims};
pub use jwk::{InvalidJwk, Jwk};
pub use jwk_set::JwkSet;
pub use jws::{Header, InvalidJws, Jws};
pub use private_key::{InvalidPrivateKey, PrivateKey};
pub use public_keys::{PublicKeys, verify};
pub use shared_secret::SharedSecret;
pub use signer::{Signer, SigningError, sign};
