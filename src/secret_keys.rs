//! The server's own secret keys: they seal tickets, authenticate refresh tokens and blind session identifiers.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::clock::{Randomness, random};
use crate::model::{KeyId, SessionDigest};

/// 32 secret bytes, the same on every replica, kept outside the database.
#[derive(Clone)]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    /// Takes 32 bytes that were drawn at random.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Draws a new key.
    pub fn generate(source: &dyn Randomness) -> Self {
        Self(random(source))
    }

    /// The bytes, to be kept where only the server reads them.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// The purposes a key serves, each by a key derived for it (RFC 5869).
struct Key {
    id: KeyId,
    seal: XChaCha20Poly1305,
    refresh_token: Hmac<Sha256>,
    session: Hmac<Sha256>,
}

/// The current secret key and the previous ones, which still open what they sealed.
#[derive(Clone)]
pub(crate) struct KeyRing(Arc<[Key]>);

impl KeyRing {
    /// The first key is the current one.
    pub(crate) fn new(keys: &[SecretKey]) -> Self {
        Self(keys.iter().map(Key::derive).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key that new refresh tokens are made with.
    pub(crate) fn current_id(&self) -> Option<KeyId> {
        self.0.first().map(|key| key.id)
    }

    fn key(&self, id: KeyId) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id)
    }

    /// Encrypts and authenticates `message` for `purpose`; base64url.
    pub(crate) fn seal(&self, purpose: &str, message: &[u8], source: &dyn Randomness) -> Option<String> {
        let key = self.0.first()?;
        let nonce: [u8; 24] = random(source);
        let payload = Payload { msg: message, aad: purpose.as_bytes() };
        let sealed = key.seal.encrypt(&XNonce::from(nonce), payload).ok()?;
        Some(URL_SAFE_NO_PAD.encode([key.id.as_bytes().as_slice(), &nonce, &sealed].concat()))
    }

    /// What [`Self::seal`] sealed for the same purpose; `None` for anything else.
    pub(crate) fn open(&self, purpose: &str, sealed: &str) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (id, rest) = bytes.split_first_chunk::<8>()?;
        let (nonce, message) = rest.split_first_chunk::<24>()?;
        let key = self.key(KeyId::from_bytes(*id))?;
        key.seal.decrypt(&XNonce::from(*nonce), Payload { msg: message, aad: purpose.as_bytes() }).ok()
    }

    /// The key that [`Self::seal`] used, by what the text says.
    #[cfg(feature = "jose")]
    pub(crate) fn sealed_by(sealed: &str) -> Option<KeyId> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        bytes.first_chunk::<8>().map(|id| KeyId::from_bytes(*id))
    }

    /// The MAC of a refresh token under the key of that id; `None` when the ring no longer has it.
    pub(crate) fn refresh_token_mac(&self, id: KeyId, message: &[u8]) -> Option<[u8; 32]> {
        Some(mac(&self.key(id)?.refresh_token, message))
    }

    /// The ids of every key, the current one first.
    pub(crate) fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.0.iter().map(|key| key.id)
    }

    /// The digest of a session identifier under the current key.
    pub(crate) fn session_digest(&self, session: Option<&str>) -> Option<SessionDigest> {
        self.session_digests(session?).next()
    }

    /// The digests of a session identifier, the current key's first.
    pub(crate) fn session_digests(&self, session: &str) -> impl Iterator<Item = SessionDigest> {
        self.0.iter().map(move |key| SessionDigest::from_bytes(mac(&key.session, session.as_bytes())))
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

impl Key {
    fn derive(secret: &SecretKey) -> Self {
        let hkdf = Hkdf::<Sha256>::new(Some(b"grantwell"), &secret.0);
        Self {
            id: KeyId::from_bytes(expand(&hkdf, "key id")),
            seal: XChaCha20Poly1305::new(&expand::<32>(&hkdf, "seal").into()),
            refresh_token: Hmac::new(&expand::<64>(&hkdf, "refresh token").into()),
            session: Hmac::new(&expand::<64>(&hkdf, "session").into()),
        }
    }
}

/// Runs when a server is built, never in a request.
fn expand<const N: usize>(hkdf: &Hkdf<Sha256>, purpose: &str) -> [u8; N] {
    let mut key = [0; N];
    #[expect(clippy::expect_used, reason = "HKDF-SHA256 yields up to 8,160 bytes; no purpose asks for more than 64")]
    hkdf.expand(purpose.as_bytes(), &mut key).expect("a short key");
    key
}

fn mac(key: &Hmac<Sha256>, message: &[u8]) -> [u8; 32] {
    let mut mac = key.clone();
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemRandomness;

    fn key(byte: u8) -> SecretKey {
        SecretKey::from_bytes([byte; 32])
    }

    #[test]
    fn a_previous_key_still_opens_and_a_dropped_one_does_not() {
        let sealed = KeyRing::new(&[key(1)]).seal("t", b"hello", &SystemRandomness).unwrap();
        assert_eq!(KeyRing::new(&[key(2), key(1)]).open("t", &sealed).as_deref(), Some(&b"hello"[..]));
        assert_eq!(KeyRing::new(&[key(2)]).open("t", &sealed), None);
        assert_eq!(KeyRing::new(&[key(1)]).open("other", &sealed), None);
    }

    #[test]
    fn every_change_is_noticed() {
        let ring = KeyRing::new(&[key(1)]);
        let sealed = ring.seal("t", b"hello", &SystemRandomness).unwrap();
        for i in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[i] = if changed[i] == b'A' { b'B' } else { b'A' };
            assert_eq!(ring.open("t", &String::from_utf8(changed).unwrap()), None, "{i}");
        }
    }
}
