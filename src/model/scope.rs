use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorCode};

/// A set of scope tokens (RFC 6749 section 3.3), in the order they were first named.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Scope(Arc<str>);

/// Text that is no scope: a character outside RFC 6749 appendix A.4, or stray spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a list of scope tokens separated by single spaces")]
pub struct InvalidScope;

impl Scope {
    /// The empty scope.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The tokens joined by single spaces, the form on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tokens.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|token| !token.is_empty())
    }

    /// Whether there is no token in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `token` is one of the tokens.
    pub fn contains(&self, token: &str) -> bool {
        self.iter().any(|t| t == token)
    }

    /// Whether every token of `other` is in this scope.
    pub fn covers(&self, other: &Self) -> bool {
        self.0 == other.0 || other.iter().all(|token| self.contains(token))
    }

    /// The tokens that are in `other` too.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        if other.covers(self) {
            return self.clone();
        }
        Self::collect(self.iter().filter(|token| other.contains(token)))
    }

    /// The tokens of both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::collect(self.iter().chain(other.iter()))
    }

    /// The tokens that are not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self::collect(self.iter().filter(|token| !other.contains(token)))
    }

    /// The scope that a request's `scope` names, within `most`; all of `most` when it names none (RFC 6749 section
    /// 3.3).
    ///
    /// # Errors
    /// `invalid_scope`.
    pub(crate) fn requested(named: Option<&str>, most: &Self) -> Result<Self, Error> {
        let Some(named) = named else { return Ok(most.clone()) };
        let refuse = |description| Error::new(ErrorCode::InvalidScope, description);
        let scope: Self = named.parse().map_err(|_| refuse("scope is not well-formed"))?;
        if most.covers(&scope) { Ok(scope) } else { Err(refuse("scope goes beyond what the client may have")) }
    }

    fn collect<'a>(tokens: impl Iterator<Item = &'a str>) -> Self {
        let mut seen = HashSet::new();
        let distinct: Vec<&str> = tokens.filter(|token| seen.insert(*token)).collect();
        Self(distinct.join(" ").into())
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        // RFC 6749 appendix A.4: NQCHAR
        let is_token = |t: &str| !t.is_empty() && t.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
        if text.is_empty() {
            return Ok(Self::empty());
        }
        if text.split(' ').all(is_token) { Ok(Self::collect(text.split(' '))) } else { Err(InvalidScope) }
    }
}

/// Two scopes are equal when they are the same set.
impl PartialEq for Scope {
    fn eq(&self, other: &Self) -> bool {
        self.covers(other) && other.covers(self)
    }
}

impl Eq for Scope {}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scope({:?})", &*self.0)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Scope {
    type Error = InvalidScope;

    fn try_from(text: String) -> Result<Self, InvalidScope> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        text.parse().unwrap()
    }

    #[test]
    fn grammar() {
        for bad in [" ", "a  b", " a", "a ", "a\"b", "a\\b", "é", "a\tb"] {
            assert!(bad.parse::<Scope>().is_err(), "{bad:?}");
        }
        assert_eq!(scope("b a b").as_str(), "b a");
    }

    #[test]
    fn sets() {
        assert!(scope("a b c").covers(&scope("c a")));
        assert!(!scope("ab").contains("a"));
        assert_eq!(scope("a b c").intersection(&scope("c x a")).as_str(), "a c");
        assert_eq!(scope("a b").union(&scope("b c")).as_str(), "a b c");
        assert_eq!(scope("a b"), scope("b a"));
    }
}
