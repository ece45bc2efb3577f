use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::error::Error;
use crate::model::{AuthorizationId, ClientId, Issuer, Scope, Subject};

/// Where an API learns what an access token is good for: [`StoredTokens`](super::StoredTokens),
/// [`IntrospectedTokens`](super::IntrospectedTokens), `JwtTokens` (the feature `jose`), or something of the host's own.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no source of access tokens",
    label = "neither `StoredTokens`, `IntrospectedTokens`, `JwtTokens` nor a `TokenSource` of your own"
)]
pub trait TokenSource: Send + Sync + 'static {
    /// Who issues the tokens.
    fn issuer(&self) -> &Issuer;

    /// What the token is good for at `now`; `None`: it is unknown here, or not active. For which API it is, and whether
    /// its scope is wide enough, is looked at by the [`ResourceServer`](super::ResourceServer).
    ///
    /// # Errors
    /// It cannot be told now.
    async fn access(&self, token: &str, now: Timestamp) -> Result<Option<Access>, Error>;
}

/// Who may do what: what an access token is good for.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Access {
    /// Who issued the token.
    pub issuer: Issuer,
    /// The user who allowed it; `None` when the client acts for itself.
    pub subject: Option<Subject>,
    /// Who acts.
    pub client_id: ClientId,
    /// What they may do.
    pub scope: Scope,
    /// Whom the token is for (RFC 8707); empty: it does not say.
    pub audience: Vec<String>,
    /// When the token was issued, if that is known.
    pub issued_at: Option<Timestamp>,
    /// When it ends; `None` where introspection does not say.
    pub expires_at: Option<Timestamp>,
    /// When the user last proved who they are.
    pub auth_time: Option<Timestamp>,
    /// How well they did (OpenID Connect Core section 2, `acr`).
    pub acr: Option<String>,
    /// By which means (RFC 8176).
    pub amr: Vec<String>,
    /// The authorization behind the token, where the issuer is a server of this library and says so.
    pub authorization: Option<AuthorizationId>,
    /// What else a JWT or the answer to an introspection says.
    pub claims: Map<String, Value>,
}

impl Access {
    /// What a token is good for that `issuer` issued to `client_id` and nothing else is said about.
    pub fn new(issuer: impl Into<Issuer>, client_id: impl Into<ClientId>) -> Self {
        Self {
            issuer: issuer.into(),
            subject: None,
            client_id: client_id.into(),
            scope: Scope::empty(),
            audience: Vec::new(),
            issued_at: None,
            expires_at: None,
            auth_time: None,
            acr: None,
            amr: Vec::new(),
            authorization: None,
            claims: Map::new(),
        }
    }
}

/// What a JWT (RFC 9068 section 2.2) and an answer to an introspection (RFC 7662 section 2.2) say by the same names,
/// beside the claims of RFC 7519.
#[derive(Deserialize)]
pub(super) struct TokenClaims {
    client_id: Option<String>,
    scope: Option<Scope>,
    auth_time: Option<Timestamp>,
    acr: Option<String>,
    amr: Option<Vec<String>>,
    /// RFC 7800: only the holder of a key may use the token.
    cnf: Option<Value>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

impl TokenClaims {
    /// Whether only the holder of a key may use the token. From a request that proves nothing it may be a stolen one.
    pub(super) const fn is_bound(&self) -> bool {
        self.cnf.is_some()
    }

    /// The access of the client, if one is named, and of `sub` where that is not the client itself (RFC 9068 section 2.2).
    pub(super) fn into_access(mut self, issuer: &Issuer, sub: Option<String>) -> Option<Access> {
        let client_id = self.client_id?;
        let authorization: Option<AuthorizationId> =
            self.other.get("authorization_id").and_then(Value::as_str).and_then(|id| id.parse().ok());
        if authorization.is_some() {
            self.other.remove("authorization_id");
        }
        // Only under an authorization may a user have the same name as the client.
        let is_user = |sub: &String| authorization.is_some() || *sub != client_id;
        Some(Access {
            subject: sub.filter(is_user).map(Subject::from),
            scope: self.scope.unwrap_or_default(),
            auth_time: self.auth_time,
            acr: self.acr,
            amr: self.amr.unwrap_or_default(),
            authorization,
            claims: self.other,
            ..Access::new(issuer.clone(), client_id)
        })
    }
}
