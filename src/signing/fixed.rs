use std::sync::Arc;

use super::view::{Usable, View};
use super::{BoundKeys, KeySource, Source};
use crate::clock::Timestamp;
use crate::jose::{Jwk, Signer};

/// Signing keys that the host gives and rotates by itself, where it starts the server anew.
///
/// To rotate: publish the next key by [`Self::publish`] for as long as others keep the JWK Set (five minutes), then let it sign and
/// publish the one before until its last token has expired.
#[derive(Clone, Default)]
pub struct FixedKeys {
    signers: Vec<Arc<dyn Signer>>,
    published: Vec<Jwk>,
}

impl FixedKeys {
    /// One key that signs.
    pub fn new(signer: impl Signer) -> Self {
        Self::default().signer(signer)
    }

    /// One more key that signs, by another algorithm. The first one signs where none is asked for.
    #[must_use]
    pub fn signer(mut self, signer: impl Signer) -> Self {
        self.signers.push(Arc::new(signer));
        self
    }

    /// A key that does not sign, or no longer, and is published.
    #[must_use]
    pub fn publish(mut self, key: Jwk) -> Self {
        self.published.push(key);
        self
    }
}

impl<S> KeySource<S> for FixedKeys {
    fn bind(self, _: &Arc<S>) -> BoundKeys {
        let published = self.signers.iter().map(|signer| signer.jwk().clone()).chain(self.published).collect();
        let usable = |signer: Arc<dyn Signer>| {
            let algorithm = signer.jwk().alg()?;
            Some(Usable { algorithm, signs_from: Timestamp::default(), signer: Some(signer) })
        };
        BoundKeys(Source::Fixed(View::new(self.signers.into_iter().filter_map(usable).collect(), published)))
    }
}

impl std::fmt::Debug for FixedKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FixedKeys").field("published", &self.published).finish_non_exhaustive()
    }
}
