use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::algorithm::{Curve, Kind};
use super::jwk::text;
use super::{Algorithm, InvalidJwk};
use crate::secret::Digest;

/// What verifies: a key in the library's form, once for each algorithm that it allows.
pub(super) struct PublicKey {
    /// The members that make up the key, in the order of RFC 7638 section 3.3.
    members: Map<String, Value>,
    verifiers: Vec<(Algorithm, ParsedPublicKey)>,
}

impl PublicKey {
    /// The key in the members of a JWK, for `alg` or for all that its type can.
    pub(super) fn from_members(jwk: &Map<String, Value>, alg: Option<Algorithm>) -> Result<Self, InvalidJwk> {
        let number = |name| decode(text(jwk, name)?.ok_or(InvalidJwk("a number is missing"))?);
        match (text(jwk, "kty")?, text(jwk, "crv")?) {
            (Some("RSA"), _) => Self::rsa(&number("n")?, &number("e")?, alg),
            (Some("EC"), Some(crv)) => {
                let curve = Curve::named(crv).ok_or(InvalidJwk("a curve that is not known"))?;
                let (x, y) = (number("x")?, number("y")?);
                if x.len() != curve.coordinate || y.len() != curve.coordinate {
                    return Err(InvalidJwk("a coordinate not of the curve's length"));
                }
                Self::ec(curve, &[&[UNCOMPRESSED], &*x, &y].concat(), alg)
            }
            (Some("OKP"), Some("Ed25519")) => Self::ed25519(&number("x")?, alg),
            _ => Err(InvalidJwk("a kind of key that is not known")),
        }
    }

    pub(super) fn rsa(n: &[u8], e: &[u8], alg: Option<Algorithm>) -> Result<Self, InvalidJwk> {
        let unused_bits = n.first().map_or(0, |first| first.leading_zeros());
        if !(2048..=8192).contains(&(n.len() * 8).saturating_sub(unused_bits as usize)) {
            return Err(InvalidJwk("an RSA key of under 2048 or over 8192 bits"));
        }
        // Through DER, as the library checks the numbers on that way alone.
        let der: Result<PublicKeyX509Der<'_>, Unspecified> = RsaPublicKeyComponents { n, e }.as_der();
        let der = der.map_err(|_| InvalidJwk("no RSA numbers"))?;
        Self::new([("e", encode(e)), ("kty", "RSA".into()), ("n", encode(n))], der.as_ref(), alg, |kind| match kind {
            Kind::Rsa { verification, .. } => Some(verification),
            _ => None,
        })
    }

    /// The point in the uncompressed form of SEC 1 section 2.3.3.
    pub(super) fn ec(curve: &'static Curve, point: &[u8], alg: Option<Algorithm>) -> Result<Self, InvalidJwk> {
        let coordinates = point.strip_prefix(&[UNCOMPRESSED]).and_then(|both| both.split_at_checked(curve.coordinate));
        let (x, y) = coordinates.ok_or(InvalidJwk("no point"))?;
        let members = [("crv", curve.name.into()), ("kty", "EC".into()), ("x", encode(x)), ("y", encode(y))];
        Self::new(members, point, alg, |kind| match kind {
            Kind::Ecdsa(of) if of.name == curve.name => Some(curve.verification),
            _ => None,
        })
    }

    pub(super) fn ed25519(x: &[u8], alg: Option<Algorithm>) -> Result<Self, InvalidJwk> {
        // The library would take other lengths for DER.
        if x.len() != signature::ED25519_PUBLIC_KEY_LEN {
            return Err(InvalidJwk("no Ed25519 key"));
        }
        Self::new([("crv", "Ed25519".into()), ("kty", "OKP".into()), ("x", encode(x))], x, alg, |kind| match kind {
            Kind::Ed25519 => Some(&signature::ED25519),
            _ => None,
        })
    }

    /// `bytes` is the key as the library reads it; `verification` names the algorithms that it can be used with.
    fn new<const N: usize>(
        members: [(&str, Value); N],
        bytes: &[u8],
        alg: Option<Algorithm>,
        verification: impl Fn(Kind) -> Option<&'static dyn VerificationAlgorithm>,
    ) -> Result<Self, InvalidJwk> {
        let mut verifiers = Vec::new();
        for algorithm in Algorithm::ASYMMETRIC.into_iter().filter(|known| alg.is_none_or(|alg| alg == *known)) {
            if let Some(verification) = verification(algorithm.kind()) {
                let key = ParsedPublicKey::new(verification, bytes).map_err(|_| InvalidJwk("not a sound key"))?;
                verifiers.push((algorithm, key));
            }
        }
        if verifiers.is_empty() {
            return Err(InvalidJwk("alg is not one the key can have"));
        }
        Ok(Self { members: members.map(|(name, value)| (name.to_owned(), value)).into_iter().collect(), verifiers })
    }

    pub(super) fn allows(&self, algorithm: Algorithm) -> bool {
        self.verifier(algorithm).is_some()
    }

    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.verifier(algorithm).is_some_and(|key| key.verify_sig(message, signature).is_ok())
    }

    fn verifier(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        self.verifiers.iter().find(|(of, _)| *of == algorithm).map(|(_, key)| key)
    }

    pub(super) fn members(&self) -> Map<String, Value> {
        self.members.clone()
    }

    pub(super) fn thumbprint(&self) -> String {
        Digest::of(&Value::Object(self.members()).to_string()).to_string()
    }
}

/// What a point in uncompressed form begins with.
pub(super) const UNCOMPRESSED: u8 = 4;

fn decode(number: &str) -> Result<Vec<u8>, InvalidJwk> {
    URL_SAFE_NO_PAD.decode(number).map_err(|_| InvalidJwk("a number is no base64url"))
}

fn encode(number: &[u8]) -> Value {
    URL_SAFE_NO_PAD.encode(number).into()
}
