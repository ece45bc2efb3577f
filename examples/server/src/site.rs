//! Where the server lives: everything that follows from the issuer, and from nothing a request says.

use grantwell::resource::ResourceIdentifier;
use url::{Origin, Url};

/// The issuer's URL, taken apart.
pub(crate) struct Site {
    pub(crate) issuer: String,
    /// The issuer's path, without a slash at its end: what every path of the server begins with.
    pub(crate) base: String,
    /// The home page's path.
    pub(crate) home: String,
    /// The API that the server's tokens open.
    pub(crate) api: ResourceIdentifier,
    origin: Origin,
    url: Url,
}

/// Why no server can live under an issuer. Nothing of its text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidIssuer {
    /// It is no absolute URL.
    #[error("not a URL: {0}")]
    Url(url::ParseError),
    /// Its path has other characters than letters, digits and `-._~`.
    #[error("the path may have letters, digits and -._~ only")]
    Path,
    /// It is not written as a parser of URLs would write it, has a user name or password, or is neither https nor a
    /// loopback host's http.
    #[error("it must be an https URL (http on a loopback host) in its normal form, without user name and password")]
    Form,
    /// It begins with http, and there is TLS.
    #[error("this server speaks TLS: its issuer begins with https")]
    NotHttps,
}

impl Site {
    pub(crate) fn new(issuer: &str) -> Result<Self, InvalidIssuer> {
        let url = Url::parse(issuer).map_err(InvalidIssuer::Url)?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
        let base = url.path().trim_end_matches('/');
        if !base.bytes().all(is_plain) || base.contains("//") {
            return Err(InvalidIssuer::Path);
        }
        let (base, home) = (base.to_owned(), format!("{base}/"));
        let api = format!("{}/api", issuer.trim_end_matches('/')).parse().map_err(|_| InvalidIssuer::Form)?;
        Ok(Self { issuer: issuer.to_owned(), base, home, api, origin: url.origin(), url })
    }

    pub(crate) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The path of the metadata, which is at the origin's root (RFC 8414 section 3.1).
    pub(crate) fn metadata_path(&self) -> String {
        format!("/.well-known/oauth-authorization-server{}", self.base)
    }

    pub(crate) fn metadata_url(&self) -> String {
        self.origin.ascii_serialization() + &self.metadata_path()
    }

    /// The path of the API's metadata, which is at the origin's root (RFC 9728 section 3.1).
    pub(crate) fn api_metadata_path(&self) -> String {
        format!("/.well-known/oauth-protected-resource{}/api", self.base)
    }

    fn has_path(&self, path: &str) -> bool {
        path.strip_prefix(&self.base).is_some_and(|below| below.starts_with('/'))
    }

    /// `next`, if it is one of this server's paths however a browser reads it, else the home page.
    pub(crate) fn local_path<'a>(&'a self, next: &'a str) -> &'a str {
        let is_visible = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        let is_path = next.starts_with('/') && !next.starts_with("//");
        let stays = || self.url.join(next).is_ok_and(|url| url.origin() == self.origin && self.has_path(url.path()));
        if is_visible && is_path && stays() { next } else { &self.home }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_another_origin_leads_home() {
        let site = Site::new("https://as.example").unwrap();
        for path in ["/", "/authorize?a=b%20c&d=//e", "/a//b", "/%5cevil"] {
            assert_eq!(site.local_path(path), path);
        }
        let evil = ["", "x", "//evil", "/\\evil", "\\\\evil", "/\t/evil", "/\r/evil", "/\n", "/ x", "/é", "/\0"];
        for path in evil.into_iter().chain(["http:evil", "https:///evil", "https://as.example/", "javascript:1", "?a"])
        {
            assert_eq!(site.local_path(path), "/", "{path:?}");
        }
    }

    #[test]
    fn the_base_is_the_path() {
        for (issuer, base, home) in
            [("https://a", "", "/"), ("https://a/", "", "/"), ("https://a/b/c/", "/b/c", "/b/c/")]
        {
            let site = Site::new(issuer).unwrap();
            assert_eq!((site.base.as_str(), site.home.as_str()), (base, home));
        }
        for issuer in ["a", "https://a/{b}", "https://a/b//c", "https://a/:b"] {
            assert!(Site::new(issuer).is_err(), "{issuer}");
        }
    }
}
