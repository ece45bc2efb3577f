use std::fmt;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderValue, WWW_AUTHENTICATE};
use http::{Response, StatusCode};

use crate::error::Error;
use crate::wire::error_json;

/// Why a request to an API is refused, and the answer that says so (RFC 6750 section 3, RFC 9470 section 3, RFC 9728
/// section 5.1).
#[derive(Debug)]
pub struct Refused {
    error: Option<Box<Error>>,
    /// What the challenge says beside the error. Nothing in it has to be escaped in a quoted string.
    attributes: Vec<(&'static str, String)>,
}

impl Refused {
    /// No token came.
    pub(super) const fn no_token() -> Self {
        Self { error: None, attributes: Vec::new() }
    }

    /// Adds an attribute to the challenge.
    pub(super) fn with(mut self, name: &'static str, value: String) -> Self {
        self.attributes.push((name, value));
        self
    }

    /// What is wrong: the request is malformed (400), the token is not active (401), its scope too narrow (403) or its
    /// user's login too weak or too old (401), or it cannot be told (503). `None`: no token came, which is no error
    /// where anybody is served.
    pub fn error(&self) -> Option<&Error> {
        self.error.as_deref()
    }

    /// The answer: status, `WWW-Authenticate` and, where there is an error, JSON.
    pub fn response(&self) -> Response<Bytes> {
        let mut response = match self.error() {
            None => unauthorized(),
            Some(error) => error_json(error),
        };
        if response.status().is_client_error()
            && let Ok(challenge) = HeaderValue::from_str(&self.challenge())
        {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }

    fn challenge(&self) -> String {
        let error = self.error().map(|error| {
            let description = error.description().into_owned();
            [("error", error.code().as_str().to_owned()), ("error_description", description)]
        });
        let attributes = error.iter().flatten().chain(&self.attributes);
        let attributes: Vec<String> = attributes.map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        format!("Bearer {}", attributes.join(", ")).trim_end().to_owned()
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { error: Some(Box::new(error)), attributes: Vec::new() }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.error() {
            Some(error) => error.fmt(f),
            None => f.write_str("no access token"),
        }
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error()?.source()
    }
}

/// RFC 6750 section 3.1: who sent no token is told nothing of errors.
fn unauthorized() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
