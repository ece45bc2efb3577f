use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// Names that an authorization response adds to the redirect URI, so the URI may not bring them itself.
const RESPONSE_PARAMETERS: [&str; 11] = [
    "code",
    "state",
    "iss",
    "error",
    "error_description",
    "error_uri",
    "response",
    "access_token",
    "token_type",
    "expires_in",
    "id_token",
];

/// A redirect URI that may be registered (RFC 6749 section 3.1.2, RFC 8252 section 7, RFC 9700 section 2.6).
///
/// It is https; or http on a loopback host; or a private-use scheme that contains a dot. It has no fragment, no
/// user information and no parameter of an authorization response in its query. The text is kept to the byte.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct RedirectUri {
    text: String,
    host: Option<String>,
    loopback: Option<Loopback>,
}

/// Where the port stands in a loopback URI: the text before it and the text after it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Loopback {
    before_port: String,
    after_port: String,
    is_localhost: bool,
}

/// Why a URI may not be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRedirectUri {
    /// Not an absolute URI of visible ASCII characters.
    #[error("not an absolute URI of visible ASCII characters")]
    Malformed,
    /// A fragment (RFC 6749 section 3.1.2).
    #[error("a redirect URI has no fragment (RFC 6749 section 3.1.2)")]
    Fragment,
    /// A user name or password.
    #[error("a redirect URI has no user information")]
    UserInformation,
    /// Plain http away from loopback, or a private-use scheme without a dot.
    #[error("the scheme is https, http on a loopback host, or a private-use scheme with a dot (RFC 8252 section 7)")]
    Scheme,
    /// A response parameter in the query.
    #[error("the query has a parameter of an authorization response")]
    ResponseParameter,
}

impl RedirectUri {
    /// The URI, byte for byte.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host that receives the answer; a private-use URI has none, its scheme stands for it.
    pub fn host(&self) -> &str {
        self.host.as_deref().unwrap_or_else(|| self.text.split(':').next().unwrap_or_default())
    }

    /// Whether only the holder of a host name can receive what is sent there.
    pub fn is_https(&self) -> bool {
        self.text.starts_with("https:")
    }

    /// Whether `requested` is this URI: the same string, or the same loopback URI on another port (RFC 8252
    /// section 7.3). `localhost` says whether the name `localhost` counts as loopback too.
    pub fn matches(&self, requested: &str, localhost: bool) -> bool {
        self.text == requested
            || self.loopback.as_ref().is_some_and(|own| (localhost || !own.is_localhost) && own.matches(requested))
    }

    /// The text without a loopback port, to compare what is remembered.
    pub fn without_loopback_port(&self) -> String {
        match &self.loopback {
            Some(own) => format!("{}{}", own.before_port, own.after_port),
            None => self.text.clone(),
        }
    }
}

impl Loopback {
    fn of(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("http://")?;
        let host = ["127.0.0.1", "[::1]", "localhost"].into_iter().find(|host| rest.starts_with(host))?;
        let rest = rest.strip_prefix(host)?;
        let after_port = strip_port(rest);
        (after_port.is_empty() || after_port.starts_with(['/', '?'])).then(|| Self {
            before_port: format!("http://{host}"),
            after_port: after_port.to_owned(),
            is_localhost: host == "localhost",
        })
    }

    fn matches(&self, requested: &str) -> bool {
        requested.strip_prefix(&self.before_port).is_some_and(|rest| strip_port(rest) == self.after_port)
    }
}

/// `rest` without a leading `:port`, when that is a port.
fn strip_port(rest: &str) -> &str {
    let Some(after_colon) = rest.strip_prefix(':') else { return rest };
    let path = after_colon.trim_start_matches(|c: char| c.is_ascii_digit());
    let port = after_colon.strip_suffix(path).unwrap_or_default();
    if port.parse::<u16>().is_ok_and(|port| port != 0) { path } else { rest }
}

/// Schemes that a browser runs, reads or keeps to itself; never an application's own.
const NOT_PRIVATE: [&str; 9] =
    ["about", "blob", "chrome", "data", "file", "filesystem", "javascript", "vbscript", "view-source"];

impl RedirectUri {
    /// A URI of any private-use scheme, also one without a dot; see [`crate::danger`].
    pub(crate) fn of_private_use(text: &str) -> Result<Self, InvalidRedirectUri> {
        Self::parse(text, |scheme| !NOT_PRIVATE.contains(&scheme))
    }

