//! What can go wrong on the server's own pages. The library's errors are its own.

use axum::Extension;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use grantwell::StorageError;

/// Why there is no page; it is made into one on the way out, by `app::finish`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failure {
    NotFound,
    /// The form is not well-formed.
    Malformed,
    TooLarge,
    UriTooLong,
    /// There is more than one Host header (RFC 9112 section 3.2).
    Host,
    /// The form does not come from a page of this server in the same browser.
    Forged,
    /// The store cannot answer now.
    Unavailable,
    /// The server itself is at fault.
    Internal,
}

impl From<StorageError> for Failure {
    fn from(fault: StorageError) -> Self {
        tracing::error!(cause = %fault, "the store cannot answer");
        Self::Unavailable
    }
}

impl Failure {
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::NotFound => "There is no such page",
            Self::Malformed | Self::TooLarge | Self::UriTooLong | Self::Host => "This request cannot be completed",
            Self::Forged => "This page can no longer be used",
            Self::Unavailable => "This is not possible right now",
            Self::Internal => "Something went wrong here",
        }
    }

    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::NotFound => "Check the address.",
            Self::Malformed => "The form is not well-formed.",
            Self::TooLarge => "The form is too large.",
            Self::UriTooLong => "The address is too long.",
            Self::Host => "It names more than one host.",
            Self::Forged => "Go back, load the page again and send the form from there. Cookies must be allowed.",
            Self::Unavailable => "The server cannot reach its data. Try again in a moment.",
            Self::Internal => "Try again later.",
        }
    }

    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Malformed | Self::Host => StatusCode::BAD_REQUEST,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Forged => StatusCode::FORBIDDEN,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Seconds to wait.
    pub(crate) const fn retry_after(self) -> Option<u32> {
        match self {
            Self::Unavailable => Some(1),
            _ => None,
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status(), Extension(self)).into_response()
    }
}
