use std::fmt;

use async_trait::async_trait;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair, RsaSignatureEncoding};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use zeroize::Zeroizing;

use super::algorithm::Kind;
use super::public_key::PublicKey;
use super::{Algorithm, InvalidJwk, Jwk, Signer, SigningError, private_jwk};

/// A private key in this process. `Debug` does not show it.
pub struct PrivateKey {
    pair: KeyPair,
    jwk: Jwk,
    pkcs8: Zeroizing<Vec<u8>>,
}

/// A key pair in the library's form.
pub(super) enum KeyPair {
    Rsa(RsaKeyPair, &'static RsaSignatureEncoding),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// Why a private key cannot be used. It repeats nothing of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPrivateKey(pub(super) &'static str);

impl PrivateKey {
    /// Makes a key for `algorithm`: RSA of 2048 bits, or on the algorithm's curve. It takes some 100 ms for RSA.
    ///
    /// # Errors
    /// The algorithm is symmetric, or the library fails.
    pub fn generate(algorithm: Algorithm) -> Result<Self, InvalidPrivateKey> {
        let failed = |_: Unspecified| InvalidPrivateKey("no key could be made");
        let pair = match algorithm.kind() {
            Kind::Rsa { signing, .. } => KeyPair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?, signing),
            Kind::Ecdsa(curve) => KeyPair::Ecdsa(EcdsaKeyPair::generate(curve.signing).map_err(failed)?),
            Kind::Ed25519 => KeyPair::Ed25519(Ed25519KeyPair::generate().map_err(failed)?),
            Kind::Hmac(_) => return Err(SYMMETRIC),
        };
        Self::new(pair, algorithm)
    }

    /// Reads PKCS#8 (RFC 5958), as DER.
    ///
    /// # Errors
    /// It is no such key, not one for the algorithm, or too small.
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, InvalidPrivateKey> {
        let pair = match algorithm.kind() {
            Kind::Rsa { signing, .. } => KeyPair::Rsa(RsaKeyPair::from_pkcs8(der)?, signing),
            Kind::Ecdsa(curve) => KeyPair::Ecdsa(EcdsaKeyPair::from_pkcs8(curve.signing, der)?),
            Kind::Ed25519 => KeyPair::Ed25519(Ed25519KeyPair::from_pkcs8(der)?),
            Kind::Hmac(_) => return Err(SYMMETRIC),
        };
        Self::new(pair, algorithm)
    }

    /// Reads PKCS#8 as PEM (`BEGIN PRIVATE KEY`).
    ///
    /// # Errors
    /// See [`Self::from_pkcs8`].
    pub fn from_pem(algorithm: Algorithm, pem: &str) -> Result<Self, InvalidPrivateKey> {
        let der = pem_body(pem).ok_or(InvalidPrivateKey("no PEM of a PKCS#8 private key"))?;
        Self::from_pkcs8(algorithm, &der)
    }

    /// Reads a private JWK (RFC 7518 section 6, RFC 8037 section 2); its `kid` is kept.
    ///
    /// # Errors
    /// See [`Self::from_pkcs8`].
    pub fn from_jwk(algorithm: Algorithm, jwk: &Value) -> Result<Self, InvalidPrivateKey> {
        let (pair, kid) = private_jwk::read(algorithm, jwk)?;
        let key = Self::new(pair, algorithm)?;
        Ok(match kid {
            Some(kid) => key.with_kid(kid),
            None => key,
        })
    }

    fn new(pair: KeyPair, algorithm: Algorithm) -> Result<Self, InvalidPrivateKey> {
        let jwk = Jwk::new(pair.public_key(algorithm)?, algorithm);
        let kid = jwk.thumbprint();
        let pkcs8 = pair.to_pkcs8().map_err(|_| InvalidPrivateKey("a key that has no PKCS#8 form"))?;
        Ok(Self { pair, jwk: jwk.with_kid(kid), pkcs8 })
    }

    /// The same key under the name `kid`, where it is not to be its thumbprint.
    #[must_use]
    pub fn with_kid(self, kid: impl Into<String>) -> Self {
        Self { jwk: self.jwk.with_kid(kid), ..self }
    }

    /// The key as PKCS#8 DER, to be kept where only the server reads it.
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        self.pkcs8.clone()
    }
}

pub(super) const SYMMETRIC: InvalidPrivateKey = InvalidPrivateKey("a symmetric algorithm has no private key");

/// What is between the two lines of a PEM text (RFC 7468 section 10), and nothing else beside it.
fn pem_body(pem: &str) -> Option<Zeroizing<Vec<u8>>> {
    let pem = pem.trim().strip_prefix("-----BEGIN PRIVATE KEY-----")?.strip_suffix("-----END PRIVATE KEY-----")?;
    // As large as it can become, so that no part of the key is left behind in a smaller one.
    let mut base64 = Zeroizing::new(String::with_capacity(pem.len()));
    base64.extend(pem.split_ascii_whitespace());
    STANDARD.decode(&*base64).ok().map(Zeroizing::new)
}

impl KeyPair {
    fn public_key(&self, algorithm: Algorithm) -> Result<PublicKey, InvalidJwk> {
        match (self, algorithm.kind()) {
            (Self::Rsa(pair, _), _) => {
                let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
                let bytes = |number: aws_lc_rs::io::Positive<'_>| number.big_endian_without_leading_zero().to_vec();
                PublicKey::rsa(&bytes(n), &bytes(e), Some(algorithm))
            }
            (Self::Ecdsa(pair), Kind::Ecdsa(curve)) => {
                PublicKey::ec(curve, pair.public_key().as_ref(), Some(algorithm))
            }
            (Self::Ed25519(pair), _) => PublicKey::ed25519(pair.public_key().as_ref(), Some(algorithm)),
            _ => Err(InvalidJwk("a key for another algorithm")),
        }
    }

    fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
        let bytes = |bytes: &[u8]| Zeroizing::new(bytes.to_vec());
        Ok(match self {
            Self::Rsa(pair, _) => bytes(AsDer::<Pkcs8V1Der<'_>>::as_der(pair)?.as_ref()),
            Self::Ecdsa(pair) => bytes(pair.to_pkcs8v1()?.as_ref()),
            Self::Ed25519(pair) => bytes(pair.to_pkcs8v1()?.as_ref()),
        })
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        // The library draws its own randomness, whatever it is handed.
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature)?;
                Ok(signature)
            }
            Self::Ecdsa(pair) => Ok(pair.sign(&random, message)?.as_ref().to_vec()),
            Self::Ed25519(pair) => Ok(pair.try_sign(message)?.as_ref().to_vec()),
        }
    }
}

#[async_trait]
impl Signer for PrivateKey {
    fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        self.pair.sign(message).map_err(SigningError::new)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

impl From<KeyRejected> for InvalidPrivateKey {
    fn from(_: KeyRejected) -> Self {
        Self("not a sound private key for the algorithm")
    }
}

impl From<InvalidJwk> for InvalidPrivateKey {
    fn from(invalid: InvalidJwk) -> Self {
        Self(invalid.0)
    }
}
