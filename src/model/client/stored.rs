use std::borrow::Cow;

use serde::{Deserialize, Serialize, Serializer};

use super::{Client, ClientId, ClientMetadata, ClientPolicy, ClientSecret, InvalidClient};
use crate::clock::Timestamp;
use crate::secret::Digest;

/// A client as a store keeps it; what is read back is checked as if it were registered anew.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored<'a> {
    id: ClientId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret_expires_at: Option<Timestamp>,
    metadata: Cow<'a, ClientMetadata>,
    policy: Cow<'a, ClientPolicy>,
}

impl Serialize for Client {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let secret = match &self.secret {
            Some(ClientSecret::Digest(digest)) => Some(*digest),
            Some(ClientSecret::Verifier(_)) => {
                return Err(serde::ser::Error::custom("a client whose secret the host checks is the host's to keep"));
            }
            None => None,
        };
        let stored = Stored {
            id: self.id.clone(),
            secret,
            secret_expires_at: self.secret_expires_at,
            metadata: Cow::Borrowed(&self.metadata),
            policy: Cow::Borrowed(&self.policy),
        };
        stored.serialize(serializer)
    }
}

impl TryFrom<Stored<'_>> for Client {
    type Error = InvalidClient;

    fn try_from(stored: Stored<'_>) -> Result<Self, InvalidClient> {
        let secret = stored.secret.map(ClientSecret::Digest);
        let client =
            Self::new(stored.id, secret, stored.metadata.into_owned())?.with_policy(stored.policy.into_owned())?;
        Ok(Self { secret_expires_at: stored.secret_expires_at, ..client })
    }
}
