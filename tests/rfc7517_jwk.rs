//! JSON Web Key (RFC 7517, RFC 7518 section 6): which keys are taken, and how they are written.
#![cfg(feature = "jose")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod vectors;

use grantwell::jose::{Algorithm, Jwk, JwkSet};
use serde_json::{Value, json};
use vectors::*;

fn parse_set(set: &Value) -> Option<Vec<Jwk>> {
    JwkSet::parse(set.to_string().as_bytes()).ok().map(|set| set.keys)
}

#[test]
fn the_public_keys_of_appendix_a_1() {
    let set = json!({ "keys": [
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
            "use": "enc",
            "kid": "1",
        },
        with(&with(&public(&rsa()), "alg", json!("RS256")), "kid", json!("2011-04-29")),
    ] });
    let keys = parse_set(&set).unwrap();
    assert_eq!(keys.len(), 1, "the one for encryption is left out");
    assert_eq!((keys[0].kid(), keys[0].alg()), (Some("2011-04-29"), Some(Algorithm::RS256)));
}

#[test]
fn a_private_or_symmetric_key_is_refused_and_so_is_the_set_that_has_it() {
    let symmetric =
        json!({ "kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTw" });
    let mut secret = vec![rsa(), p256(), p521(), ed25519(), with(&symmetric, "k", None), symmetric];
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        secret.push(with(&public(&rsa()), name, json!("AQAB")));
        secret.push(json!({ "kty": "unknown", (name): "AQAB" }));
    }
    for key in secret {
        assert!(Jwk::parse(&key).is_err(), "{key}");
        assert!(parse_set(&json!({ "keys": [public(&p256()), key] })).is_none(), "{key}");
    }
}

/// Keys that are not private, and of no use.
fn unusable() -> Vec<Value> {
    let (rsa, p256, p521, ed25519) = (public(&rsa()), public(&p256()), public(&p521()), public(&ed25519()));
    let number = |bytes: &[u8]| json!(encode(bytes));
    let n = decode(rsa["n"].as_str().unwrap());
    let (x, y) = (decode(p256["x"].as_str().unwrap()), decode(p256["y"].as_str().unwrap()));
    let mut other_y = y.clone();
    other_y[31] ^= 1;
    vec![
        json!({}),
        json!({ "kty": "unknown" }),
        json!({ "kty": 1 }),
        json!({ "kty": "rsa", "n": rsa["n"], "e": "AQAB" }),
        // What it is for.
        with(&rsa, "use", json!("enc")),
        with(&rsa, "use", json!(["sig"])),
        with(&rsa, "key_ops", json!(["encrypt"])),
        with(&rsa, "key_ops", json!([])),
        with(&rsa, "key_ops", json!("verify")),
        with(&rsa, "alg", json!("RSA-OAEP")),
        with(&rsa, "alg", json!("none")),
        with(&rsa, "alg", json!(1)),
        with(&rsa, "kid", json!(1)),
        // RSA: of 1024, 2040 and 8200 bits, even, and with a leading zero.
        with(&rsa, "n", number(&n[..128])),
        with(&rsa, "n", number(&n[..255])),
        with(&rsa, "n", number(&[&[255], &[255; 1023][..], &[1]].concat())),
        with(&rsa, "n", number(&[&n[..255], &[2]].concat())),
        with(&rsa, "n", number(&[&[0], &n[..]].concat())),
        with(&rsa, "n", json!("")),
        with(&rsa, "n", json!(format!("{}==", rsa["n"].as_str().unwrap()))),
        with(&rsa, "n", json!(rsa["n"].as_str().unwrap().replace(['-', '_'], "+"))),
        with(&rsa, "n", None),
        with(&rsa, "e", None),
        with(&rsa, "e", json!(65537)),
        with(&rsa, "e", number(&[1])),
        with(&rsa, "e", number(&[2])),
        with(&rsa, "e", number(&[0])),
        with(&rsa, "e", number(&[0, 1, 0, 1])),
        with(&rsa, "e", number(&[1, 0, 0, 0, 0, 0, 1])),
        with(&rsa, "e", json!("")),
        with(&rsa, "e", rsa["n"].clone()),
        // EC: other curves, coordinates of another length, points that are none.
        with(&p256, "crv", json!("P-384")),
        with(&p256, "crv", json!("secp256k1")),
        with(&p256, "crv", json!("p-256")),
        with(&p256, "crv", None),
        with(&p256, "y", None),
        with(&p256, "y", number(&other_y)),
        with(&p256, "x", number(&x[..31])),
        with(&p256, "x", number(&[&[0], &x[..]].concat())),
        with(&with(&p256, "x", number(&[&x[..], &y[..1]].concat())), "y", number(&y[1..])),
        with(&with(&p256, "x", number(&[0; 32])), "y", number(&[0; 32])),
        with(&p256, "x", number(&[255; 32])),
        with(&p521, "x", number(&decode(p521["x"].as_str().unwrap())[1..])),
        with(&p256, "kty", json!("OKP")),
        // Ed25519.
        with(&ed25519, "crv", json!("Ed448")),
        with(&ed25519, "crv", None),
        with(&ed25519, "x", number(&[1; 31])),
        with(&ed25519, "x", number(&[1; 33])),
        with(&ed25519, "x", json!("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp")),
        with(&ed25519, "x", json!("MCowBQYDK2VwAyEA11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")),
        with(&ed25519, "kty", json!("EC")),
    ]
}