    fn parse(text: &str, is_private: fn(&str) -> bool) -> Result<Self, InvalidRedirectUri> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte)) {
            return Err(InvalidRedirectUri::Malformed);
        }
        let url = Url::parse(text).map_err(|_| InvalidRedirectUri::Malformed)?;
        if url.fragment().is_some() {
            return Err(InvalidRedirectUri::Fragment);
        }
        if !url.username().is_empty() || url.password().is_some() || authority(text).contains('@') {
            return Err(InvalidRedirectUri::UserInformation);
        }
        let loopback = Loopback::of(text);
        let scheme_is_allowed = match url.scheme() {
            "https" => !authority(text).is_empty(),
            "http" => loopback.is_some(),
            scheme => is_private(scheme),
        };
        if !scheme_is_allowed {
            return Err(InvalidRedirectUri::Scheme);
        }
        if url.query_pairs().any(|(name, _)| RESPONSE_PARAMETERS.contains(&name.as_ref())) {
            return Err(InvalidRedirectUri::ResponseParameter);
        }
        let host = url.host().as_ref().map(Host::to_string).filter(|_| matches!(url.scheme(), "https" | "http"));
        Ok(Self { text: text.to_owned(), host, loopback })
    }
}

impl FromStr for RedirectUri {
    type Err = InvalidRedirectUri;

    fn from_str(text: &str) -> Result<Self, InvalidRedirectUri> {
        Self::parse(text, |scheme| scheme.contains('.'))
    }
}

/// What stands between `//` and the path.
fn authority(text: &str) -> &str {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or_default()
}

impl TryFrom<String> for RedirectUri {
    type Error = InvalidRedirectUri;

    fn try_from(text: String) -> Result<Self, InvalidRedirectUri> {
        text.parse()
    }
}

impl From<RedirectUri> for String {
    fn from(uri: RedirectUri) -> Self {
        uri.text
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> RedirectUri {
        text.parse().unwrap()
    }

    #[test]
    fn what_may_be_registered() {
        for good in [
            "https://app.example/cb",
            "https://app.example",
            "https://app.example/cb?a=1",
            "http://127.0.0.1/cb",
            "http://[::1]:8080/",
            "http://localhost:8000/callback",
            "com.example.app:/cb",
        ] {
            assert!(good.parse::<RedirectUri>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "/cb",
            "app.example/cb",
            "http://app.example/cb",
            "https://u@app.example/",
            "https://@app.example/",
            "https://app.example/cb#f",
            "https://app.example/cb#",
            "myapp:/cb",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://app.example/c b",
            "https://app.example/é",
            "https://app.example/?code=1",
            "https://a.example/?x=1&iss=2",
            "http://127.0.0.1.evil.example/",
            "http://localhost@evil.example/",
            "http://localhost:80@evil.example/cb",
            "http://127.0.0.2/",
            "http://0x7f.1/",
            "https:app.example/cb",
            "https://",
            "http://localhost:99999/",
            "https:///@app.example/cb",
            "http://[::1",
        ] {
            assert!(bad.parse::<RedirectUri>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_a_loopback_port_varies() {
        let loopback = uri("http://127.0.0.1:5000/cb?a=1");
        assert!(loopback.matches("http://127.0.0.1:61023/cb?a=1", true));
        assert!(loopback.matches("http://127.0.0.1/cb?a=1", true));
        for other in [
            "http://127.0.0.1:61023/cb",
            "http://127.0.0.1:61023/cb/?a=1",
            "http://localhost:5000/cb?a=1",
            "http://127.0.0.1:0/cb?a=1",
            "http://127.0.0.1:/cb?a=1",
            "http://127.0.0.1:65536/cb?a=1",
            "http://127.0.0.1:+80/cb?a=1",
            "https://127.0.0.1:5000/cb?a=1",
            "http://x@127.0.0.1:5000/cb?a=1",
        ] {
            assert!(!loopback.matches(other, true), "{other}");
        }
        assert!(uri("http://localhost/cb").matches("http://localhost:1/cb", true));
        assert!(!uri("http://localhost/cb").matches("http://localhost:1/cb", false));
        assert!(!uri("https://app.example/cb").matches("https://app.example:444/cb", true));
    }
}
