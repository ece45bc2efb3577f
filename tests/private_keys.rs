//! Private keys: as PKCS#8 (RFC 5958), PEM (RFC 7468) and JWK (RFC 7518 section 6).
#![cfg(feature = "jose")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod vectors;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::executor::block_on;
use grantwell::jose::{Algorithm, PrivateKey, Signer as _};
use serde_json::{Value, json};
use vectors::*;

/// Made for this test by OpenSSL; 1024 bits.
const SHORT_RSA: &str = "-----BEGIN PRIVATE KEY-----
MIICeAIBADANBgkqhkiG9w0BAQEFAASCAmIwggJeAgEAAoGBAMUUGZegjL7wt5Wr
UIodM0RPiaxeKToYuTIe2e42EFylmphqgZxIAZBugWsQ0UbizIfHdVgFZCB9SeT6
Hcn2NBoy5k0ude9Mmgkwx59t1ca7mZSWG6gGnLTnssHI96vGWAHMEjd9WjDVBPAZ
VvLBpvWtUodBfOu74jLN3J7h8vaPAgMBAAECgYBRHg/WoEeuQ+hcm3IAFzrF0DMr
lmpDtm9r2NT8vpYHfEZgm94TVHQIXeO5DOgG1E05SfjbrQRkdw1WSTi/qy4QLW8F
hdMSJCNx46+CrazikJOhJMjyWZPgWeXIbzG+AgkmqflTJ/dXkZN9SyBnbh6x83uP
7k56au958HhEawmKuQJBAOszYf5Gtf/iAiGzDuqFI01LJlwrk48MpnS+eicRG5k6
sUKHSY3Zvzffs0EmK60H4dTFdhyhCk+PAhP8TPCsE+MCQQDWga8AnRVghP0Xx3Pe
myTr1RJY2zM4U7CEOaj2/4om6nWHduTtMNziFQxrVwvv3UkahcPY1Bd3X2Vg7Ag6
isplAkEAjO0ItjbgLiXZaR/EvDhx4oo4vdlOXNQTmLfYsTfK9ZD5TQeKxvfFX1Em
Ms8QNGkYo0h9cMH9T5Y8hIUUBNDWSQJBALVO0/6ux3zXq51HxtZnSCPV6zYTwQ1h
H5gDrJ9pivotvr2LbyBU5r5pkB/CaaKK5dl3KvzA+Dy781Ki7qmc2kkCQQDi7hU0
E5xFiN5md9ePnBu1iRE2c30XwrBtgO9GPanoq+gSd5z1P4yA8bgtubhOvjJi3MLR
e2Eer6eL52z471/p
-----END PRIVATE KEY-----
";

fn pem(der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

#[test]
fn a_key_comes_back_from_pkcs8_and_pem_as_it_was() {
    for algorithm in Algorithm::ASYMMETRIC {
        let key = PrivateKey::generate(algorithm).unwrap();
        let der = key.to_pkcs8();
        let text = pem(&der);
        let again = [
            PrivateKey::from_pkcs8(algorithm, &der).unwrap(),
            PrivateKey::from_pem(algorithm, &text).unwrap(),
            PrivateKey::from_pem(algorithm, &format!("\r\n {}", text.replace('\n', "\r\n"))).unwrap(),
        ];
        for other in again {
            assert_eq!(other.jwk().to_value(), key.jwk().to_value(), "{algorithm:?}");
            assert_eq!(other.to_pkcs8(), der);
            let signature = block_on(other.sign(b"message")).unwrap();
            assert!(key.jwk().verifies(algorithm, b"message", &signature), "{algorithm:?}");
        }
    }
}

#[test]
fn a_key_published_says_what_it_is_and_nothing_private() {
    for algorithm in Algorithm::ASYMMETRIC {
        let published = PrivateKey::generate(algorithm).unwrap().jwk().to_value();
        assert_eq!((&published["use"], &published["alg"]), (&json!("sig"), &json!(algorithm.as_str())));
        for name in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert_eq!(published.get(name), None, "{algorithm:?} {name}");
        }
    }
}

#[test]
fn a_key_of_another_kind_or_too_small_is_refused() {
    use Algorithm::*;
    let families = [vec![RS256, RS384, RS512, PS256, PS384, PS512], vec![ES256], vec![ES384], vec![ES512], vec![EdDSA]];
    for family in &families {
        let der = PrivateKey::generate(family[0]).unwrap().to_pkcs8();
        for algorithm in Algorithm::ASYMMETRIC {
            assert_eq!(PrivateKey::from_pkcs8(algorithm, &der).is_ok(), family.contains(&algorithm), "{algorithm:?}");
        }
        assert!(PrivateKey::from_pkcs8(family[0], &der[..der.len() - 1]).is_err());
    }
    assert!(PrivateKey::from_pem(RS256, SHORT_RSA).is_err());
    assert!(PrivateKey::generate(HS256).is_err());
    assert!(PrivateKey::from_pkcs8(HS256, &[0; 32]).is_err());
}

