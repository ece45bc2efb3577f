//! What happened, told to the host as it happens; `tracing` is told the same.

use std::fmt::Debug;
use std::net::IpAddr;

use http::StatusCode;

use crate::error::{Error, ErrorCode};
use crate::model::{AuthorizationId, ClientId, Scope, Subject};
use crate::storage::Selector;

/// Something that happened. It holds no secret.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Tokens were issued, at the token endpoint or by the implicit grant.
    Issued {
        /// To whom.
        client_id: &'a ClientId,
        /// By which grant.
        grant_type: &'a str,
        /// Under which authorization.
        authorization: Option<AuthorizationId>,
        /// For what.
        scope: &'a Scope,
    },
    /// A request was refused, or failed.
    Refused {
        /// Where.
        endpoint: &'a str,
        /// Whose request, by what it claims; it need not be true, nor such a client exist.
        client_id: Option<&'a ClientId>,
        /// Why; the cause is its source.
        error: &'a Error,
        /// From where, if the host says so by [`ClientAddress`](crate::ClientAddress).
        address: Option<IpAddr>,
    },
    /// A user approved or denied a request.
    Decided {
        /// Whose request.
        client_id: &'a ClientId,
        /// Who decided.
        subject: &'a Subject,
        /// What was approved; `None`: denied.
        scope: Option<&'a Scope>,
    },
    /// A code was redeemed a second time; everything under its authorization is revoked, if a registered part can
    /// revoke (RFC 6749 section 4.1.2).
    CodeReplayed {
        /// By whom.
        client_id: &'a ClientId,
        /// The code's authorization.
        authorization: AuthorizationId,
    },
    /// A refresh token was used that had been replaced; everything under its authorization is revoked (RFC 9700
    /// section 4.14.2).
    RefreshTokenReused {
        /// By whom.
        client_id: &'a ClientId,
        /// What was revoked.
        authorization: AuthorizationId,
    },
    /// A client revoked a token (RFC 7009).
    Revoked {
        /// By whom.
        client_id: &'a ClientId,
        /// The authorization that went with it; `None`: only one access token was revoked.
        authorization: Option<AuthorizationId>,
    },
    /// The host revoked authorizations.
    AuthorizationsRevoked {
        /// Which.
        selector: &'a Selector,
        /// How many stood until then.
        count: usize,
    },
    /// A record of another issuer answered a look-up; it was treated as unknown.
    ForeignRecord {
        /// What it was.
        kind: &'static str,
    },
}

/// Receives events. It is called within a request: hand slow work to another task.
pub trait EventSink: Send + Sync + 'static {
    /// Takes note.
    fn event(&self, event: &Event<'_>);
}

/// Writes the event to `tracing`: faults as errors, what is suspicious as warnings, refusals as information, the rest
/// for debugging.
pub(crate) fn trace(event: &Event<'_>) {
    match event {
        Event::Refused { endpoint, client_id, error, address } => {
            // What an unproven client calls itself may be a secret in the wrong field.
            let is_proven = !matches!(error.status(), StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS);
            let client_id = client_id.filter(|_| is_proven).map(|id| id.as_str());
            let cause = std::error::Error::source(error).map(ToString::to_string);
            if matches!(error.code(), ErrorCode::ServerError | ErrorCode::TemporarilyUnavailable) && cause.is_some() {
                tracing::error!(endpoint, client_id, %error, cause, ?address, "failed");
            } else {
                tracing::info!(endpoint, client_id, %error, cause, ?address, "refused");
            }
        }
        Event::CodeReplayed { .. } | Event::RefreshTokenReused { .. } | Event::ForeignRecord { .. } => {
            tracing::warn!(?event, "suspicious");
        }
        event => tracing::debug!(?event),
    }
}
