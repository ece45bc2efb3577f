//! What a current server should not do, for clients that know nothing better. Each has to be called for by name.

use crate::extensions::Pkce;

/// PKCE that accepts `plain` beside `S256` (RFC 7636 section 4.2): whoever reads the authorization request can redeem
/// its code. Register it by [`Builder::extension`](crate::Builder::extension).
pub fn pkce_allowing_plain() -> Pkce {
    Pkce::allowing_plain()
}
