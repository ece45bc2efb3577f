use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use super::{BoundGrant, Grant, SaveToken, TokenGrant};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::context::{Abilities, Context};
use crate::error::Error;
use crate::events::Event;
use crate::issue::refresh_token::{Claimed, current};
use crate::issue::{Approved, Commit, RefreshTokenAnswer, TokenRequest, TokenResponse};
use crate::model::{ActiveRefreshToken, Issued, RefreshPolicy, RefreshToken as Family, Rotation, Scope};
use crate::secret::Digest;
use crate::storage::{RefreshTokenStore, Rotated, Selector};

/// The refresh token grant (RFC 6749 section 6). Needs [`RefreshTokenStore`] and secret keys.
///
/// Registering it is also what makes the code and password grants issue refresh tokens, to clients that have this
/// grant type.
#[derive(Clone, Copy, Debug)]
pub struct RefreshToken {
    policy: RefreshPolicy,
}

impl RefreshToken {
    /// Rotates, with the default lifetimes and grace.
    pub fn rotating() -> Self {
        Self { policy: RefreshPolicy::default() }
    }

    /// Keeps the same token (not for public clients: theirs are rotated).
    pub fn keeping() -> Self {
        Self { policy: RefreshPolicy { rotation: Rotation::Keep, ..RefreshPolicy::default() } }
    }

    /// Follows `policy`, unless a client has its own.
    pub const fn with_policy(policy: RefreshPolicy) -> Self {
        Self { policy }
    }
}

impl<S: RefreshTokenStore> Grant<S> for RefreshToken {
    fn bind(self, store: &Arc<S>, config: &mut Config, abilities: &mut Abilities) -> BoundGrant {
        config.refresh_policy = Some(self.policy);
        abilities.refresh_tokens = Some(store.clone());
        abilities.revocation = Some(store.clone());
        BoundGrant { token: Some(Box::new(Refresh { tokens: store.clone() })), response_type: None }
    }
}

struct Refresh {
    tokens: Arc<dyn RefreshTokenStore>,
}

const REFUSED: &str = "the refresh token is unknown, expired, revoked, replaced, or not this client's";

fn refused() -> Error {
    Error::invalid_grant(REFUSED)
}

#[async_trait]
impl TokenGrant for Refresh {
    fn grant_type(&self) -> &str {
        "refresh_token"
    }

    async fn approve(&self, context: &Context, request: &TokenRequest<'_>) -> Result<Approved, Error> {
        let claimed = Claimed::parse(request.params.require("refresh_token")?).ok_or_else(refused)?;
        let found = claimed.find(context, &*self.tokens).await?.ok_or_else(refused)?;
        check(context, request, &found)?;
        let ActiveRefreshToken { token: family, authorization } = found;
        let standing = context.standing_scope(&authorization, &request.client).await?;
        let scope = request.scope_within(&standing)?;
        let policy = context.refresh_policy(&request.client).ok_or_else(refused)?;
        let attempt =
            Use { generation: claimed.generation, made_by: made_by(request, &scope), now: request.now, policy };
        let (refresh_token, commit) = self.outcome(context, attempt, family)?;
        Ok(Approved { refresh_token, ..Approved::under(authorization, scope, commit) })
    }
}

/// Whether the token is this client's, and still alive.
fn check(context: &Context, request: &TokenRequest<'_>, found: &ActiveRefreshToken) -> Result<(), Error> {
    let is_own = found.token.client_id == *request.client.id();
    if is_own && found.is_active(&context.config.issuer, request.now) { Ok(()) } else { Err(refused()) }
}

/// One use of a refresh token.
struct Use {
    generation: u64,
    made_by: Digest,
    now: Timestamp,
    policy: RefreshPolicy,
}

/// What a request asks for, so that only the same request is answered with the same successor.
fn made_by(request: &TokenRequest<'_>, scope: &Scope) -> Digest {
    // Both are sets: the order in which the request names them makes no other request.
    let mut scope: Vec<&str> = scope.iter().collect();
    scope.sort_unstable();
    let resources: BTreeSet<&str> = request.params.all("resource").collect();
    Digest::of(&format!("{}\n{}", scope.join(" "), Vec::from_iter(resources).join("\n")))
}

