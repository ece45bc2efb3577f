//! Ed25519 in JOSE (RFC 8037).
#![cfg(feature = "jose")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod vectors;

use grantwell::jose::{Algorithm, Jwk, JwkSet, Jws, PrivateKey, Signer as _};
use serde_json::json;
use vectors::*;

const TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6\
    dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

#[test]
fn the_examples_of_appendices_a_1_to_a_3_are_one_key() {
    let key = PrivateKey::from_jwk(Algorithm::EdDSA, &ed25519()).unwrap();
    assert_eq!(key.jwk().thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let published = key.jwk().to_value();
    assert_eq!(published["x"], ed25519()["x"]);
    assert_eq!(published.get("d"), None);
    assert_eq!(Jwk::parse(&public(&ed25519())).unwrap().thumbprint(), key.jwk().thumbprint());
}

#[test]
fn the_examples_of_appendices_a_4_and_a_5() {
    let key = PrivateKey::from_jwk(Algorithm::EdDSA, &ed25519()).unwrap();
    assert_eq!(signed(&key, r#"{"alg":"EdDSA"}"#, "Example of Ed25519 signing"), TOKEN);
    let verified = Jws::parse(TOKEN).unwrap().verify(&set(&[public(&ed25519())]), &[Algorithm::EdDSA]);
    assert_eq!(verified.unwrap(), b"Example of Ed25519 signing");
}

#[test]
fn the_x25519_key_of_appendix_a_6_verifies_nothing() {
    let bob =
        json!({ "kty": "OKP", "crv": "X25519", "kid": "Bob", "x": "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08" });
    assert!(Jwk::parse(&bob).is_err());
    let keys = json!({ "keys": [bob, public(&ed25519())] });
    let keys = JwkSet::parse(keys.to_string().as_bytes()).unwrap();
    assert_eq!(keys.keys.len(), 1);
    let private = with(&ed25519(), "crv", json!("X25519"));
    assert!(PrivateKey::from_jwk(Algorithm::EdDSA, &private).is_err());
}

#[test]
fn a_signature_has_one_form() {
    // RFC 8032 section 5.1.7: S is below the order of the group, so adding the order to it yields no second signature.
    let order = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    let (message, signature) = TOKEN.rsplit_once('.').unwrap();
    let mut signature = decode(signature);
    let mut carry = 0;
    for (place, byte) in signature[32..].iter_mut().enumerate() {
        let digit = u16::from_str_radix(&order[2 * place..2 * place + 2], 16).unwrap();
        let sum = u16::from(*byte) + digit + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    assert_eq!(carry, 0);
    let malleated = format!("{message}.{}", encode(signature));
    let verified = Jws::parse(&malleated).unwrap().verify(&set(&[public(&ed25519())]), &[Algorithm::EdDSA]);
    assert!(verified.is_err());
}

#[test]
fn the_name_of_rfc_9864_means_the_same() {
    let key = PrivateKey::from_jwk(Algorithm::EdDSA, &ed25519()).unwrap();
    let token = signed(&key, r#"{"alg":"Ed25519"}"#, "payload");
    for alg in ["EdDSA", "Ed25519"] {
        let keys = set(&[with(&public(&ed25519()), "alg", json!(alg))]);
        assert_eq!(Jws::parse(&token).unwrap().verify(&keys, &[Algorithm::EdDSA]).unwrap(), b"payload", "{alg}");
    }
}
