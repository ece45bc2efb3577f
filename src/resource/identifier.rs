use std::fmt;
use std::str::FromStr;

use url::Url;

use crate::config::is_https_or_loopback;

/// The name of an API (RFC 9728 section 1.2, RFC 8707 section 2): an https URL (http on a loopback host) in its normal
/// form, without fragment and user information. The text is kept to the byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResourceIdentifier(String);

/// Text that names no API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an https URL (http on a loopback host) in its normal form, without fragment and user information")]
pub struct InvalidResourceIdentifier;

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

impl ResourceIdentifier {
    /// The URL, byte for byte.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL of the API's metadata (RFC 9728 section 3.1).
    pub fn metadata_url(&self) -> String {
        let (origin, _) = self.parts();
        format!("{origin}{}", self.metadata_path())
    }

    /// The path and query of [`Self::metadata_url`].
    pub(super) fn metadata_path(&self) -> String {
        let (_, below) = self.parts();
        let below = match below.strip_prefix('/') {
            Some(rest) if rest.is_empty() || rest.starts_with('?') => rest,
            _ => below,
        };
        format!("{WELL_KNOWN}{below}")
    }

    /// The origin, and what follows it.
    fn parts(&self) -> (&str, &str) {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let below = rest.strip_prefix(authority).unwrap_or_default();
        (self.0.strip_suffix(below).unwrap_or(&self.0), below)
    }
}

impl FromStr for ResourceIdentifier {
    type Err = InvalidResourceIdentifier;

    fn from_str(text: &str) -> Result<Self, InvalidResourceIdentifier> {
        let url = Url::parse(text).map_err(|_| InvalidResourceIdentifier)?;
        // Whoever compares names as text must see what a URL parser sees.
        let is_normal = url.as_str() == text || url.as_str().strip_suffix('/') == Some(text);
        // What a parser of URLs leaves as it is, though no URI has it (RFC 3986 section 2). A challenge quotes the name.
        let is_uri = !text.contains(['\\', '^', '`', '{', '|', '}']);
        let is_bare = url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
        let is_name = is_https_or_loopback(&url) && is_normal && is_uri && is_bare;
        is_name.then(|| Self(text.to_owned())).ok_or(InvalidResourceIdentifier)
    }
}

impl fmt::Display for ResourceIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
