use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::secret::bytes_as_base64url;

/// Declares a name that is cheap to clone.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text for this name.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }
    };
}

name! {
    /// A client identifier (RFC 6749 section 2.2).
    ClientId
}

name! {
    /// Who authorized: the host's own identifier of a user, `sub` on the wire. It must never be given to another user.
    Subject
}

name! {
    /// The identifier of an authorization server (RFC 8414 section 2), as records and tickets carry it.
    Issuer
}

bytes_as_base64url! {
    /// One approval, the root of the codes and tokens issued under it.
    AuthorizationId, 16
}

bytes_as_base64url! {
    /// The family of a refresh token; every generation of it has the same. It opens nothing by itself.
    RefreshHandle, 16
}

bytes_as_base64url! {
    /// Which [`SecretKey`](crate::SecretKey) made something.
    KeyId, 8
}

bytes_as_base64url! {
    /// A keyed digest of the host's session identifier.
    SessionDigest, 32
}
