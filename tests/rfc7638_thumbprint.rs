//! JWK Thumbprint (RFC 7638).
#![cfg(feature = "jose")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod vectors;

use grantwell::jose::{Algorithm, Jwk, PrivateKey, Signer as _};
use serde_json::{Value, json};
use vectors::*;

fn thumbprint(key: &Value) -> String {
    Jwk::parse(key).unwrap().thumbprint()
}

#[test]
fn the_example_of_section_3_1() {
    let key = json!({
        "kty": "RSA",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV\
              4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d\
              0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-\
              csFCur-kEgU8awapJzKnqDKgw",
        "e": "AQAB",
        "alg": "RS256",
        "kid": "2011-04-29",
    });
    assert_eq!(thumbprint(&key), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

#[test]
fn optional_members_do_not_count() {
    for (key, alg) in [(rsa(), "PS512"), (p256(), "ES256"), (p521(), "ES512"), (ed25519(), "EdDSA")] {
        let plain = public(&key);
        let more =
            [("kid", json!("a")), ("alg", json!(alg)), ("use", json!("sig")), ("x5t", json!("b")), ("z", json!([]))];
        let more = more.into_iter().fold(plain.clone(), |key, (name, value)| with(&key, name, value));
        assert_eq!(thumbprint(&plain), thumbprint(&more));
        assert_eq!(thumbprint(&plain), thumbprint(&Jwk::parse(&more).unwrap().to_value()));
    }
}

#[test]
fn a_private_key_is_called_by_its_thumbprint_unless_it_has_a_name() {
    let key = PrivateKey::from_jwk(Algorithm::ES256, &p256()).unwrap();
    assert_eq!(key.jwk().kid(), Some(thumbprint(&public(&p256())).as_str()));
    let named = PrivateKey::from_jwk(Algorithm::ES256, &with(&p256(), "kid", json!("mine"))).unwrap();
    assert_eq!(named.jwk().kid(), Some("mine"));
    assert_eq!(named.with_kid("other").jwk().kid(), Some("other"));
}
