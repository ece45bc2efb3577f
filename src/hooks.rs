//! What a host may decide beside storing: who may still act, and who tries too often.

use std::net::IpAddr;

use async_trait::async_trait;

use crate::error::StorageError;
use crate::model::{Authorization, Client, ClientId, Scope};

/// Asked whenever a code is redeemed or a token refreshed: may this user's approval still be used?
///
/// It is where a disabled user stops.
#[async_trait]
pub trait SubjectPolicy: Send + Sync + 'static {
    /// Allows, narrows or refuses.
    ///
    /// # Errors
    /// The host cannot tell now; answered as 503.
    async fn review(&self, authorization: &Authorization, client: &Client) -> Result<Verdict, StorageError>;
}

/// What a [`SubjectPolicy`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything that was approved.
    Allow,
    /// No more than this scope.
    Narrow(Scope),
    /// Nothing: `invalid_grant`.
    Refuse,
}

/// An attempt at something that can be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Attempt<'a> {
    /// A client's secret.
    ClientSecret {
        /// The client that the request claims to come from; it need not exist.
        client_id: &'a ClientId,
        /// From where, if the host says so by [`ClientAddress`](crate::ClientAddress).
        address: Option<IpAddr>,
    },
    /// A user's password. The host makes this attempt on its own login page, so that one limiter serves for both.
    Login {
        /// What was typed; such a user need not exist.
        user_id: &'a str,
        /// From where.
        address: Option<IpAddr>,
    },
}

/// Limits how often someone may guess. Without one, nothing is limited.
#[async_trait]
pub trait RateLimiter: Send + Sync + 'static {
    /// Whether the attempt may be made. If the server then fails to find out whether it was right (a store's fault),
    /// neither of the other two is called.
    ///
    /// # Errors
    /// The seconds to wait, answered as 429.
    async fn check(&self, attempt: &Attempt<'_>) -> Result<(), u32>;

    /// The attempt was made and failed.
    async fn failed(&self, attempt: &Attempt<'_>);

    /// The attempt was made and succeeded; for a limiter that counts in [`Self::check`], so that a burst of attempts at
    /// the same moment is limited too.
    async fn succeeded(&self, _attempt: &Attempt<'_>) {}
}
