use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::authorization_request::AuthorizationRequest;
use crate::context::Context;
use crate::error::{Error, ErrorCode};
use crate::issue::{Approved, Extension, TokenRequest};
use crate::metadata::Metadata;

/// Proof Key for Code Exchange (RFC 7636). Every server has it, with `S256` alone and required unless a client's
/// [`ClientPolicy::require_pkce`](crate::model::ClientPolicy) says otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pkce {
    allows_plain: bool,
}

impl Pkce {
    pub(crate) const fn allowing_plain() -> Self {
        Self { allows_plain: true }
    }
}

const NAME: &str = "pkce";

/// What is kept with the code.
#[derive(Serialize, Deserialize)]
struct Challenge {
    challenge: String,
    method: Method,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Method {
    S256,
    #[serde(rename = "plain")]
    Plain,
}

#[async_trait]
impl Extension for Pkce {
    fn name(&self) -> &'static str {
        NAME
    }

    fn parameters(&self) -> &'static [&'static str] {
        &["code_challenge", "code_challenge_method"]
    }

    fn metadata(&self, metadata: &mut Metadata) {
        if !metadata.response_types_supported.iter().any(|name| issues_code(name)) {
            return;
        }
        let methods = if self.allows_plain { &["S256", "plain"][..] } else { &["S256"] };
        metadata.code_challenge_methods_supported = methods.iter().map(|method| (*method).to_owned()).collect();
    }

    async fn authorize(&self, _: &Context, request: &mut AuthorizationRequest) -> Result<Option<Value>, Error> {
        if !issues_code(&request.response_type) {
            return Ok(None);
        }
        let (params, client) = (&request.params, &request.target.client);
        let method = params.get("code_challenge_method");
        let Some(challenge) = params.get("code_challenge") else {
            return match method {
                Some(_) => Err(Error::missing("code_challenge")),
                None if client.policy().require_pkce => Err(Error::missing("code_challenge")),
                None => Ok(None),
            };
        };
        let refuse = |description| Error::new(ErrorCode::InvalidRequest, description);
        let method = match method.unwrap_or("plain") {
            "S256" => Method::S256,
            "plain" if self.allows_plain => Method::Plain,
            _ => return Err(refuse("code_challenge_method is not allowed")),
        };
        let is_well_formed = match method {
            Method::S256 => challenge.len() == 43 && challenge.bytes().all(is_base64url),
            Method::Plain => is_verifier(challenge),
        };
        if !is_well_formed {
            return Err(refuse("code_challenge is not well-formed"));
        }
        let kept = Challenge { challenge: challenge.to_owned(), method };
        serde_json::to_value(kept).map(Some).map_err(|cause| refuse("code_challenge cannot be kept").caused_by(cause))
    }

    async fn check(&self, _: &Context, request: &TokenRequest<'_>, approved: &mut Approved) -> Result<(), Error> {
        // Only a code has something kept with it; no other grant takes a verifier.
        let Some(kept) = &approved.extensions else { return Ok(()) };
        match (kept.get(NAME), request.params.get("code_verifier")) {
            (None, None) => Ok(()),
            (Some(_), None) => Err(Error::invalid_grant("code_verifier is missing")),
            // Otherwise an attacker who strips the challenge from the request goes unnoticed (RFC 9700 section 4.8.2).
            (None, Some(_)) => Err(Error::invalid_grant("code_verifier without code_challenge")),
            (Some(kept), Some(verifier)) => match Challenge::deserialize(kept) {
                Ok(challenge) if challenge.is_met_by(verifier) => Ok(()),
                _ => Err(Error::invalid_grant("code_verifier does not match code_challenge")),
            },
        }
    }
}

impl Challenge {
    fn is_met_by(&self, verifier: &str) -> bool {
        let transformed = match self.method {
            Method::S256 => URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)),
            Method::Plain => verifier.to_owned(),
        };
        is_verifier(verifier) && bool::from(transformed.as_bytes().ct_eq(self.challenge.as_bytes()))
    }
}

fn issues_code(response_type: &str) -> bool {
    response_type.split(' ').any(|name| name == "code")
}

const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// RFC 7636 section 4.1: 43 to 128 unreserved characters.
fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len()) && text.bytes().all(|byte| is_base64url(byte) || matches!(byte, b'.' | b'~'))
}
