use std::borrow::Cow;

use super::Access;
use super::refused::Refused;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorCode};
use crate::model::Scope;

/// What a request to an API needs: a scope (RFC 6750 section 3.1), and how and when its user must have logged in (RFC
/// 9470).
///
/// Lists are written as on the wire, with single spaces between the names. In a `const`, text that is no such list is an
/// error of the compiler:
///
/// ```
/// use grantwell::resource::Requirement;
///
/// const TRANSFER: Requirement = Requirement::all_of("accounts transfer").acr_values("urn:example:mfa").max_age(300);
/// ```
/// ```compile_fail
/// # use grantwell::resource::Requirement;
/// const TRANSFER: Requirement = Requirement::all_of("accounts, transfer\"");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    scope: RequiredScope,
    acr_values: &'static str,
    max_age: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum RequiredScope {
    AllOf(Cow<'static, str>),
    AnyOf(Cow<'static, str>),
}

impl Requirement {
    /// Any active token.
    pub const fn any_token() -> Self {
        Self::all_of("")
    }

    /// Every one of these scope tokens; with none, any active token will do.
    ///
    /// # Panics
    /// The text is no scope (RFC 6749 section 3.3).
    pub const fn all_of(scope: &'static str) -> Self {
        assert!(is_list(scope), "not a list of scope tokens separated by single spaces");
        Self { scope: RequiredScope::AllOf(Cow::Borrowed(scope)), acr_values: "", max_age: None }
    }

    /// At least one of these scope tokens.
    ///
    /// # Panics
    /// The text is no scope (RFC 6749 section 3.3).
    pub const fn any_of(scope: &'static str) -> Self {
        assert!(is_list(scope), "not a list of scope tokens separated by single spaces");
        Self { scope: RequiredScope::AnyOf(Cow::Borrowed(scope)), acr_values: "", max_age: None }
    }

    /// The user must have logged in by one of these authentication context classes, the preferred one first (RFC 9470
    /// section 3).
    ///
    /// # Panics
    /// A value has a character that cannot stand in a challenge.
    #[must_use]
    pub const fn acr_values(mut self, values: &'static str) -> Self {
        assert!(is_list(values), "not a list of authentication context classes separated by single spaces");
        self.acr_values = values;
        self
    }

    /// The user must have logged in no longer than so many seconds ago (RFC 9470 section 3).
    #[must_use]
    pub const fn max_age(mut self, seconds: u64) -> Self {
        self.max_age = Some(seconds);
        self
    }

    /// Whether the access is enough.
    ///
    /// # Errors
    /// What is missing, and what would do.
    pub(super) fn check(&self, access: &Access, now: Timestamp) -> Result<(), Refused> {
        if !self.scope.is_met_by(&access.scope) {
            let error = Error::new(ErrorCode::InsufficientScope, "the access token's scope is too narrow");
            return Err(Refused::from(error).with("scope", self.scope.as_str().to_owned()));
        }
        if !self.authentication_is_met_by(access, now) {
            let description = "the user has to log in again, as this request needs it";
            let mut refused = Refused::from(Error::new(ErrorCode::InsufficientUserAuthentication, description));
            if !self.acr_values.is_empty() {
                refused = refused.with("acr_values", self.acr_values.to_owned());
            }
            return Err(self
                .max_age
                .into_iter()
                .fold(refused, |refused, age| refused.with("max_age", age.to_string())));
        }
        Ok(())
    }

    fn authentication_is_met_by(&self, access: &Access, now: Timestamp) -> bool {
        let acr = access.acr.as_deref();
        let is_of_class = self.acr_values.is_empty() || self.acr_values.split(' ').any(|value| Some(value) == acr);
        let is_recent = |age| access.auth_time.is_some_and(|auth_time| now.since(auth_time) <= age);
        is_of_class && self.max_age.is_none_or(is_recent)
    }
}

/// Every token of the scope.
impl From<Scope> for Requirement {
    fn from(scope: Scope) -> Self {
        Self { scope: RequiredScope::AllOf(Cow::Owned(scope.into())), ..Self::any_token() }
    }
}

impl RequiredScope {
    fn as_str(&self) -> &str {
        match self {
            Self::AllOf(scope) | Self::AnyOf(scope) => scope,
        }
    }

    fn is_met_by(&self, scope: &Scope) -> bool {
        let mut tokens = self.as_str().split(' ').filter(|token| !token.is_empty());
        match self {
            Self::AllOf(_) => tokens.all(|token| scope.contains(token)),
            Self::AnyOf(_) => tokens.any(|token| scope.contains(token)),
        }
    }
}

/// Whether the text is a list, maybe empty, of RFC 6749's scope tokens (appendix A.4) separated by single spaces. Nothing
/// in it has to be escaped in a quoted string.
const fn is_list(text: &str) -> bool {
    let mut rest = text.as_bytes();
    let mut last = b' ';
    while let [byte, behind @ ..] = rest {
        let is_token = matches!(*byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if !is_token && (*byte != b' ' || last == b' ') {
            return false;
        }
        last = *byte;
        rest = behind;
    }
    text.is_empty() || last != b' '
}
