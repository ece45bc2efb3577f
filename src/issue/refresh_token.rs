//! The form of refresh tokens: `handle.generation.mac`.
//!
//! The MAC covers handle, generation and salt, so every server that holds the key derives the same successor, and a
//! token of an earlier generation is told from garbage without any history in the store.

use crate::clock::Timestamp;
use crate::context::Context;
use crate::error::Error;
use crate::model::{ActiveRefreshToken, Authorization, KeyId, RefreshHandle, RefreshPolicy, RefreshToken};
use crate::secret::{Digest, Secret};
use crate::secret_keys::KeyRing;
use crate::storage::RefreshTokenStore;

/// The parts of a presented token that name what it claims to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claimed<'a> {
    pub(crate) handle: RefreshHandle,
    pub(crate) generation: u64,
    token: &'a str,
}

impl<'a> Claimed<'a> {
    /// `None` for what is no refresh token of this form.
    pub(crate) fn parse(token: &'a str) -> Option<Self> {
        let mut parts = token.split('.');
        let (handle, generation, _mac) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        Some(Self { handle: handle.parse().ok()?, generation: generation.parse().ok()?, token })
    }

    /// The family, if this server made the token and still has the key it was made with.
    ///
    /// # Errors
    /// A store's fault.
    pub(crate) async fn find(
        &self,
        context: &Context,
        store: &dyn RefreshTokenStore,
    ) -> Result<Option<ActiveRefreshToken>, Error> {
        let found = store.query_refresh_token(&self.handle).await?;
        let authentic = found.filter(|found| self.is_authentic(&context.keys, &found.token));
        Ok(authentic.filter(|found| context.is_own("refresh token", &found.token.issuer)))
    }

    /// Whether this server made it, for this family, under a key it still has; constant time for each key.
    fn is_authentic(&self, keys: &KeyRing, family: &RefreshToken) -> bool {
        let made_by = |key| token(keys, key, family, self.generation).is_some_and(|own| own.matches(self.token));
        self.handle == family.handle && keys.ids().any(made_by)
    }
}

/// The first generation of a new family; `None` when the server has no secret key.
pub(crate) fn first(
    context: &Context,
    authorization: &Authorization,
    policy: &RefreshPolicy,
    now: Timestamp,
) -> Option<RefreshToken> {
    Some(RefreshToken {
        handle: RefreshHandle::from_bytes(context.random()),
        issuer: authorization.issuer.clone(),
        authorization: authorization.id,
        client_id: authorization.client_id.clone(),
        key: context.keys.current_id()?,
        salt: Digest::from_bytes(context.random()),
        generation: 0,
        rotated_at: now,
        made_by: None,
        idle_until: now.plus(policy.idle_lifetime),
        expires_at: now.plus(policy.absolute_lifetime).min(authorization.expires_at),
    })
}

/// The token of the family's current generation; `None` when its key was dropped.
pub(crate) fn current(keys: &KeyRing, family: &RefreshToken) -> Option<Secret> {
    token(keys, family.key, family, family.generation)
}

fn token(keys: &KeyRing, key: KeyId, family: &RefreshToken, generation: u64) -> Option<Secret> {
    let mut message = Vec::with_capacity(56);
    message.extend_from_slice(family.handle.as_bytes());
    message.extend_from_slice(&generation.to_be_bytes());
    message.extend_from_slice(family.salt.as_bytes());
    let mac = Digest::from_bytes(keys.refresh_token_mac(key, &message)?);
    Some(Secret::new(format!("{}.{generation}.{mac}", family.handle)))
}
