use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AuthorizationId, ClientId, Issuer, KeyId, RefreshHandle, Scope, SessionDigest, Subject};
use crate::clock::Timestamp;
use crate::secret::Digest;

/// What extensions keep with a record, each under its own name.
pub type Kept = BTreeMap<String, Value>;

/// One approval by a resource owner: the root of every code and token issued under it.
///
/// A token is active only while its authorization stands, that is, exists and is not revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorization {
    /// Its identifier.
    pub id: AuthorizationId,
    /// The server that took the approval.
    pub issuer: Issuer,
    /// Who was allowed to act.
    pub client_id: ClientId,
    /// Who allowed it.
    pub subject: Subject,
    /// The most that tokens under it may do.
    pub scope: Scope,
    /// The resources it is for (RFC 8707); empty: those the server protects by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// The login session it was given in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionDigest>,
    /// When the user last proved who they are.
    pub auth_time: Timestamp,
    /// How well they did (OpenID Connect Core section 2, `acr`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// By which means (RFC 8176).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// When it was given.
    pub created_at: Timestamp,
    /// When everything under it has ended at the latest.
    pub expires_at: Timestamp,
}

impl Authorization {
    /// The session whose end ends it: the one it was given in, unless its scope has `offline_access` (OpenID Connect
    /// Core section 11).
    pub fn ending_session(&self) -> Option<SessionDigest> {
        self.session.filter(|_| !self.scope.contains("offline_access"))
    }
}

/// An authorization code (RFC 6749 section 4.1.2), with the authorization it stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationCode {
    /// The digest of the code.
    pub code: Digest,
    /// What redeeming it grants.
    pub authorization: Authorization,
    /// The `redirect_uri` parameter of the request, if it had one; the token request must repeat it.
    pub redirect_uri: Option<String>,
    /// What extensions kept of the authorization request.
    #[serde(default)]
    pub extensions: Kept,
    /// When it can no longer be redeemed.
    pub expires_at: Timestamp,
    /// Until when the record must be kept, redeemed or not: the same code could be minted again until then.
    pub retain_until: Timestamp,
}

/// An access token (RFC 6749 section 1.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessToken {
    /// The digest of the token.
    pub token: Digest,
    /// The server that issued it.
    pub issuer: Issuer,
    /// What it was issued under; `None` when the client acts for itself (RFC 6749 section 4.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization: Option<AuthorizationId>,
    /// Whom it was issued to.
    pub client_id: ClientId,
    /// What it may do.
    pub scope: Scope,
    /// Whom it is for (RFC 8707); empty: the resources the server protects by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audience: Vec<String>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A family of refresh tokens (RFC 6749 section 1.5); one row however often it is rotated.
///
/// The token is `handle.generation.mac`, the MAC under the server's secret key, so that nothing here opens anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshToken {
    /// What the token and the row are found by.
    pub handle: RefreshHandle,
    /// The server that issued it.
    pub issuer: Issuer,
    /// What it was issued under.
    pub authorization: AuthorizationId,
    /// Whom it was issued to.
    pub client_id: ClientId,
    /// The key that authenticates the current generation.
    pub key: KeyId,
    /// Random; part of what the MAC covers.
    pub salt: Digest,
    /// How often it was rotated. The store compares and swaps on it.
    pub generation: u64,
    /// When the current generation was made.
    pub rotated_at: Timestamp,
    /// The digest of the request (scope, resources) that made the current generation.
    pub made_by: Option<Digest>,
    /// When it ends unless it is used before.
    pub idle_until: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
}

/// What one answer of the token endpoint issues. It is saved as a whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The authorization behind it, to be inserted if it is absent; `None` when the client acts for itself.
    pub authorization: Option<Authorization>,
    /// The access token.
    pub access_token: AccessToken,
    /// The refresh token, if there is a new one.
    pub refresh_token: Option<RefreshToken>,
}

/// An access token that is not revoked, and its authorization, which stands. It may have expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveAccessToken {
    /// The token.
    pub token: AccessToken,
    /// Its authorization; `None` exactly when the token has none.
    pub authorization: Option<Authorization>,
}

impl ActiveAccessToken {
    /// Whether the token is `issuer`'s, alive at `now`, and comes with the very authorization it names.
    pub fn is_active(&self, issuer: &Issuer, now: Timestamp) -> bool {
        let (token, authorization) = (&self.token, self.authorization.as_ref());
        token.issuer == *issuer
            && now < token.expires_at
            && token.authorization == authorization.map(|authorization| authorization.id)
            && authorization.is_none_or(|own| now < own.expires_at && own.client_id == token.client_id)
    }
}

/// A refresh token and its authorization, which stands. It may have expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveRefreshToken {
    /// The family's current state.
    pub token: RefreshToken,
    /// Its authorization.
    pub authorization: Authorization,
}

impl ActiveRefreshToken {
    /// Whether the family is `issuer`'s, alive at `now`, and comes with the very authorization it names.
    pub fn is_active(&self, issuer: &Issuer, now: Timestamp) -> bool {
        let (token, authorization) = (&self.token, &self.authorization);
        token.issuer == *issuer
            && now < self.ends_at()
            && token.authorization == authorization.id
            && token.client_id == authorization.client_id
    }

    /// When the token ends unless it is used before.
    pub fn ends_at(&self) -> Timestamp {
        self.token.idle_until.min(self.token.expires_at).min(self.authorization.expires_at)
    }
}

/// What a subject allowed a client for good; a later request within it need not ask again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// The server that asked.
    pub issuer: Issuer,
    /// Who allowed it.
    pub subject: Subject,
    /// Which client.
    pub client_id: ClientId,
    /// Where the answer may go, without a loopback port.
    pub redirect_uri: String,
    /// The scope.
    pub scope: Scope,
    /// The resources (RFC 8707).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// When it was last given.
    pub given_at: Timestamp,
}
