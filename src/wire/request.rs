use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use http::{Method, Request, StatusCode};

use super::{MAX_BODY, Params, decode, parse_form};
use crate::error::{Error, ErrorCode};
use crate::secret::Secret;

/// The address of the caller as the host knows it (its own socket, or a proxy header it has reason to trust).
///
/// Put into [`http::Request::extensions`] by the host; used for rate limiting and events, never for a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

/// The parameters of a POST with a form body (RFC 6749 section 3.2); the query is not read.
pub(crate) fn form(request: &Request<Bytes>) -> Result<Params, Error> {
    if request.method() != Method::POST {
        let error = Error::new(ErrorCode::InvalidRequest, "only POST is served here");
        return Err(error.with_status(StatusCode::METHOD_NOT_ALLOWED));
    }
    if request.body().len() > MAX_BODY {
        let error = Error::new(ErrorCode::InvalidRequest, "the body is too large");
        return Err(error.with_status(StatusCode::PAYLOAD_TOO_LARGE));
    }
    if !is_form(request.headers()) {
        let error = Error::new(ErrorCode::InvalidRequest, "the body must be application/x-www-form-urlencoded");
        return Err(error.with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    parse_form([request.body().as_ref()])
}

fn is_form(headers: &HeaderMap) -> bool {
    let Some(content_type) = one(headers, CONTENT_TYPE) else { return false };
    let (media_type, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let charset = parameters.trim().strip_prefix("charset=").unwrap_or(parameters.trim());
    media_type.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
        && (charset.is_empty() || charset.trim_matches('"').eq_ignore_ascii_case("utf-8"))
        && !headers.contains_key(CONTENT_ENCODING)
}

/// A header that stands exactly once and is visible ASCII.
fn one(headers: &HeaderMap, name: http::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// The credentials of `Authorization: Basic`, each half form-decoded once (RFC 6749 section 2.3.1).
///
/// # Errors
/// `invalid_client`: the header is there but is not that.
pub(crate) fn basic_credentials(headers: &HeaderMap) -> Result<Option<(String, Secret)>, Error> {
    if !headers.contains_key(AUTHORIZATION) {
        return Ok(None);
    }
    let malformed = || Error::new(ErrorCode::InvalidClient, "the Authorization header is not well-formed");
    let encoded = one(headers, AUTHORIZATION).and_then(|value| credentials(value, "basic")).ok_or_else(malformed)?;
    let decoded = STANDARD.decode(encoded).map_err(|_| malformed())?;
    let mut halves = decoded.splitn(2, |byte| *byte == b':');
    match (halves.next().map(decode), halves.next().map(decode)) {
        (Some(Ok(client_id)), Some(Ok(secret))) => Ok(Some((client_id, Secret::new(secret)))),
        _ => Err(malformed()),
    }
}

/// The token of `Authorization: Bearer` (RFC 6750 section 2.1); `None` when no such header came.
///
/// # Errors
/// `invalid_request`: more than one header, or one that is not well-formed.
pub(crate) fn bearer_token(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let malformed = || Error::new(ErrorCode::InvalidRequest, "the Authorization header is not well-formed");
    if !headers.contains_key(AUTHORIZATION) {
        return Ok(None);
    }
    let value = one(headers, AUTHORIZATION).ok_or_else(malformed)?;
    let scheme = value.split(' ').next().unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    let token = credentials(value, "bearer").ok_or_else(malformed)?;
    let is_b64token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.len() > super::MAX_VALUE || !token.bytes().all(is_b64token) {
        return Err(malformed());
    }
    Ok(Some(token))
}

/// What follows `scheme` and its spaces, if the header is of that scheme and anything follows (RFC 9110 section 11.4).
fn credentials<'a>(value: &'a str, scheme: &str) -> Option<&'a str> {
    let (name, rest) = value.split_once(' ')?;
    let rest = rest.trim_start_matches(' ');
    (name.eq_ignore_ascii_case(scheme) && !rest.is_empty()).then_some(rest)
}
