//! Private keys as JWK (RFC 7518 sections 6.2.2 and 6.3.2, RFC 8037 section 2).

use aws_lc_rs::rsa;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::algorithm::Kind;
use super::jwk::text;
use super::private_key::{KeyPair, SYMMETRIC};
use super::public_key::UNCOMPRESSED;
use super::{Algorithm, InvalidPrivateKey};

/// The key pair, and its `kid`.
pub(super) fn read(algorithm: Algorithm, jwk: &Value) -> Result<(KeyPair, Option<&str>), InvalidPrivateKey> {
    let members = jwk.as_object().ok_or(InvalidPrivateKey("no JSON object"))?;
    if !is_for_signing(algorithm, members) {
        return Err(InvalidPrivateKey("not a key to make the algorithm's signatures with"));
    }
    let pair = match algorithm.kind() {
        Kind::Rsa { signing, .. } => KeyPair::Rsa(rsa_pair(members)?, signing),
        Kind::Ecdsa(curve) => {
            let [d, x, y] = ["d", "x", "y"].map(|name| number(members, name));
            let (d, x, y) = (d?, x?, y?);
            if [&d, &x, &y].iter().any(|number| number.len() != curve.coordinate) {
                return Err(InvalidPrivateKey("a number not of the curve's length"));
            }
            let point = [&[UNCOMPRESSED], &**x, &**y].concat();
            KeyPair::Ecdsa(EcdsaKeyPair::from_private_key_and_public_key(curve.signing, &d, &point)?)
        }
        Kind::Ed25519 => {
            let pair = Ed25519KeyPair::from_seed_and_public_key(&number(members, "d")?, &number(members, "x")?)?;
            KeyPair::Ed25519(pair)
        }
        Kind::Hmac(_) => return Err(SYMMETRIC),
    };
    Ok((pair, text(members, "kid")?))
}

fn rsa_pair(members: &Map<String, Value>) -> Result<RsaKeyPair, InvalidPrivateKey> {
    if members.contains_key("oth") {
        return Err(InvalidPrivateKey("an RSA key of more than two primes"));
    }
    let number = |name| number(members, name);
    Ok(RsaKeyPair::from_components(&rsa::KeyPairComponents {
        public_key: RsaPublicKeyComponents { n: number("n")?, e: number("e")? },
        d: number("d")?,
        p: number("p")?,
        q: number("q")?,
        dP: number("dp")?,
        dQ: number("dq")?,
        qInv: number("qi")?,
    })?)
}

/// Whether type, curve, `alg`, `use` and `key_ops`, where they are there, fit.
fn is_for_signing(algorithm: Algorithm, members: &Map<String, Value>) -> bool {
    let is = |name, expected: &str| members.get(name).is_some_and(|value| value == expected);
    let is_not_other = |name, expected: &str| !members.contains_key(name) || is(name, expected);
    let allows_sign = |operations: &Value| operations.as_array().is_some_and(|all| all.contains(&"sign".into()));
    let is_of_type = match algorithm.kind() {
        Kind::Rsa { .. } => is("kty", "RSA"),
        Kind::Ecdsa(curve) => is("kty", "EC") && is("crv", curve.name),
        Kind::Ed25519 => is("kty", "OKP") && is("crv", "Ed25519"),
        Kind::Hmac(_) => false,
    };
    is_of_type
        && is_not_other("alg", algorithm.as_str())
        && is_not_other("use", "sig")
        && members.get("key_ops").is_none_or(allows_sign)
}

fn number(members: &Map<String, Value>, name: &str) -> Result<Zeroizing<Vec<u8>>, InvalidPrivateKey> {
    let text = text(members, name)?.ok_or(InvalidPrivateKey("a number is missing"))?;
    let number = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidPrivateKey("a number is no base64url"))?;
    Ok(Zeroizing::new(number))
}
