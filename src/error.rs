//! The one error of the protocol, and the fault of a store.
//!
//! What goes on the wire (`error`, `error_description`) is made of static text, so it cannot echo input; what is
//! logged is the cause, in [`std::error::Error::source`].

use std::borrow::Cow;
use std::fmt;

use http::StatusCode;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The `error` code of an answer, with the section that defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// RFC 6749 sections 4.1.2.1 and 5.2.
    InvalidRequest,
    /// RFC 6749 section 5.2.
    InvalidClient,
    /// RFC 6749 section 5.2.
    InvalidGrant,
    /// RFC 6749 sections 4.1.2.1 and 5.2.
    UnauthorizedClient,
    /// RFC 6749 section 5.2.
    UnsupportedGrantType,
    /// RFC 6749 section 4.1.2.1.
    UnsupportedResponseType,
    /// RFC 6749 sections 4.1.2.1 and 5.2.
    InvalidScope,
    /// RFC 8707 section 2.
    InvalidTarget,
    /// RFC 6749 section 4.1.2.1.
    AccessDenied,
    /// RFC 6749 section 4.1.2.1.
    ServerError,
    /// RFC 6749 section 4.1.2.1; 503 where there is no redirect.
    TemporarilyUnavailable,
    /// OpenID Connect Core section 3.1.2.6.
    LoginRequired,
    /// OpenID Connect Core section 3.1.2.6.
    ConsentRequired,
    /// OpenID Connect Core section 3.1.2.6.
    InteractionRequired,
    /// OpenID Connect Core Error Code unmet_authentication_requirements; RFC 9470 section 5.
    UnmetAuthenticationRequirements,
    /// RFC 6750 section 3.1.
    InvalidToken,
    /// RFC 6750 section 3.1.
    InsufficientScope,
    /// RFC 9470 section 3.
    InsufficientUserAuthentication,
    /// A host's own code, and the status it is answered with outside redirects.
    Other(&'static str, StatusCode),
}

impl ErrorCode {
    /// The one table: the code on the wire and the HTTP status where the answer is not a redirect.
    const fn row(self) -> (&'static str, StatusCode) {
        match self {
            Self::InvalidRequest => ("invalid_request", StatusCode::BAD_REQUEST),
            Self::InvalidClient => ("invalid_client", StatusCode::UNAUTHORIZED),
            Self::InvalidGrant => ("invalid_grant", StatusCode::BAD_REQUEST),
            Self::UnauthorizedClient => ("unauthorized_client", StatusCode::BAD_REQUEST),
            Self::UnsupportedGrantType => ("unsupported_grant_type", StatusCode::BAD_REQUEST),
            Self::UnsupportedResponseType => ("unsupported_response_type", StatusCode::BAD_REQUEST),
            Self::InvalidScope => ("invalid_scope", StatusCode::BAD_REQUEST),
            Self::InvalidTarget => ("invalid_target", StatusCode::BAD_REQUEST),
            Self::AccessDenied => ("access_denied", StatusCode::FORBIDDEN),
            Self::ServerError => ("server_error", StatusCode::INTERNAL_SERVER_ERROR),
            Self::TemporarilyUnavailable => ("temporarily_unavailable", StatusCode::SERVICE_UNAVAILABLE),
            Self::LoginRequired => ("login_required", StatusCode::BAD_REQUEST),
            Self::ConsentRequired => ("consent_required", StatusCode::BAD_REQUEST),
            Self::InteractionRequired => ("interaction_required", StatusCode::BAD_REQUEST),
            Self::UnmetAuthenticationRequirements => ("unmet_authentication_requirements", StatusCode::BAD_REQUEST),
            Self::InvalidToken => ("invalid_token", StatusCode::UNAUTHORIZED),
            Self::InsufficientScope => ("insufficient_scope", StatusCode::FORBIDDEN),
            Self::InsufficientUserAuthentication => ("insufficient_user_authentication", StatusCode::UNAUTHORIZED),
            Self::Other(code, status) => (code, status),
        }
    }

