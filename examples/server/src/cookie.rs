//! The session cookie: a random id and nothing else.

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponseParts, ResponseParts};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantwell::{Randomness as _, SystemRandomness};

/// What the cookie holds: 256 random bits, as base64url. It opens a session, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SessionId(String);

impl SessionId {
    pub(crate) fn random() -> Self {
        let mut bytes = [0; 32];
        SystemRandomness.fill(&mut bytes);
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        (bytes.len() == 32).then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// How the cookie is named and guarded.
#[derive(Clone, Copy)]
pub(crate) struct CookieJar {
    is_https: bool,
}

impl CookieJar {
    pub(crate) const fn new(is_https: bool) -> Self {
        Self { is_https }
    }

    /// With the prefix, browsers take the cookie from this very host alone, and over TLS.
    const fn name(self) -> &'static str {
        if self.is_https { "__Host-grantwell_as" } else { "grantwell_as" }
    }

    /// The id that the browser sent, if it is one.
    pub(crate) fn read(self, headers: &HeaderMap) -> Option<SessionId> {
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(|(name, _)| *name == self.name()).find_map(|(_, id)| SessionId::parse(id))
    }

    /// The id that the browser sent, or a new one that it is given with the answer.
    pub(crate) fn read_or_set(self, headers: &HeaderMap) -> (SessionId, Option<SetCookie>) {
        match self.read(headers) {
            Some(id) => (id, None),
            None => {
                let id = SessionId::random();
                let set = self.set(&id);
                (id, Some(set))
            }
        }
    }

    pub(crate) fn set(self, id: &SessionId) -> SetCookie {
        self.cookie(id.as_str(), "")
    }

    pub(crate) fn clear(self) -> SetCookie {
        self.cookie("", "; Max-Age=0")
    }

    fn cookie(self, value: &str, end: &str) -> SetCookie {
        let secure = if self.is_https { "; Secure" } else { "" };
        SetCookie(format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{end}", self.name()))
    }
}

/// The part of an answer that sets the cookie.
pub(crate) struct SetCookie(String);

impl IntoResponseParts for SetCookie {
    type Error = <[(HeaderName, String); 1] as IntoResponseParts>::Error;

    fn into_response_parts(self, parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        [(SET_COOKIE, self.0)].into_response_parts(parts)
    }
}
