mod stored;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ClientId, RedirectUri, RefreshPolicy, Rotation, Scope};
use crate::clock::Timestamp;
use crate::error::StorageError;
use crate::secret::{Digest, Secret};

/// A client authentication method (RFC 7591 section 2, `token_endpoint_auth_method`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AuthMethod(Cow<'static, str>);

impl AuthMethod {
    /// A public client: it has no secret and does not authenticate.
    pub const NONE: Self = Self(Cow::Borrowed("none"));
    /// The secret in the Authorization header (RFC 6749 section 2.3.1).
    pub const CLIENT_SECRET_BASIC: Self = Self(Cow::Borrowed("client_secret_basic"));
    /// The secret in the body (RFC 6749 section 2.3.1).
    pub const CLIENT_SECRET_POST: Self = Self(Cow::Borrowed("client_secret_post"));

    /// The method of that name, the host's own included.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self(name.into())
    }

    /// The method's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The form of an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AccessTokenFormat {
    /// Random text, which means nothing without the store.
    Opaque,
    /// A JWT (RFC 9068), which whoever has the server's public keys can check by itself.
    Jwt,
}

/// What a client says about itself, by the names and with the defaults of RFC 7591 section 2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are RFC 7591's")]
pub struct ClientMetadata {
    pub redirect_uris: Vec<RedirectUri>,
    pub token_endpoint_auth_method: AuthMethod,
    pub grant_types: Vec<String>,
    pub response_types: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
    /// The widest scope the client may have, and what it gets when it asks for none.
    pub scope: Scope,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,
    /// Everything else: extensions' metadata, and names for other languages (`client_name#de`).
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl Default for ClientMetadata {
    fn default() -> Self {
        Self {
            redirect_uris: Vec::new(),
            token_endpoint_auth_method: AuthMethod::CLIENT_SECRET_BASIC,
            grant_types: vec!["authorization_code".to_owned()],
            response_types: vec!["code".to_owned()],
            client_name: None,
            client_uri: None,
            logo_uri: None,
            scope: Scope::empty(),
            contacts: Vec::new(),
            tos_uri: None,
            policy_uri: None,
            jwks_uri: None,
            jwks: None,
            software_id: None,
            software_version: None,
            other: BTreeMap::new(),
        }
    }
}

/// What the operator decides about a client; `None` follows the server's setting. A client never sets it itself. By
/// default PKCE is required, `localhost` is loopback, and everything else follows the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientPolicy {
    /// Whether a request without PKCE is refused (RFC 7636, RFC 9700 section 2.1.1).
    pub require_pkce: bool,
    /// Whether `http://localhost` may be used with any port, like the loopback addresses (RFC 8252 section 8.3).
    pub localhost_is_loopback: bool,
    /// Seconds.
    pub authorization_code_lifetime: Option<u64>,
    /// Seconds.
    pub access_token_lifetime: Option<u64>,
    /// The form of the client's access tokens, where the resource they are for does not say.
    pub access_token_format: Option<AccessTokenFormat>,
    /// Rotation and lifetimes of the client's refresh tokens.
    pub refresh_token: Option<RefreshPolicy>,
}

impl Default for ClientPolicy {
    fn default() -> Self {
        Self {
            require_pkce: true,
            localhost_is_loopback: true,
            authorization_code_lifetime: None,
            access_token_lifetime: None,
            access_token_format: None,
            refresh_token: None,
        }
    }
}

/// How a client's secret is checked.
#[derive(Clone)]
pub enum ClientSecret {
    /// By the digest of a secret that was generated (at least 128 random bits).
    Digest(Digest),
    /// By the host: a password hash, a vault.
    Verifier(Arc<dyn SecretVerifier>),
}

/// A host's own check of a client secret.
#[async_trait]
pub trait SecretVerifier: Send + Sync + 'static {
    /// Whether `secret` is right, in time that does not depend on how wrong it is.
    ///
    /// A slow check (a password hash) tells by its time that the client exists; limit how often it can be tried.
    ///
    /// # Errors
    /// The host cannot tell now; answered as 503.
    async fn verify(&self, secret: &Secret) -> Result<bool, StorageError>;
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(..)")
    }
}

/// A registered client (RFC 6749 section 2) that does not contradict itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "stored::Stored")]
pub struct Client {
    id: ClientId,
    secret: Option<ClientSecret>,
    secret_expires_at: Option<Timestamp>,
    metadata: ClientMetadata,
    policy: ClientPolicy,
}

/// What contradicts what in a client's metadata; `invalid_client_metadata` in RFC 7591 section 3.2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidClient(&'static str);