#[test]
fn a_key_that_is_not_sound_or_not_for_signatures_is_refused_and_left_out_of_a_set() {
    for key in unusable() {
        assert!(Jwk::parse(&key).is_err(), "{key}");
        let keys = parse_set(&json!({ "keys": [key, public(&p256())] }));
        assert_eq!(keys.unwrap().len(), 1, "{key}");
    }
    for key in [json!(null), json!([]), json!("a"), json!(1)] {
        assert!(Jwk::parse(&key).is_err());
    }
}

#[test]
fn a_key_allows_the_algorithms_of_its_type_or_its_alg_alone() {
    use Algorithm::*;
    let types: [(Value, &[Algorithm]); 4] = [
        (public(&rsa()), &[RS256, RS384, RS512, PS256, PS384, PS512]),
        (public(&p256()), &[ES256]),
        (public(&p521()), &[ES512]),
        (public(&ed25519()), &[EdDSA]),
    ];
    for (key, of_type) in types {
        let free = Jwk::parse(&key).unwrap();
        for algorithm in Algorithm::ASYMMETRIC.into_iter().chain([HS256, HS384, HS512]) {
            assert_eq!(free.allows(algorithm), of_type.contains(&algorithm), "{key} {algorithm:?}");
            let bound = Jwk::parse(&with(&key, "alg", json!(algorithm.as_str())));
            assert_eq!(bound.is_ok(), of_type.contains(&algorithm), "{key} {algorithm:?}");
            if let Ok(bound) = bound {
                assert!(Algorithm::ASYMMETRIC.into_iter().all(|other| bound.allows(other) == (other == algorithm)));
            }
        }
    }
}

#[test]
fn a_key_is_written_as_it_is_read() {
    for (key, alg) in [(rsa(), "PS384"), (p256(), "ES256"), (p521(), "ES512"), (ed25519(), "EdDSA")] {
        let plain = with(&public(&key), "use", json!("sig"));
        let full = with(&with(&plain, "alg", json!(alg)), "kid", json!("a"));
        for key in [plain, full] {
            assert_eq!(Jwk::parse(&key).unwrap().to_value(), key);
        }
    }
    let more = with(&with(&public(&p256()), "x5c", json!(["AA"])), "key_ops", json!(["verify"]));
    assert_eq!(Jwk::parse(&more).unwrap().to_value().as_object().unwrap().len(), 5, "only what is known");
}

#[test]
fn a_set_is_an_object_of_at_most_100_keys_and_nothing_is_in_it_twice() {
    let key = public(&p256());
    assert_eq!(parse_set(&json!({ "keys": vec![&key; 100], "more": 1 })).unwrap().len(), 100);
    assert!(parse_set(&json!({ "keys": vec![&key; 101] })).is_none());
    assert!(parse_set(&json!({ "keys": vec![json!({}); 101] })).is_none());
    let deep = format!(r#"{{"keys":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    for bad in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"keys":{}}"#,
        r#"{"keys":null}"#,
        r#"{"keys":[1]}"#,
        r#"{"keys":[[]]}"#,
        r#"{"keys":[]} "#.trim_end().repeat(2).as_str(),
        r#"{"keys":[],"keys":[]}"#,
        r#"{"keys":[{"kty":"a","kty":"a"}]}"#,
        r#"{"keys":[],"a":{"b":1,"b":1}}"#,
        &deep,
    ] {
        assert!(JwkSet::parse(bad.as_bytes()).is_err(), "{bad:.80}");
    }
    assert_eq!(parse_set(&json!({ "keys": [] })).unwrap().len(), 0);
}
