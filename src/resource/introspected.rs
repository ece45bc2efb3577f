use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode, Uri};
use serde::Deserialize;
use url::form_urlencoded::byte_serialize;

use super::access::TokenClaims;
use super::{Access, TokenSource};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorCode};
use crate::model::{ClientId, Issuer};
use crate::outbound::HttpClient;
use crate::secret::Secret;
use crate::wire::{MAX_BODY, encode};

/// The tokens of an authorization server that is asked about each of them (RFC 7662).
///
/// Every request to the API asks; nothing is kept, so that revocation counts at once. The authorization server is shown
/// every token that comes here, unless a source before this one knows it. While it does not answer, or not as it
/// should, the API answers 503.
pub struct IntrospectedTokens {
    issuer: Issuer,
    endpoint: Uri,
    client_id: ClientId,
    secret: Secret,
    http: Arc<dyn HttpClient>,
}

impl IntrospectedTokens {
    /// The tokens of `issuer`, which is asked at its introspection endpoint. There this API is the client `client_id`, which
    /// authenticates by `client_secret_basic`.
    pub fn new(
        issuer: impl Into<Issuer>,
        endpoint: Uri,
        client_id: impl Into<ClientId>,
        secret: Secret,
        http: Arc<dyn HttpClient>,
    ) -> Self {
        Self { issuer: issuer.into(), endpoint, client_id: client_id.into(), secret, http }
    }

    fn request(&self, token: &str) -> Result<Request<Bytes>, http::Error> {
        let [client_id, secret] = [self.client_id.as_str(), self.secret.expose()]
            .map(|half| byte_serialize(half.as_bytes()).collect::<String>());
        let credentials = STANDARD.encode(format!("{client_id}:{secret}"));
        let mut authorization = HeaderValue::try_from(format!("Basic {credentials}"))?;
        authorization.set_sensitive(true);
        Request::post(self.endpoint.clone())
            .header(AUTHORIZATION, authorization)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(encode(&[("token", token), ("token_type_hint", "access_token")]).into())
    }

    /// What the answer says of the token, if it is active and of this issuer.
    fn read(&self, answer: &[u8], now: Timestamp) -> Result<Option<Access>, &'static str> {
        let answer: Answer = serde_json::from_slice(answer).map_err(|_| "the answer is not one of RFC 7662")?;
        let is_active_here = answer.active
            && answer.iss.as_deref().is_none_or(|iss| iss == self.issuer.as_str())
            && answer.token_type.is_none_or(|name| name.eq_ignore_ascii_case("bearer"))
            && answer.exp.is_none_or(|exp| now < exp)
            && answer.nbf.is_none_or(|nbf| nbf <= now)
            && !answer.claims.is_bound();
        if !is_active_here {
            return Ok(None);
        }
        let access = answer.claims.into_access(&self.issuer, answer.sub).ok_or("the answer names no client")?;
        let audience = match answer.aud {
            None => Vec::new(),
            Some(Audience::One(one)) => vec![one],
            Some(Audience::Many(many)) => many,
        };
        Ok(Some(Access { audience, issued_at: answer.iat, expires_at: answer.exp, ..access }))
    }
}

/// An answer (RFC 7662 section 2.2).
#[derive(Deserialize)]
struct Answer {
    active: bool,
    iss: Option<String>,
    token_type: Option<String>,
    sub: Option<String>,
    aud: Option<Audience>,
    exp: Option<Timestamp>,
    nbf: Option<Timestamp>,
    iat: Option<Timestamp>,
    #[serde(flatten)]
    claims: TokenClaims,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

#[async_trait]
impl TokenSource for IntrospectedTokens {
    fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    async fn access(&self, token: &str, now: Timestamp) -> Result<Option<Access>, Error> {
        let request = self.request(token).map_err(cannot_tell)?;
        let answer = self.http.send(request).await.map_err(cannot_tell)?;
        self.read(body(&answer).map_err(cannot_tell)?, now).map_err(cannot_tell)
    }
}

/// The JSON of a response.
fn body(response: &Response<Bytes>) -> Result<&[u8], &'static str> {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if response.status() != StatusCode::OK {
        Err("the introspection endpoint does not answer 200")
    } else if !media_type.eq_ignore_ascii_case("application/json") || response.body().len() > MAX_BODY {
        Err("the introspection endpoint does not answer JSON of at most 64 KiB")
    } else {
        Ok(response.body())
    }
}

/// Whoever cannot ask knows nothing: it is "not now", never "no".
fn cannot_tell(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    Error::new(ErrorCode::TemporarilyUnavailable, "the access token cannot be checked now").caused_by(cause)
}

impl fmt::Debug for IntrospectedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectedTokens").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
