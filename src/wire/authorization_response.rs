use std::fmt::Write as _;

use bytes::Bytes;
use http::{Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{escape, html, see_other};

/// How the parameters of an authorization response travel (OAuth 2.0 Multiple Response Types section 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResponseMode {
    /// In the query of the redirect URI.
    Query,
    /// In its fragment.
    Fragment,
    /// In a form that the user agent posts to it (OAuth 2.0 Form Post Response Mode).
    FormPost,
}

impl ResponseMode {
    /// Every mode, in the order the metadata names them.
    pub const ALL: [Self; 3] = [Self::Query, Self::Fragment, Self::FormPost];

    /// The mode's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Fragment => "fragment",
            Self::FormPost => "form_post",
        }
    }

    /// The mode of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == name)
    }
}

/// RFC 3986 `unreserved` stays as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Submits the only form of the page; its digest stands in the page's content security policy.
const SUBMIT: &str = "document.forms[0].submit()";
const SUBMIT_POLICY: &str = "default-src 'none'; script-src 'sha256-ePniVEkSivX/c7XWBGafqh8tSpiRrKiqYeqbG7N1TOE='; \
    frame-ancestors 'none'; base-uri 'none'";

/// Sends `params` to `redirect_uri` by `mode`; always a 303 or a page that posts (RFC 9700 section 4.12).
pub(crate) fn authorization_response(
    redirect_uri: &str,
    mode: ResponseMode,
    params: &[(&str, String)],
) -> Response<Bytes> {
    match mode {
        ResponseMode::Query => {
            let separator = if redirect_uri.contains('?') { '&' } else { '?' };
            see_other(&format!("{redirect_uri}{separator}{}", encode(params)))
        }
        ResponseMode::Fragment => see_other(&format!("{redirect_uri}#{}", encode(params))),
        ResponseMode::FormPost => form_post(redirect_uri, params),
    }
}

/// `params` as `application/x-www-form-urlencoded`; a space is `%20`, which every decoder reads.
pub(crate) fn encode<N: AsRef<str>, V: AsRef<str>>(params: &[(N, V)]) -> String {
    let mut encoded = String::new();
    for (name, value) in params {
        let separator = if encoded.is_empty() { "" } else { "&" };
        let name = utf8_percent_encode(name.as_ref(), ESCAPED);
        let value = utf8_percent_encode(value.as_ref(), ESCAPED);
        let _ = write!(encoded, "{separator}{name}={value}");
    }
    encoded
}

fn form_post(redirect_uri: &str, params: &[(&str, String)]) -> Response<Bytes> {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Continue</title>\
         <form method=\"post\" action=\"{}\">",
        escape(redirect_uri)
    );
    for (name, value) in params {
        let _ = write!(page, "<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(name), escape(value));
    }
    let _ = write!(page, "<noscript><button>Continue</button></noscript></form><script>{SUBMIT}</script></html>");
    html(StatusCode::OK, page, SUBMIT_POLICY)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn the_policy_of_the_form_names_its_script() {
        let digest = STANDARD.encode(Sha256::digest(SUBMIT));
        assert!(SUBMIT_POLICY.contains(&format!("'sha256-{digest}'")), "{digest}");
    }

    #[test]
    fn a_registered_query_is_kept() {
        let response =
            authorization_response("https://c.example/cb?a=1", ResponseMode::Query, &[("state", "a b&=".to_owned())]);
        assert_eq!(response.headers()["location"], "https://c.example/cb?a=1&state=a%20b%26%3D");
    }
}
