use async_trait::async_trait;
use serde::{Serialize, Serializer};

use super::{Claims, Formats, TokenFormat};
use crate::clock::Timestamp;
use crate::context::Context;
use crate::error::{Error, ErrorCode};
use crate::jose::{Algorithm, sign};
use crate::model::AuthorizationId;
use crate::secret::{Digest, Secret};
use crate::signing::cannot_sign;

/// JWT access tokens (RFC 9068): whoever has the server's public keys can check them without asking it. Needs signing
/// keys.
///
/// They are stored like opaque ones, by their digest, so introspection and revocation serve both; but whoever checks a
/// JWT by itself does not hear of its revocation before it expires.
#[derive(Clone, Debug)]
pub struct JwtAccessTokens {
    default_audience: String,
    algorithm: Option<Algorithm>,
    is_default: bool,
}

impl JwtAccessTokens {
    /// JWTs where the client's policy or the resource asks for them. A token for no named resource has
    /// `default_audience` in its `aud` (section 3). A [`ResourcePolicy`](crate::extensions::ResourcePolicy) is asked about it
    /// as if the token request had named it, so it must be a resource of that policy.
    pub fn new(default_audience: impl Into<String>) -> Self {
        Self { default_audience: default_audience.into(), algorithm: None, is_default: false }
    }

    /// Also where nobody asks for a form.
    #[must_use]
    pub const fn by_default(mut self) -> Self {
        self.is_default = true;
        self
    }

    /// Signs by this algorithm instead of the first one of the signing keys.
    #[must_use]
    pub const fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = Some(algorithm);
        self
    }

    /// What is wrong with the configuration, if anything, where keys sign by `algorithms`.
    pub(crate) fn contradiction(&self, algorithms: &[Algorithm]) -> Option<&'static str> {
        if self.default_audience.is_empty() {
            Some("the default audience of JWT access tokens is empty")
        } else if self.algorithm.is_some_and(|own| !algorithms.contains(&own)) {
            Some("no signing key is of the algorithm of JWT access tokens")
        } else {
            None
        }
    }
}

/// The claims of section 2.2, and the authorization behind the token.
#[derive(Serialize)]
struct Payload<'a> {
    iss: &'a str,
    sub: &'a str,
    #[serde(serialize_with = "one_or_many")]
    aud: &'a [String],
    client_id: &'a str,
    iat: Timestamp,
    exp: Timestamp,
    jti: Digest,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    amr: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_id: Option<AuthorizationId>,
}

/// RFC 7519 section 4.1.3.
fn one_or_many<S: Serializer>(audience: &&[String], serializer: S) -> Result<S::Ok, S::Error> {
    match audience {
        [one] => one.serialize(serializer),
        many => many.serialize(serializer),
    }
}

impl Formats {
    pub(crate) fn add_jwt(&mut self, format: JwtAccessTokens) {
        if format.is_default {
            self.default = Some(Box::new(format.clone()));
        }
        self.jwt = Some(Box::new(format));
    }
}

#[async_trait]
impl TokenFormat for JwtAccessTokens {
    async fn mint(&self, context: &Context, claims: &Claims<'_>) -> Result<Secret, Error> {
        let keys =
            context.signing_keys().ok_or(Error::new(ErrorCode::ServerError, "the server has no signing keys"))?;
        let signer = keys.signer(self.algorithm).await?;
        let (approved, client_id) = (claims.approved, claims.client.id().as_str());
        let authorization = approved.authorization.as_ref();
        let payload = Payload {
            iss: context.config().issuer.as_str(),
            sub: authorization.map_or(client_id, |authorization| authorization.subject.as_str()),
            aud: &approved.audience,
            client_id,
            iat: claims.issued_at,
            exp: claims.expires_at,
            jti: Digest::from_bytes(context.random()),
            scope: approved.scope.as_str(),
            auth_time: authorization.map(|authorization| authorization.auth_time),
            acr: authorization.and_then(|authorization| authorization.acr.as_deref()),
            amr: authorization.map(|authorization| authorization.amr.as_slice()).unwrap_or_default(),
            authorization_id: authorization.map(|authorization| authorization.id),
        };
        sign(&*signer, "at+jwt", &payload).await.map(Secret::new).map_err(cannot_sign)
    }

    fn default_audience(&self) -> Option<&str> {
        Some(&self.default_audience)
    }

    fn longest_lifetime(&self, context: &Context) -> Option<u64> {
        context.signing_keys()?.longest_token()
    }
}
