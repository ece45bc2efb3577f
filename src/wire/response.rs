use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde::Serialize;

use crate::error::{Error, ErrorCode};

/// How the authorization endpoint shows an error it cannot send to the client (RFC 6749 section 4.1.2.1).
pub trait ErrorPage: Send + Sync + 'static {
    /// The page, as HTML. Everything in `error` is static text, but escape it all the same.
    fn render(&self, error: &Error) -> String;
}

/// The default error page: one heading, one sentence.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainErrorPage;

impl ErrorPage for PlainErrorPage {
    fn render(&self, error: &Error) -> String {
        let description = escape(&error.description());
        let code = escape(error.code().as_str());
        format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Request refused</title>\
             <h1>This request cannot be completed</h1><p>{description}</p><p><code>{code}</code></p></html>"
        )
    }
}

/// Text made safe for an HTML text node or a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A JSON answer that no cache keeps (RFC 6749 section 5.1).
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response<Bytes> {
    match serde_json::to_vec(body) {
        Ok(bytes) => {
            let mut response = json_bytes(status, bytes.into());
            // RFC 6749 section 5.1 asks for it beside Cache-Control.
            set(&mut response, header::PRAGMA, HeaderValue::from_static("no-cache"));
            response
        }
        Err(cause) => error_json(&Error::new(ErrorCode::ServerError, "the answer has no JSON form").caused_by(cause)),
    }
}

/// Like [`json`], of bytes that are JSON already.
pub(crate) fn json_bytes(status: StatusCode, bytes: Bytes) -> Response<Bytes> {
    let mut response = respond(status, bytes);
    set(&mut response, header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// JSON that everybody may read, scripts of other origins too, and keep for `max_age` seconds.
pub(crate) fn document(bytes: Bytes, max_age: u64) -> Response<Bytes> {
    let mut response = json_bytes(StatusCode::OK, bytes);
    if let Ok(cache_control) = HeaderValue::try_from(format!("public, max-age={max_age}")) {
        set(&mut response, header::CACHE_CONTROL, cache_control);
    }
    set(&mut response, header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

/// The answer where nothing is served.
pub(crate) fn not_found() -> Response<Bytes> {
    json(StatusCode::NOT_FOUND, &serde_json::json!({ "error": "not_found" }))
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'a str,
    error_description: &'a str,
}

/// The error answer of RFC 6749 section 5.2.
pub(crate) fn error_json(error: &Error) -> Response<Bytes> {
    let description = error.description();
    let body = ErrorBody { error: error.code().as_str(), error_description: &description };
    let mut response = json(error.status(), &body);
    finish_error(&mut response, error);
    if matches!(error.code(), ErrorCode::InvalidClient) {
        set(&mut response, header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"client\""));
    }
    response
}

const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The error page of the authorization endpoint.
pub(crate) fn error_page(page: &dyn ErrorPage, error: &Error) -> Response<Bytes> {
    // At this endpoint the user agent speaks, not the client: a client that is unknown is no failed authentication.
    let status = match error.status() {
        StatusCode::UNAUTHORIZED => StatusCode::BAD_REQUEST,
        status => status,
    };
    let mut response = html(status, page.render(error), PAGE_POLICY);
    finish_error(&mut response, error);
    response
}

fn finish_error(response: &mut Response<Bytes>, error: &Error) {
    if let Some(seconds) = error.retry_after() {
        set(response, header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(methods) = error.allow() {
        set(response, header::ALLOW, HeaderValue::from_static(methods));
    }
}

/// An HTML page that cannot be framed, under the content security policy `policy`.
pub(super) fn html(status: StatusCode, page: String, policy: &'static str) -> Response<Bytes> {
    let mut response = respond(status, page.into());
    set(&mut response, header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    set(&mut response, header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

/// A redirect that is followed by GET, whatever the request was (RFC 9700 section 4.12).
pub(crate) fn see_other(location: &str) -> Response<Bytes> {
    match HeaderValue::from_str(location) {
        Ok(mut location) => {
            // It may carry a code: `Debug` does not show it.
            location.set_sensitive(true);
            let mut response = respond(StatusCode::SEE_OTHER, Bytes::new());
            set(&mut response, header::LOCATION, location);
            response
        }
        Err(cause) => error_json(&Error::new(ErrorCode::ServerError, "the redirect has no URI form").caused_by(cause)),
    }
}

fn respond(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().reserve(6);
    set(&mut response, header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    set(&mut response, header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    set(&mut response, header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn set(response: &mut Response<Bytes>, name: HeaderName, value: HeaderValue) {
    response.headers_mut().insert(name, value);
}
