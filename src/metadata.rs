//! The server's metadata (RFC 8414 section 2), made of what each registered part says of itself.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::config::Config;
use crate::wire::ResponseMode;

/// The metadata document while the parts add to it.
#[derive(Clone, Debug, Default, Serialize)]
#[expect(missing_docs, reason = "the names are RFC 8414's")]
#[non_exhaustive]
pub struct Metadata {
    pub issuer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// Required by RFC 8414, so it is there even when it is empty.
    pub response_types_supported: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub response_modes_supported: Vec<String>,
    /// Always there: without it a reader would assume `authorization_code` and `implicit`.
    pub grant_types_supported: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub token_endpoint_auth_methods_supported: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub code_challenge_methods_supported: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_response_iss_parameter_supported: Option<bool>,
    /// Members of other specifications, and the host's own.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl Metadata {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            issuer: config.issuer.as_str().to_owned(),
            scopes_supported: config.scopes_supported.iter().map(str::to_owned).collect(),
            ..Self::default()
        }
    }

    /// Adds what goes with an authorization endpoint (RFC 8414 section 2, RFC 9207 section 3).
    pub(crate) fn add_authorization_endpoint(&mut self, config: &Config) {
        self.authorization_endpoint = Some(config.url(&config.authorization_path));
        self.response_modes_supported = ResponseMode::ALL.map(|mode| mode.as_str().to_owned()).into();
        self.authorization_response_iss_parameter_supported = Some(true);
        if !config.acr_values_supported.is_empty() {
            self.other.insert("acr_values_supported".to_owned(), json!(config.acr_values_supported));
        }
    }
}