impl Client {
    /// A public client, or one that authenticates by `secret`.
    ///
    /// # Errors
    /// What contradicts what: a public client with a secret, a secret's method without one, a grant that redirects
    /// without a redirect URI or its response type, `client_credentials` for a public client.
    pub fn new(id: ClientId, secret: Option<ClientSecret>, metadata: ClientMetadata) -> Result<Self, InvalidClient> {
        let method = &metadata.token_endpoint_auth_method;
        let is_public = *method == AuthMethod::NONE;
        let needs_secret = method.as_str().starts_with("client_secret_");
        let has = |grant: &str| metadata.grant_types.iter().any(|own| own == grant);
        let responds = |name: &str| metadata.response_types.iter().any(|own| own == name);
        let contradiction = if id.as_str().is_empty() || id.as_str().chars().any(char::is_control) {
            Some("client_id is empty or has control characters (RFC 6749 appendix A.1)")
        } else if metadata.jwks.is_some() && metadata.jwks_uri.is_some() {
            Some("there are both jwks and jwks_uri (RFC 7591 section 2)")
        } else if (has("authorization_code") && !responds("code")) || (has("implicit") && !responds("token")) {
            Some("response_types lacks what grant_types needs (RFC 7591 section 2.1)")
        } else if is_public && secret.is_some() {
            Some("token_endpoint_auth_method is none, but there is a secret")
        } else if needs_secret && secret.is_none() {
            Some("token_endpoint_auth_method needs a secret, but there is none")
        } else if (has("authorization_code") || has("implicit")) && metadata.redirect_uris.is_empty() {
            Some("grant_types has a grant that redirects, but redirect_uris is empty")
        } else if is_public && has("client_credentials") {
            Some("client_credentials is for clients that authenticate (RFC 6749 section 4.4)")
        } else {
            None
        };
        match contradiction {
            Some(contradiction) => Err(InvalidClient(contradiction)),
            None => Ok(Self { id, secret, secret_expires_at: None, metadata, policy: ClientPolicy::default() }),
        }
    }

    /// The same client under another policy.
    ///
    /// # Errors
    /// A public client whose refresh tokens are not rotated or that needs no PKCE (RFC 9700 sections 2.2.2 and 2.1.1);
    /// a lifetime that no server may set.
    pub fn with_policy(mut self, policy: ClientPolicy) -> Result<Self, InvalidClient> {
        let keeps = policy.refresh_token.is_some_and(|refresh| refresh.rotation == Rotation::Keep);
        if self.is_public() && keeps {
            return Err(InvalidClient("a public client's refresh tokens are rotated (RFC 9700 section 2.2.2)"));
        }
        if self.is_public() && !policy.require_pkce {
            return Err(InvalidClient("a public client uses PKCE (RFC 9700 section 2.1.1)"));
        }
        if let Some(contradiction) = policy.refresh_token.as_ref().and_then(RefreshPolicy::contradiction) {
            return Err(InvalidClient(contradiction));
        }
        if policy.authorization_code_lifetime.is_some_and(|lifetime| !(1..=600).contains(&lifetime)) {
            return Err(InvalidClient("an authorization code lives 1 to 600 seconds (RFC 6749 section 4.1.2)"));
        }
        if policy.access_token_lifetime == Some(0) {
            return Err(InvalidClient("an access token's lifetime is zero"));
        }
        self.policy = policy;
        Ok(self)
    }

    /// The same client, whose secret stops working at `end` (RFC 7591 section 3.2.1, `client_secret_expires_at`).
    #[must_use]
    pub const fn with_secret_until(mut self, end: Timestamp) -> Self {
        self.secret_expires_at = Some(end);
        self
    }

    /// `client_id`.
    pub const fn id(&self) -> &ClientId {
        &self.id
    }

    /// How its secret is checked, unless the secret has expired.
    pub fn secret(&self, now: Timestamp) -> Option<&ClientSecret> {
        self.secret.as_ref().filter(|_| self.secret_expires_at.is_none_or(|end| now < end))
    }

    /// What it says about itself.
    pub const fn metadata(&self) -> &ClientMetadata {
        &self.metadata
    }

    /// What the operator decided about it.
    pub const fn policy(&self) -> &ClientPolicy {
        &self.policy
    }

    /// Whether it has no credentials (RFC 6749 section 2.1).
    pub fn is_public(&self) -> bool {
        self.metadata.token_endpoint_auth_method == AuthMethod::NONE
    }

    /// Whether `grant_type` is one of its grant types.
    pub fn may_use(&self, grant_type: &str) -> bool {
        self.metadata.grant_types.iter().any(|own| own == grant_type)
    }

    /// The registered redirect URI that `requested` is, with the port that was asked for on loopback.
    pub fn redirect_uri(&self, requested: &str) -> Option<RedirectUri> {
        let localhost = self.policy.localhost_is_loopback;
        let own = self.metadata.redirect_uris.iter().find(|own| own.matches(requested, localhost))?;
        if own.as_str() == requested { Some(own.clone()) } else { requested.parse().ok() }
    }
}