    /// The code as it stands in `error`.
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status of an answer that is not a redirect.
    pub const fn status(self) -> StatusCode {
        self.row().1
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a request was refused.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {}", self.description())]
#[non_exhaustive]
pub struct Error {
    code: ErrorCode,
    status: Option<StatusCode>,
    description: &'static str,
    parameter: Option<&'static str>,
    retry_after: Option<u32>,
    allow: Option<&'static str>,
    #[source]
    source: Option<Cause>,
}

impl Error {
    /// An error with a description for the client's developer. Static text: it can never repeat what was sent.
    pub const fn new(code: ErrorCode, description: &'static str) -> Self {
        Self { code, status: None, description, parameter: None, retry_after: None, allow: None, source: None }
    }

    /// `invalid_request`: a required parameter is missing.
    pub const fn missing(parameter: &'static str) -> Self {
        Self::new(ErrorCode::InvalidRequest, "a required parameter is missing").about(parameter)
    }

    /// `invalid_grant`: what was presented is unknown, expired, used, or another client's (RFC 6749 section 5.2).
    pub const fn invalid_grant(description: &'static str) -> Self {
        Self::new(ErrorCode::InvalidGrant, description)
    }

    /// Another HTTP method than `allow` lists (405), in the form of the `Allow` header.
    pub const fn method_not_allowed(allow: &'static str) -> Self {
        let mut error = Self::new(ErrorCode::InvalidRequest, "this HTTP method is not served here");
        error.status = Some(StatusCode::METHOD_NOT_ALLOWED);
        error.allow = Some(allow);
        error
    }

    /// A refusal for now (429), with the seconds to wait.
    pub const fn rate_limited(retry_after: u32) -> Self {
        let mut error = Self::new(ErrorCode::TemporarilyUnavailable, "too many attempts");
        error.status = Some(StatusCode::TOO_MANY_REQUESTS);
        error.retry_after = Some(retry_after);
        error
    }

    /// Names the parameter the description is about; it is appended to the description.
    #[must_use]
    pub const fn about(mut self, parameter: &'static str) -> Self {
        self.parameter = Some(parameter);
        self
    }

    /// Answers with another HTTP status than the code's own.
    #[must_use]
    pub const fn with_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// Keeps the cause for the log.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Cause>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The `error` code.
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The HTTP status where the answer is not a redirect.
    pub fn status(&self) -> StatusCode {
        self.status.unwrap_or(self.code.status())
    }

    /// The `error_description`, in the characters RFC 6749 section 5.2 allows.
    pub fn description(&self) -> Cow<'static, str> {
        match self.parameter {
            Some(parameter) => format!("{}: {parameter}", self.description).into(),
            None => self.description.into(),
        }
    }

    /// The HTTP methods to use instead.
    pub(crate) const fn allow(&self) -> Option<&'static str> {
        self.allow
    }

    /// Seconds the client should wait before it tries again.
    pub const fn retry_after(&self) -> Option<u32> {
        self.retry_after
    }
}

impl From<StorageError> for Error {
    /// A fault of the store is "not now", never "no".
    fn from(fault: StorageError) -> Self {
        let mut error = Self::new(ErrorCode::TemporarilyUnavailable, "the server cannot reach its data");
        error.retry_after = Some(1);
        error.source = Some(fault.0);
        error
    }
}

/// A store could not answer: it is down, timed out, or holds a record that cannot be read.
///
/// Any [`std::error::Error`] becomes one through `?`. Therefore it is none itself; [`StorageError::cause`] is, and so is
/// the boxed error that it becomes through `?`.
#[derive(Debug)]
pub struct StorageError(Cause);

impl StorageError {
    /// A fault described by text or by another error.
    pub fn new(cause: impl Into<Cause>) -> Self {
        Self(cause.into())
    }

    /// What went wrong.
    pub fn cause(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        &*self.0
    }
}

impl From<StorageError> for Cause {
    fn from(fault: StorageError) -> Self {
        fault.0
    }
}

impl From<StorageError> for Box<dyn std::error::Error> {
    fn from(fault: StorageError) -> Self {
        fault.0
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for StorageError {
    fn from(cause: E) -> Self {
        Self(Box::new(cause))
    }
}