impl Use {
    fn grace(&self) -> u64 {
        match self.policy.rotation {
            Rotation::Rotate { grace } => grace,
            Rotation::Keep => 0,
        }
    }

    fn is_in_window(&self, family: &Family) -> bool {
        self.now.since(family.rotated_at) < self.grace()
    }

    /// Whether this is the request that made the family's current generation, once more.
    fn repeats(&self, family: &Family) -> bool {
        self.generation.checked_add(1) == Some(family.generation)
            && family.made_by == Some(self.made_by)
            && self.is_in_window(family)
    }

    /// The state of the family after this use.
    fn next(&self, context: &Context, family: Family) -> Family {
        let idle_until = self.now.plus(self.policy.idle_lifetime);
        if self.policy.rotation == Rotation::Keep {
            return Family { idle_until, ..family };
        }
        Family {
            key: context.keys.current_id().unwrap_or(family.key),
            generation: family.generation.saturating_add(1),
            rotated_at: self.now,
            made_by: Some(self.made_by),
            idle_until,
            ..family
        }
    }
}

impl Refresh {
    fn outcome(
        &self,
        context: &Context,
        attempt: Use,
        family: Family,
    ) -> Result<(RefreshTokenAnswer, Box<dyn Commit>), Error> {
        let tokens = self.tokens.clone();
        if attempt.generation == family.generation {
            let next = attempt.next(context, family);
            let token = current(&context.keys, &next).ok_or_else(refused)?;
            return Ok((RefreshTokenAnswer::Given(Some(next), token), Box::new(Rotate { tokens, attempt })));
        }
        if attempt.repeats(&family) {
            // Within the grace: the same successor again, and a new access token.
            let token = current(&context.keys, &family).ok_or_else(refused)?;
            return Ok((RefreshTokenAnswer::Given(None, token), Box::new(SaveToken(tokens))));
        }
        if attempt.generation > family.generation || attempt.is_in_window(&family) {
            return Err(refused());
        }
        Ok((RefreshTokenAnswer::Absent, Box::new(RevokeReused { tokens })))
    }
}

/// The current token is used: the family moves on.
struct Rotate {
    tokens: Arc<dyn RefreshTokenStore>,
    attempt: Use,
}

#[async_trait]
impl Commit for Rotate {
    async fn commit(
        self: Box<Self>,
        context: &Context,
        issued: &mut Issued,
        answer: &mut TokenResponse,
    ) -> Result<(), Error> {
        let next = issued.refresh_token.as_ref().ok_or_else(refused)?;
        match self.tokens.rotate_refresh_token(self.attempt.generation, next, &issued.access_token).await? {
            Rotated::Saved => Ok(()),
            Rotated::Lost(Some(family)) if self.attempt.repeats(&family) => {
                // Someone made the same request a moment earlier: both get the same successor.
                answer.refresh_token = Some(current(&context.keys, &family).ok_or_else(refused)?);
                issued.refresh_token = None;
                Ok(self.tokens.save_token(issued).await?)
            }
            // Losing a race is no reuse: it revokes nothing.
            Rotated::Lost(_) => Err(refused()),
        }
    }
}

/// A replaced token, too late: someone else has it (RFC 9700 section 4.14.2).
struct RevokeReused {
    tokens: Arc<dyn RefreshTokenStore>,
}

#[async_trait]
impl Commit for RevokeReused {
    async fn commit(
        self: Box<Self>,
        context: &Context,
        issued: &mut Issued,
        _: &mut TokenResponse,
    ) -> Result<(), Error> {
        if let Some(authorization) = &issued.authorization {
            self.tokens.revoke_authorizations(&Selector::Authorization(authorization.id)).await?;
            let (client_id, authorization) = (&authorization.client_id, authorization.id);
            context.event(&Event::RefreshTokenReused { client_id, authorization });
        }
        Err(refused())
    }
}
