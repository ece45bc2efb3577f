//! How long a response may be used (RFC 9111 section 4.2).

use std::num::IntErrorKind;
use std::time::UNIX_EPOCH;

use http::HeaderMap;
use http::header::{AGE, CACHE_CONTROL, DATE, EXPIRES, HeaderName};

use crate::clock::Timestamp;

/// Seconds for a response that does not say.
const UNSAID: u64 = 300;

/// The least, whatever the response says: else every use would cost a request.
const LEAST: u64 = 5;

/// The most: what was withdrawn is out of use within a day.
const MOST: u64 = 24 * 3600;

/// For how many seconds a response may be used, from the moment it was asked for.
pub(super) fn lifetime(headers: &HeaderMap, asked: Timestamp) -> u64 {
    max_age(headers).or_else(|| until_expiry(headers, asked)).unwrap_or(UNSAID).clamp(LEAST, MOST)
}

/// What `Cache-Control` and `Age` leave; of several `max-age` the shortest.
fn max_age(headers: &HeaderMap) -> Option<u64> {
    let mut seconds = None;
    let fields = headers.get_all(CACHE_CONTROL).iter().filter_map(|field| field.to_str().ok());
    for directive in fields.flat_map(|field| field.split(',')) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => seconds = Some(0),
            "max-age" => seconds = Some(delta_seconds(value).min(seconds.unwrap_or(u64::MAX))),
            _ => (),
        }
    }
    let age = text(headers, AGE).map_or(0, delta_seconds);
    seconds.map(|seconds| seconds.saturating_sub(age))
}

/// What `Expires` and `Date` leave.
fn until_expiry(headers: &HeaderMap, asked: Timestamp) -> Option<u64> {
    // What is no date, such as "0", has passed (RFC 9111 section 5.3).
    let expires = date(text(headers, EXPIRES)?).unwrap_or_default();
    Some(expires.since(text(headers, DATE).and_then(date).unwrap_or(asked)))
}

/// A number of seconds, quoted or not; 0 if it is none (RFC 9111 sections 1.2.2 and 4.2.1).
fn delta_seconds(value: &str) -> u64 {
    match value.trim().trim_matches('"').parse() {
        Ok(seconds) => seconds,
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => u64::MAX,
        Err(_) => 0,
    }
}

fn date(value: &str) -> Option<Timestamp> {
    let since_epoch = httpdate::parse_http_date(value).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_unix(since_epoch.as_secs()))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_say_how_long_within_bounds() {
        const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
        const IN_TEN_MINUTES: &str = "Sun, 06 Nov 1994 08:59:37 GMT";
        let asked = date(NOW).unwrap();
        let table: &[(&[(HeaderName, &str)], u64)] = &[
            (&[], UNSAID),
            (&[(CACHE_CONTROL, "public")], UNSAID),
            (&[(CACHE_CONTROL, "max-age=3600")], 3600),
            (&[(CACHE_CONTROL, "public, Max-Age = \"3600\" ,must-revalidate")], 3600),
            (&[(CACHE_CONTROL, "max-age=3600, max-age=1800")], 1800),
            (&[(CACHE_CONTROL, "max-age=3600"), (CACHE_CONTROL, "max-age=1800")], 1800),
            (&[(CACHE_CONTROL, "max-age=3600"), (AGE, "600")], 3000),
            (&[(CACHE_CONTROL, "max-age=3600"), (AGE, "99999")], LEAST),
            (&[(CACHE_CONTROL, "max-age=3600"), (AGE, "-1")], 3600),
            (&[(CACHE_CONTROL, "max-age=3600"), (EXPIRES, IN_TEN_MINUTES)], 3600),
            (&[(CACHE_CONTROL, "max-age=3600, no-store")], LEAST),
            (&[(CACHE_CONTROL, "no-cache, max-age=3600")], LEAST),
            (&[(CACHE_CONTROL, "max-age=0")], LEAST),
            (&[(CACHE_CONTROL, "max-age=soon")], LEAST),
            (&[(CACHE_CONTROL, "max-age")], LEAST),
            (&[(CACHE_CONTROL, "max-age=31536000")], MOST),
            (&[(CACHE_CONTROL, "max-age=99999999999999999999999")], MOST),
            (&[(EXPIRES, IN_TEN_MINUTES)], 600),
            (&[(EXPIRES, IN_TEN_MINUTES), (DATE, "Sun, 06 Nov 1994 08:54:37 GMT")], 300),
            (&[(EXPIRES, NOW)], LEAST),
            (&[(EXPIRES, "0")], LEAST),
            (&[(EXPIRES, "Fri, 31 Dec 9999 23:59:59 GMT")], MOST),
        ];
        for (fields, seconds) in table {
            let mut headers = HeaderMap::new();
            for (name, value) in *fields {
                headers.append(name, value.parse().unwrap());
            }
            assert_eq!(lifetime(&headers, asked), *seconds, "{fields:?}");
        }
    }
}
