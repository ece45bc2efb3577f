//! What a current server should not do, for clients that know nothing better. Each has to be called for by name.

use crate::extensions::Pkce;
use crate::model::{InvalidRedirectUri, RedirectUri};

/// PKCE that accepts `plain` beside `S256` (RFC 7636 section 4.2): whoever reads the authorization request can redeem
/// its code. Register it by [`Builder::extension`](crate::Builder::extension).
pub fn pkce_allowing_plain() -> Pkce {
    Pkce::allowing_plain()
}

/// A redirect URI whose private-use scheme has no dot (`myapp:/cb`), as some desktop applications register it: another
/// application may claim the same scheme (RFC 8252 section 8.4). It cannot be read back from RFC 7591 metadata.
///
/// # Errors
/// What else is wrong with the URI.
pub fn private_use_redirect_uri(uri: &str) -> Result<RedirectUri, InvalidRedirectUri> {
    RedirectUri::of_private_use(uri)
}
