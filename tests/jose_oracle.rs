//! Another implementation (the crate `jsonwebtoken`) takes the tokens made here, and the other way round.
#![cfg(feature = "jose")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod vectors;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::executor::block_on;
use grantwell::jose::{Algorithm, JwkSet, Jws, JwtClaims, PrivateKey, Signer as _, sign};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Value, json};
use vectors::*;

/// Those that both have: `jsonwebtoken` has no ES512.
const BOTH: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

const SECRET: &[u8] = &[7; 64];

fn claims() -> Value {
    json!({ "iss": "https://as.example", "sub": "alice", "aud": "https://api.example", "exp": 4_000_000_000_u64, "é": ["\n"] })
}

fn theirs(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    algorithm.as_str().parse().unwrap()
}

/// The claims in the token as they read it.
fn they_accept(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Option<Value> {
    let mut validation = Validation::new(theirs(algorithm));
    validation.set_audience(&["https://api.example"]);
    jsonwebtoken::decode(token, key, &validation).ok().map(|token| token.claims)
}

/// The claims in the token as they are read here.
fn we_accept(token: &str, keys: &JwkSet, algorithm: Algorithm) -> Option<JwtClaims> {
    let payload = Jws::parse(token).ok()?.verify(keys, &[algorithm]).ok()?;
    JwtClaims::parse(&payload).ok()
}

fn is_right(claims: &JwtClaims) -> bool {
    claims.sub.as_deref() == Some("alice")
        && claims.aud == ["https://api.example"]
        && claims.other["é"] == json!(["\n"])
}

/// The token with one bit of its last part changed.
fn forged(token: &str) -> String {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let mut signature = decode(signature);
    signature[20] ^= 1;
    format!("{message}.{}", encode(signature))
}

fn their_private_key(algorithm: Algorithm, key: &PrivateKey) -> EncodingKey {
    let der = key.to_pkcs8();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(&*der));
    match algorithm {
        Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(pem.as_bytes()).unwrap(),
        Algorithm::EdDSA => EncodingKey::from_ed_pem(pem.as_bytes()).unwrap(),
        _ => EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(),
    }
}

#[test]
fn they_accept_ours_and_we_accept_theirs_and_nobody_a_forgery() {
    for algorithm in BOTH {
        let (key, keys) = new_key(algorithm);
        let published: jsonwebtoken::jwk::Jwk = serde_json::from_value(key.jwk().to_value()).unwrap();
        let their_key = DecodingKey::from_jwk(&published).unwrap();
        let ours = block_on(sign(&key, "at+jwt", &claims())).unwrap();
        let header = Header { kid: key.jwk().kid().map(str::to_owned), ..Header::new(theirs(algorithm)) };
        let theirs = jsonwebtoken::encode(&header, &claims(), &their_private_key(algorithm, &key)).unwrap();
        for token in [&ours, &theirs] {
            assert_eq!(they_accept(token, &their_key, algorithm), Some(claims()), "{algorithm:?}");
            assert!(is_right(&we_accept(token, &keys, algorithm).unwrap()), "{algorithm:?}");
            let forged = forged(token);
            assert_eq!(they_accept(&forged, &their_key, algorithm), None, "{algorithm:?}");
            assert_eq!(we_accept(&forged, &keys, algorithm), None, "{algorithm:?}");
        }
    }
}

#[test]
fn a_shared_secret_is_the_same_to_both() {
    let secret = grantwell::jose::SharedSecret::new(SECRET);
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let their_key = DecodingKey::from_secret(SECRET);
        let ours = authenticated(&secret, algorithm, &claims().to_string()).unwrap();
        let header = Header::new(theirs(algorithm));
        let theirs = jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(SECRET)).unwrap();
        for token in [&ours, &theirs] {
            assert_eq!(they_accept(token, &their_key, algorithm), Some(claims()), "{algorithm:?}");
            let verified = |token: &str| Jws::parse(token).unwrap().verify_with_secret(&secret, &[algorithm]);
            assert!(is_right(&JwtClaims::parse(&verified(token).unwrap()).unwrap()), "{algorithm:?}");
            assert_eq!(they_accept(&forged(token), &their_key, algorithm), None, "{algorithm:?}");
            assert!(verified(&forged(token)).is_err(), "{algorithm:?}");
        }
    }
}

#[test]
fn both_call_a_key_by_the_same_thumbprint() {
    for algorithm in BOTH {
        let key = PrivateKey::generate(algorithm).unwrap();
        let published: jsonwebtoken::jwk::Jwk = serde_json::from_value(key.jwk().to_value()).unwrap();
        let thumbprint = published.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256);
        assert_eq!(thumbprint.unwrap(), key.jwk().thumbprint(), "{algorithm:?}");
    }
}
