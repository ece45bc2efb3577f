//! Values that open something, and the digests that stand for them in a store.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// A code, token or client secret in the clear: redacted in `Debug`, compared in constant time, never stored.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes the text for a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The base64url form of `bytes` (RFC 4648 section 5, without padding).
    pub(crate) fn encode(bytes: &[u8]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The text itself, to be sent to the one it is meant for.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What a store keeps in the secret's place.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }

    /// Whether `other` is the same text, in time that depends on the lengths alone.
    pub(crate) fn matches(&self, other: &str) -> bool {
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.matches(&other.0)
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Declares a fixed number of bytes that are written as base64url (RFC 4648 section 5, without padding).
macro_rules! bytes_as_base64url {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name([u8; $length]);

        impl $name {
            /// The value of these bytes.
            pub const fn from_bytes(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                use ::base64::Engine as _;
                f.write_str(&::base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(self.0))
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::secret::InvalidLength;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                use ::base64::Engine as _;
                let decoded = ::base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text);
                decoded.ok().and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or($crate::secret::InvalidLength)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::secret::InvalidLength;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    };
}
pub(crate) use bytes_as_base64url;

/// Text that is not the base64url form of a value of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not base64url of the expected length")]
pub struct InvalidLength;

bytes_as_base64url! {
    /// The SHA-256 digest of a secret, the only form in which codes and tokens reach a store.
    ///
    /// A host that checks opaque access tokens in its own table looks them up by `Digest::of(token)`.
    Digest, 32
}

impl Digest {
    /// The digest of a code or token as it stands in a request.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// Whether this is the digest of `text`; constant time.
    pub fn matches(&self, text: &str) -> bool {
        Self::of(text).0.ct_eq(&self.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::new("hush")), "Secret(..)");
    }

    #[test]
    fn a_digest_reads_what_it_writes_and_nothing_else() {
        let digest = Digest::of("abc");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!(digest.matches("abc") && !digest.matches("abd"));
        assert!("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa1".parse::<Digest>().is_err(), "stray trailing bits");
    }
}
