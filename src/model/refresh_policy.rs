use serde::{Deserialize, Serialize};

/// How long refresh tokens live and whether using one replaces it (RFC 9700 section 4.14). By default they rotate with
/// 30 seconds of grace, and end after 30 days without use, or 90 days in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RefreshPolicy {
    /// What a use does to the token.
    pub rotation: Rotation,
    /// Seconds after the last use at which the token ends.
    pub idle_lifetime: u64,
    /// Seconds after the approval at which the token ends however often it is used.
    pub absolute_lifetime: u64,
}

impl RefreshPolicy {
    /// What cannot be meant, if anything.
    pub(crate) const fn contradiction(&self) -> Option<&'static str> {
        match self.rotation {
            _ if self.idle_lifetime == 0 || self.absolute_lifetime == 0 => Some("a refresh token's lifetime is zero"),
            Rotation::Rotate { grace } if grace > 600 => {
                Some("a grace of more than 600 seconds would leave stolen refresh tokens unnoticed")
            }
            _ => None,
        }
    }
}

/// What using a refresh token does to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Rotation {
    /// Each use yields a successor. The used token answers with that same successor for `grace` more seconds (a lost
    /// response, two tabs); used after that, it is taken for stolen and its authorization is revoked.
    Rotate {
        /// Seconds, at most 600; 0 turns the grace off.
        grace: u64,
    },
    /// The token stays the same. Only for clients that authenticate (RFC 9700 section 2.2.2).
    Keep,
}

impl Default for RefreshPolicy {
    /// Rotation with 30 s of grace, 30 days idle, 90 days in all.
    fn default() -> Self {
        Self { rotation: Rotation::default(), idle_lifetime: 30 * 86_400, absolute_lifetime: 90 * 86_400 }
    }
}

impl Default for Rotation {
    fn default() -> Self {
        Self::Rotate { grace: 30 }
    }
}
