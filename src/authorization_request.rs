//! An authorization request (RFC 6749 section 4.1.1) that passed every check and waits for its user.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;

use crate::clock::Timestamp;
use crate::config::Config;
use crate::error::Error;
use crate::model::{AccessTokenFormat, Client, Kept, RedirectUri, Scope};
use crate::wire::{Params, ResponseMode, authorization_response};

/// A value of `prompt` (OpenID Connect Core section 3.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prompt {
    /// Show nothing; answer at once.
    None,
    /// Ask the user to prove who they are again.
    Login,
    /// Ask for consent even where it was given before.
    Consent,
    /// Let the user choose another account.
    SelectAccount,
}

impl Prompt {
    /// The prompt of that name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "none" => Some(Self::None),
            "login" => Some(Self::Login),
            "consent" => Some(Self::Consent),
            "select_account" => Some(Self::SelectAccount),
            _ => None,
        }
    }
}

/// Where and how an answer goes: a client and redirect URI that are proven to belong together.
#[derive(Clone, Debug)]
pub struct ResponseTarget {
    /// The client.
    pub client: Arc<Client>,
    /// One of its redirect URIs, with the port asked for on loopback.
    pub redirect_uri: RedirectUri,
    /// How the answer travels.
    pub response_mode: ResponseMode,
    /// To be returned to the byte.
    pub state: Option<String>,
}

impl ResponseTarget {
    /// Sends `params` there, with `state` and `iss` (RFC 9207).
    pub(crate) fn respond(&self, config: &Config, mut params: Vec<(&str, String)>) -> Response<Bytes> {
        if let Some(state) = &self.state {
            params.push(("state", state.clone()));
        }
        params.push(("iss", config.issuer.to_string()));
        authorization_response(self.redirect_uri.as_str(), self.response_mode, &params)
    }

    /// Sends the error there (RFC 6749 section 4.1.2.1).
    pub(crate) fn refuse(&self, config: &Config, error: &Error) -> Response<Bytes> {
        let code = error.code().as_str().to_owned();
        self.respond(config, vec![("error", code), ("error_description", error.description().into_owned())])
    }
}

/// A checked authorization request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AuthorizationRequest {
    /// Where the answer goes.
    pub target: ResponseTarget,
    /// Whether `redirect_uri` stood in the request; the token request must then repeat it.
    pub has_redirect_uri: bool,
    /// `response_type`.
    pub response_type: String,
    /// What is asked for; the client's registered scope if nothing was named.
    pub scope: Scope,
    /// The resources it is for (RFC 8707), by the names that stand in `aud`; empty: those the server protects by
    /// default.
    pub resources: Vec<String>,
    /// The form of an access token that the response itself carries, where the resources say.
    pub token_format: Option<AccessTokenFormat>,
    /// `prompt`.
    pub prompts: BTreeSet<Prompt>,
    /// Seconds since the login at which it is too old (OpenID Connect Core section 3.1.2.1).
    pub max_age: Option<u64>,
    /// `acr_values`, the best first, as far as the host supports them: one of them must be met.
    pub acr_values: Vec<String>,
    /// What extensions keep, by their names.
    pub extensions: Kept,
    /// The parameters the server knows, to be parsed again when the user comes back.
    pub params: Params,
    /// When it was received.
    pub received_at: Timestamp,
}