#[test]
fn only_one_whole_pem_is_read() {
    let good = pem(&PrivateKey::generate(Algorithm::ES256).unwrap().to_pkcs8());
    assert!(PrivateKey::from_pem(Algorithm::ES256, &good).is_ok());
    let lines: Vec<&str> = good.lines().collect();
    for bad in [
        String::new(),
        good.replace("PRIVATE", "EC PRIVATE"),
        good.replace("PRIVATE", "PUBLIC"),
        good.replace(lines[0], ""),
        good.replace("-----END PRIVATE KEY-----", ""),
        good.replace(lines[1], ""),
        good.repeat(2),
        good.replace(lines[1], &format!("Proc-Type: 4\n{}", lines[1])),
    ] {
        assert!(PrivateKey::from_pem(Algorithm::ES256, &bad).is_err(), "{bad}");
    }
}

#[test]
fn a_private_jwk_is_read_for_its_algorithm_alone() {
    use Algorithm::*;
    let of = |algorithm| match algorithm {
        ES256 => p256(),
        ES512 => p521(),
        EdDSA => ed25519(),
        _ => rsa(),
    };
    for algorithm in [RS256, PS512, ES256, ES512, EdDSA] {
        let plain = of(algorithm);
        let key = PrivateKey::from_jwk(algorithm, &plain).unwrap();
        assert_eq!(with(&key.jwk().to_value(), "kid", None)["alg"], json!(algorithm.as_str()));
        let full = with(&with(&plain, "alg", json!(algorithm.as_str())), "use", json!("sig"));
        assert!(PrivateKey::from_jwk(algorithm, &with(&full, "key_ops", json!(["sign"]))).is_ok());
        let wrong = [
            public(&plain),
            with(&plain, "alg", json!("RS384")),
            with(&plain, "alg", json!(null)),
            with(&plain, "use", json!("enc")),
            with(&plain, "key_ops", json!(["verify"])),
            with(&plain, "kid", json!(1)),
            with(&plain, "kty", json!("oct")),
            with(&plain, "d", json!("AQAB")),
            with(&plain, "d", json!(1)),
            json!([]),
        ];
        for wrong in wrong {
            assert!(PrivateKey::from_jwk(algorithm, &wrong).is_err(), "{algorithm:?} {wrong}");
        }
        for other in Algorithm::ASYMMETRIC {
            assert_eq!(
                PrivateKey::from_jwk(other, &plain).is_ok(),
                of(other)["kty"] == plain["kty"] && other != ES384 && of(other)["crv"] == plain["crv"],
                "{algorithm:?} as {other:?}"
            );
        }
    }
}

#[test]
fn the_numbers_of_a_private_jwk_belong_together() {
    let other = |algorithm| PrivateKey::generate(algorithm).unwrap().jwk().to_value();
    let (ec, okp) = (other(Algorithm::ES256), other(Algorithm::EdDSA));
    let swapped = |key: &Value, one: &str, two: &str| with(&with(key, one, key[two].clone()), two, key[one].clone());
    let cases = [
        (Algorithm::ES256, with(&with(&p256(), "x", ec["x"].clone()), "y", ec["y"].clone())),
        (Algorithm::ES256, with(&p256(), "d", json!(encode([0; 32])))),
        (Algorithm::ES256, with(&p256(), "d", json!(encode([255; 32])))),
        (Algorithm::EdDSA, with(&ed25519(), "x", okp["x"].clone())),
        (Algorithm::RS256, with(&rsa(), "n", other(Algorithm::RS256)["n"].clone())),
        (Algorithm::RS256, swapped(&rsa(), "dp", "dq")),
        (Algorithm::RS256, swapped(&rsa(), "p", "d")),
        (Algorithm::RS256, with(&rsa(), "qi", None)),
        (Algorithm::RS256, with(&rsa(), "oth", json!([]))),
    ];
    for (algorithm, key) in cases {
        assert!(PrivateKey::from_jwk(algorithm, &key).is_err(), "{key}");
    }
}

#[test]
fn a_private_key_is_not_shown() {
    let key = PrivateKey::from_jwk(Algorithm::EdDSA, &ed25519()).unwrap();
    assert_eq!(format!("{key:?}"), "PrivateKey(..)");
    assert_eq!(format!("{:?}", oct()), "SharedSecret(..)");
}
