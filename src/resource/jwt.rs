use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize as _;
use serde_json::Value;

use super::access::TokenClaims;
use super::{Access, TokenSource};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::jose::{Algorithm, Jws, JwtClaims, PublicKeys, verify};
use crate::model::Issuer;

/// Seconds by which the issuer's clock may be ahead. A token ends at its `exp` all the same.
const CLOCK_SKEW: u64 = 60;

/// JWT access tokens (RFC 9068 section 4), checked by the issuer's public keys without asking it.
///
/// A token that was revoked is good until it expires. One that is not this issuer's, or not even right in what it says,
/// never makes keys be fetched. Every token has an audience: only an API with a name
/// ([`ResourceServer::new`](super::ResourceServer::new)) takes any.
pub struct JwtTokens {
    issuer: Issuer,
    keys: Arc<dyn PublicKeys>,
    algorithms: Vec<Algorithm>,
}

impl JwtTokens {
    /// The tokens that `issuer` signs by one of `keys`: in the same process those of
    /// [`AuthorizationServer::signing_keys`](crate::AuthorizationServer::signing_keys), elsewhere
    /// [`RemoteKeys`](crate::outbound::RemoteKeys). By any asymmetric algorithm.
    pub fn new(issuer: impl Into<Issuer>, keys: Arc<dyn PublicKeys>) -> Self {
        Self { issuer: issuer.into(), keys, algorithms: Algorithm::ASYMMETRIC.into() }
    }

    /// Takes only these algorithms; symmetric ones are left out.
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().filter(|algorithm| !algorithm.is_symmetric()).collect();
        self
    }

    /// What the token claims, if it is right in everything but its signature, which nobody has looked at yet.
    fn read<'a>(&self, token: &'a str, now: Timestamp) -> Result<(Jws<'a>, Access), Box<dyn StdError>> {
        let jws = Jws::parse(token)?;
        let typ = jws.header().typ.as_deref().unwrap_or_default();
        if !["at+jwt", "application/at+jwt"].iter().any(|own| typ.eq_ignore_ascii_case(own)) {
            return Err("typ is not at+jwt".into());
        }
        let claims = JwtClaims::parse(&jws.unverified_payload()?)?;
        let access = self.claimed(claims, now)?;
        Ok((jws, access))
    }

    fn claimed(&self, claims: JwtClaims, now: Timestamp) -> Result<Access, &'static str> {
        let JwtClaims { iss, sub, aud, exp, nbf, iat, jti, mut other, .. } = claims;
        if iss.as_deref() != Some(self.issuer.as_str()) {
            return Err("it is another issuer's");
        }
        let (Some(sub), Some(exp), Some(iat), Some(jti)) = (sub, exp, iat, jti) else {
            return Err("sub, exp, iat or jti is missing");
        };
        let latest = now.plus(CLOCK_SKEW);
        if aud.is_empty() {
            return Err("aud is missing");
        } else if now >= exp {
            return Err("it has expired");
        } else if iat > latest || nbf.is_some_and(|nbf| nbf > latest) {
            return Err("its time has not come");
        }
        other.insert("jti".to_owned(), jti.into());
        let claims = TokenClaims::deserialize(Value::Object(other));
        let claims = claims.map_err(|_| "a claim is of the wrong type")?;
        if claims.is_bound() {
            return Err("it is bound to a key, so it is no bearer token");
        }
        let access = claims.into_access(&self.issuer, Some(sub)).ok_or("client_id is missing")?;
        Ok(Access { audience: aud, issued_at: Some(iat), expires_at: Some(exp), ..access })
    }
}

#[async_trait]
impl TokenSource for JwtTokens {
    fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    async fn access(&self, token: &str, now: Timestamp) -> Result<Option<Access>, Error> {
        let (jws, access) = match self.read(token, now) {
            Ok(read) => read,
            Err(reason) => return Ok(refuse(&reason)),
        };
        match verify(&jws, &*self.keys, &self.algorithms).await? {
            Ok(_) => Ok(Some(access)),
            Err(reason) => Ok(refuse(&reason)),
        }
    }
}

/// The caller is told no reason; whoever runs the API may want to know.
fn refuse(reason: &dyn fmt::Display) -> Option<Access> {
    tracing::debug!(%reason, "a token is not taken for one of the issuer's JWTs");
    None
}

impl fmt::Debug for JwtTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { issuer, algorithms, .. } = self;
        f.debug_struct("JwtTokens").field("issuer", issuer).field("algorithms", algorithms).finish_non_exhaustive()
    }
}
