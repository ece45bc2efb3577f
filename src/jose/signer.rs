use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::{Algorithm, Jwk};

/// A private key, wherever it lives: in this process ([`PrivateKey`](super::PrivateKey)), in a KMS or an HSM.
#[async_trait]
pub trait Signer: Send + Sync + 'static {
    /// The public key, with its `kid` and `alg`; the signatures are of that algorithm.
    fn jwk(&self) -> &Jwk;

    /// The signature over `message`, in the form of RFC 7518 section 3 (for ECDSA: R and S, not DER).
    ///
    /// # Errors
    /// The key cannot be used now.
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError>;
}

/// A signer could not sign.
#[derive(Debug, thiserror::Error)]
#[error("the signer failed")]
pub struct SigningError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl SigningError {
    /// A failure described by text or by another error.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

#[derive(Serialize)]
struct Header<'a> {
    alg: Algorithm,
    typ: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

/// A JWS in compact form over the JSON of `payload`, with `alg`, `kid` and the header `typ`.
///
/// # Errors
/// The payload has no JSON form, the signer's key no `alg`, or the signer fails.
pub async fn sign(signer: &dyn Signer, typ: &str, payload: &impl Serialize) -> Result<String, SigningError> {
    let key = signer.jwk();
    let alg = key.alg().ok_or_else(|| SigningError::new("the signer's key has no alg"))?;
    let header = serde_json::to_vec(&Header { alg, typ, kid: key.kid() }).map_err(SigningError::new)?;
    let payload = serde_json::to_vec(payload).map_err(SigningError::new)?;
    let mut token = String::with_capacity(2 * (header.len() + payload.len()) + 512);
    URL_SAFE_NO_PAD.encode_string(header, &mut token);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    let signature = signer.sign(token.as_bytes()).await?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}
