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
    parse_form([form_body(request)?])
}

/// The body of a POST, if it is a form and not too large.
pub(crate) fn form_body(request: &Request<Bytes>) -> Result<&[u8], Error> {
    if request.method() != Method::POST {
        return Err(Error::method_not_allowed("POST"));
    }
    if request.body().len() > MAX_BODY {
        let error = Error::new(ErrorCode::InvalidRequest, "the body is too large");
        return Err(error.with_status(StatusCode::PAYLOAD_TOO_LARGE));
    }
    if !is_form(request.headers()) {
        let error = Error::new(ErrorCode::InvalidRequest, "the body must be application/x-www-form-urlencoded");
        return Err(error.with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    Ok(request.body())
}

fn is_form(headers: &HeaderMap) -> bool {
    let Some(content_type) = one(headers, CONTENT_TYPE) else { return false };
    let (media_type, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let (parameter, charset) = parameters.split_once('=').unwrap_or((parameters, ""));
    let is_utf8 = parameter.trim().eq_ignore_ascii_case("charset")
        && charset.trim().trim_matches('"').eq_ignore_ascii_case("utf-8");
    media_type.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
        && (is_utf8 || parameters.trim().is_empty())
        && !headers.contains_key(CONTENT_ENCODING)
}

/// A header that stands exactly once and is visible ASCII.
fn one(headers: &HeaderMap, name: http::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// The credentials of `Authorization: Basic`, each half form-decoded once (RFC 6749 section 2.3.1); `None` when no
/// such header came.
///
/// # Errors
/// `invalid_client`: more than one header, or one that is not well-formed.
pub(crate) fn basic_credentials(headers: &HeaderMap) -> Result<Option<(String, Secret)>, Error> {
    let malformed = || Error::new(ErrorCode::InvalidClient, "the Authorization header is not well-formed");
    let Some(value) = authorization(headers, "basic").map_err(|_| malformed())? else { return Ok(None) };
    let encoded = credentials(value).ok_or_else(malformed)?;
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
    let Some(value) = authorization(headers, "bearer").map_err(|_| malformed())? else { return Ok(None) };
    let token = credentials(value).ok_or_else(malformed)?;
    let is_b64token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.len() > super::MAX_VALUE || !token.bytes().all(is_b64token) {
        return Err(malformed());
    }
    Ok(Some(token))
}

/// More than one Authorization header, or one that is not visible ASCII.
struct Malformed;

/// The Authorization header, if it is of that scheme (RFC 9110 section 11.4).
fn authorization<'a>(headers: &'a HeaderMap, scheme: &str) -> Result<Option<&'a str>, Malformed> {
    if !headers.contains_key(AUTHORIZATION) {
        return Ok(None);
    }
    let value = one(headers, AUTHORIZATION).ok_or(Malformed)?;
    let name = value.split(' ').next().unwrap_or_default();
    Ok(name.eq_ignore_ascii_case(scheme).then_some(value))
}

/// What follows the scheme and its spaces, if anything does.
fn credentials(value: &str) -> Option<&str> {
    let rest = value.split_once(' ')?.1.trim_start_matches(' ');
    (!rest.is_empty()).then_some(rest)
}
