//! What a server is told once: its name, its places, its lifetimes.

use url::{Host, Url};

use crate::model::{Issuer, RefreshPolicy, Scope};

/// Lifetimes, in seconds, where a client's policy does not say otherwise. By default 60 seconds, 1 hour and 15 minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Of an authorization code (RFC 6749 section 4.1.2 allows at most 600).
    pub authorization_code: u64,
    /// Of an access token.
    pub access_token: u64,
    /// Of a pending authorization request: the time a user has to log in and decide.
    pub ticket: u64,
}

impl Default for Lifetimes {
    /// 60 s, 1 hour, 15 minutes.
    fn default() -> Self {
        Self { authorization_code: 60, access_token: 3600, ticket: 900 }
    }
}

/// The configuration of a built server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The issuer identifier (RFC 8414 section 2), to the byte as it was configured.
    pub issuer: Issuer,
    /// The URL the endpoints' paths are appended to; the issuer unless it was set.
    pub base_url: String,
    /// The path of the host's own authorization endpoint below `base_url`.
    pub authorization_path: String,
    /// Lifetimes, in seconds.
    pub lifetimes: Lifetimes,
    /// The policy for refresh tokens; `None` when the grant is not registered.
    pub refresh_policy: Option<RefreshPolicy>,
    /// `scopes_supported` of the metadata; empty: not published.
    pub scopes_supported: Scope,
    /// The authentication context classes that the host's login can bring about.
    pub acr_values_supported: Vec<String>,
}

impl Config {
    pub(crate) fn new(issuer: &str) -> Self {
        Self {
            issuer: issuer.into(),
            base_url: issuer.to_owned(),
            authorization_path: "/authorize".to_owned(),
            lifetimes: Lifetimes::default(),
            refresh_policy: None,
            scopes_supported: Scope::empty(),
            acr_values_supported: Vec::new(),
        }
    }

    /// The URL of the endpoint at `path`.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url.trim_end_matches('/'))
    }

    /// The path of [`Self::base_url`], without a slash at its end.
    pub(crate) fn base_path(&self) -> &str {
        path_of(&self.base_url)
    }

    /// The path of the issuer, without a slash at its end (RFC 8414 section 3.1).
    pub(crate) fn issuer_path(&self) -> &str {
        path_of(self.issuer.as_str())
    }

    /// What is wrong with the URLs and lifetimes, if anything.
    pub(crate) fn contradiction(&self) -> Option<&'static str> {
        let Lifetimes { authorization_code, access_token, ticket } = self.lifetimes;
        if !is_endpoint_url(self.issuer.as_str()) {
            Some(
                "the issuer must be an https URL (http on a loopback host) in its normal form, without query and \
                 fragment (RFC 8414 section 2)",
            )
        } else if !is_endpoint_url(&self.base_url) {
            Some(
                "the base URL must be an https URL (http on a loopback host) in its normal form, without query \
                 and fragment",
            )
        } else if !(1..=600).contains(&authorization_code) {
            Some("an authorization code lives 1 to 600 seconds (RFC 6749 section 4.1.2)")
        } else if access_token == 0 {
            Some("the access token's lifetime is zero")
        } else if ticket == 0 {
            Some("the ticket's lifetime is zero")
        } else {
            self.refresh_policy.as_ref().and_then(RefreshPolicy::contradiction)
        }
    }
}

fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split_once('/')
        .map_or("", |(authority, _)| rest.strip_prefix(authority).unwrap_or_default())
        .trim_end_matches('/')
}

/// Whether `text` can stand behind the base URL as it is.
pub(crate) fn is_path(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'%' | b'\\');
    text.starts_with('/') && text.bytes().all(is_plain)
}

fn is_endpoint_url(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    // Whoever compares issuers as text must see what a URL parser sees.
    let is_normal = url.as_str().trim_end_matches('/') == text.trim_end_matches('/');
    is_https_or_loopback(&url) && is_normal && !text.contains(['?', '#', '@', '%'])
}

/// Whether what travels to the URL is safe from others: https, or http to this machine.
pub(crate) fn is_https_or_loopback(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback)
}
