//! Tokens that an attacker makes (RFC 8725): refused before their signature counts for anything, or by it.
#![cfg(feature = "jose")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod vectors;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use grantwell::jose::{Algorithm, InvalidJws, JwkSet, Jws, PrivateKey, SharedSecret, Signer as _};
use serde_json::json;
use vectors::*;

const ALL: [Algorithm; 13] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::ES512,
    Algorithm::EdDSA,
    Algorithm::HS256,
    Algorithm::HS384,
    Algorithm::HS512,
];

fn verify(token: &str, keys: &JwkSet) -> Result<Vec<u8>, InvalidJws> {
    Jws::parse(token).and_then(|jws| jws.verify(keys, &ALL))
}

/// The example's P-256 key, and the set that has it.
fn key() -> (PrivateKey, JwkSet) {
    (PrivateKey::from_jwk(Algorithm::ES256, &p256()).unwrap(), set(&[public(&p256())]))
}

#[test]
fn alg_is_the_exact_name_of_a_known_algorithm() {
    let (key, keys) = key();
    assert!(verify(&signed(&key, r#"{"alg":"ES256"}"#, "{}"), &keys).is_ok());
    let names = ["none", "None", "NONE", "nOnE", "", "es256", "ES256 ", " ES256", "ES256\u{0}", "ES256K", "A128KW"];
    let headers = names.map(|name| json!({ "alg": name }).to_string());
    let others =
        [r"{}", r#"{"alg":null}"#, r#"{"alg":1}"#, r#"{"alg":["ES256"]}"#, r#"{"alg":{}}"#, r#"{"ALG":"ES256"}"#];
    for header in headers.iter().map(String::as_str).chain(others) {
        let token = signed(&key, header, "{}");
        assert!(Jws::parse(&token).is_err(), "{header}");
        let (message, _) = token.rsplit_once('.').unwrap();
        assert!(Jws::parse(&format!("{message}.")).is_err(), "{header}, unsigned");
    }
}

#[test]
fn a_header_that_asks_for_more_is_refused() {
    let (key, keys) = key();
    let jwk = key.jwk().to_value();
    for (name, value) in [
        ("crit", json!(["x"])),
        ("crit", json!(["b64"])),
        ("crit", json!([])),
        ("crit", json!(null)),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("enc", json!("A128GCM")),
        ("jwk", jwk),
        ("jku", json!("https://evil.example/jwks")),
        ("x5u", json!("https://evil.example/cert")),
        ("x5c", json!(["AA"])),
        ("kid", json!(1)),
        ("kid", json!(null)),
        ("typ", json!(["JWT"])),
    ] {
        let header = json!({ "alg": "ES256", (name): value }).to_string();
        assert!(verify(&signed(&key, &header, "{}"), &keys).is_err(), "{header}");
    }
    let harmless = r#"{"x5t":"AA","nonce":{"a":[1]},"cty":"c","typ":"t","alg":"ES256"}"#;
    assert!(verify(&signed(&key, harmless, "{}"), &keys).is_ok());
}

#[test]
fn a_header_is_one_object_of_strict_json() {
    let (key, keys) = key();
    let deep = format!(r#"{{"alg":"ES256","a":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    for header in [
        "",
        "null",
        "[]",
        r#""ES256""#,
        r#"[{"alg":"ES256"}]"#,
        r#"{"alg":"ES256"}{}"#,
        r#"{"alg":"ES256"} x"#,
        r#"{"alg":"ES256",}"#,
        r#"{alg:"ES256"}"#,
        r#"{'alg':'ES256'}"#,
        r#"{"alg":"ES256","a":NaN}"#,
        r#"{"alg":"ES256","a":"\ud800"}"#,
        "\u{feff}{\"alg\":\"ES256\"}",
        r#"{"alg":"ES256","alg":"ES256"}"#,
        r#"{"alg":"none","alg":"ES256"}"#,
        r#"{"alg":"ES256","\u0061lg":"none"}"#,
        r#"{"kid":"a","alg":"ES256","kid":"b"}"#,
        r#"{"alg":"ES256","a":1,"b":2,"a":1}"#,
        r#"{"alg":"ES256","a":{"b":1,"b":1}}"#,
        r#"{"alg":"ES256","a":[[{"b":1,"b":1}]]}"#,
        &deep,
    ] {
        assert!(verify(&signed(&key, header, "{}"), &keys).is_err(), "{header:.80}");
    }
    assert!(verify(&signed(&key, b"{\"alg\":\"ES256\",\"a\":\"\xff\"}", "{}"), &keys).is_err());
    assert!(verify(&signed(&key, " {\r\n\"alg\" : \"ES256\"}\t", "{}"), &keys).is_ok());
}

#[test]
fn a_compact_form_has_three_parts_of_base64url_and_nothing_else() {
    let (key, keys) = key();
    let token = signed(&key, r#"{"alg":"ES256"}"#, "{\"a\":\"~~~???\"}");
    let [header, payload, signature] = <[&str; 3]>::try_from(token.split('.').collect::<Vec<_>>()).unwrap();
    let of = |parts: &[&str]| parts.join(".");
    let mut bad = vec![
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        of(&[header]),
        of(&[header, payload]),
        of(&[header, payload, signature, ""]),
        of(&["", header, payload, signature]),
        of(&[header, payload, signature, signature]),
        of(&[header, payload, "", "", signature]),
        of(&[header, "", signature]),
        of(&["", payload, signature]),
        of(&[header, payload, ""]),
        token.replace(['-', '_'], "+"),
        format!("Bearer {token}"),
        format!("{token}\u{e9}"),
        format!("{token}\0"),
    ];
    for odd in [" ", "\t", "\n", "\r\n", "=", "=="] {
        bad.extend([format!("{odd}{token}"), format!("{token}{odd}")]);
        bad.extend([
            of(&[&format!("{header}{odd}"), payload, signature]),
            of(&[header, &format!("{payload}{odd}"), signature]),
        ]);
        bad.push(of(&[header, payload, &format!("{}{odd}{}", &signature[..9], &signature[9..])]));
    }
    for bad in bad {
        assert!(verify(&bad, &keys).is_err(), "{bad:?}");
        assert!(bad.matches('.').count() == 2 || Jws::parse(&bad).is_err(), "{bad:?}");
    }
}

#[test]
fn stray_bits_at_the_end_of_a_part_are_refused() {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = |part: &str| {
        let place = ALPHABET.find(part.chars().last().unwrap()).unwrap();
        format!("{}{}", &part[..part.len() - 1], &ALPHABET[place + 1..place + 2])
    };
    let (key, keys) = key();
    // 16 and 2 bytes: their last characters have four and two bits that count for nothing.
    let token = signed(&key, r#"{"alg":"ES256" }"#, "{}");
    let [header, payload, signature] = <[&str; 3]>::try_from(token.split('.').collect::<Vec<_>>()).unwrap();
    assert!(verify(&token, &keys).is_ok());
    let respelled = format!("{header}.{payload}.{}", next(signature));
    assert!(verify(&respelled, &keys).is_err());
    assert!(Jws::parse(&format!("{}.{payload}.{signature}", next(header))).is_err());
    let respelled = format!("{header}.{}.{signature}", next(payload));
    assert!(Jws::parse(&respelled).unwrap().unverified_payload().is_err());
}

#[test]
fn a_token_of_more_than_16_kib_is_refused_for_that_alone() {
    let (key, keys) = key();
    let long = |payload: usize| signed(&key, r#"{"alg":"ES256"}"#, " ".repeat(payload));
    // 20 characters of header, 86 of signature and two dots.
    let payload = (16 * 1024 - 108) / 4 * 3;
    assert_eq!(long(payload).len(), 16 * 1024);
    assert!(verify(&long(payload), &keys).is_ok());
    let too_long = Jws::parse(&"A".repeat(16 * 1024 + 1)).err().unwrap();
    for bad in [".".repeat(1_000_000), "a.".repeat(1_000_000), long(payload + 1), long(1 << 20)] {
        assert_eq!(Jws::parse(&bad).err(), Some(too_long), "before anything else is looked at");
    }
    assert!(Jws::parse(&".".repeat(16 * 1024)).is_err());
}

#[test]
fn a_public_key_is_no_shared_secret() {
    for (algorithm, key) in [(Algorithm::RS256, rsa()), (Algorithm::ES256, p256()), (Algorithm::EdDSA, ed25519())] {
        let keys = set(&[public(&key)]);
        let published = public(&key).to_string();
        let number = decode(key.get("n").unwrap_or(&key["x"]).as_str().unwrap());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&number));
        for secret in [published.as_bytes(), &number, pem.as_bytes()] {
            let token = authenticated(&SharedSecret::new(secret), Algorithm::HS256, "{}").unwrap();
            assert!(verify(&token, &keys).is_err());
        }
        let token =
            signed(&PrivateKey::from_jwk(algorithm, &key).unwrap(), json!({ "alg": algorithm }).to_string(), "{}");
        assert!(Jws::parse(&token).unwrap().verify_with_secret(&oct(), &ALL).is_err());
    }
}

#[test]
fn a_secret_shorter_than_the_hash_makes_and_checks_nothing() {
    for (algorithm, length) in [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)] {
        let secret = SharedSecret::new(&vec![7; length]);
        let token = authenticated(&secret, algorithm, "{}").unwrap();
        assert!(Jws::parse(&token).unwrap().verify_with_secret(&secret, &[algorithm]).is_ok());
        assert!(Jws::parse(&token).unwrap().verify_with_secret(&SharedSecret::new(&[8; 64]), &[algorithm]).is_err());
        for short in [0, 1, length - 1] {
            let secret = SharedSecret::new(&vec![7; short]);
            assert_eq!(authenticated(&secret, algorithm, "{}"), None);
            assert!(Jws::parse(&token).unwrap().verify_with_secret(&secret, &[algorithm]).is_err());
        }
    }
    assert_eq!(oct().authenticate(Algorithm::ES256, b"message"), None);
    assert!(!oct().verifies(Algorithm::RS256, b"message", b""));
}

/// What may stand where a signature should, made from the right one.
fn wrong_signatures(right: &[u8]) -> Vec<Vec<u8>> {
    let length = right.len();
    vec![
        vec![],
        vec![0],
        vec![0; length],
        vec![255; length],
        right[..length - 1].to_vec(),
        right[1..].to_vec(),
        right[..length / 2].to_vec(),
        [right, &[0]].concat(),
        [&[0], right].concat(),
        [right, right].concat(),
        right.iter().rev().copied().collect(),
    ]
}

#[test]
fn a_signature_of_the_wrong_form_is_refused() {
    for algorithm in Algorithm::ASYMMETRIC {
        let (key, keys) = new_key(algorithm);
        let token = signed(&key, json!({ "alg": algorithm }).to_string(), "{}");
        let (message, signature) = token.rsplit_once('.').unwrap();
        assert!(verify(&token, &keys).is_ok());
        for wrong in wrong_signatures(&decode(signature)) {
            assert!(verify(&format!("{message}.{}", encode(&wrong)), &keys).is_err(), "{algorithm:?} {wrong:?}");
        }
    }
    let token = authenticated(&oct(), Algorithm::HS256, "{}").unwrap();
    let (message, mac) = token.rsplit_once('.').unwrap();
    for wrong in wrong_signatures(&decode(mac)) {
        let token = format!("{message}.{}", encode(&wrong));
        assert!(Jws::parse(&token).unwrap().verify_with_secret(&oct(), &ALL).is_err(), "{wrong:?}");
    }
}

#[test]
fn the_numbers_of_an_ecdsa_signature_are_within_the_order() {
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let n: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&order[2 * at..2 * at + 2], 16).unwrap()).collect();
    let (key, keys) = key();
    let token = signed(&key, r#"{"alg":"ES256"}"#, "{}");
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = decode(signature);
    let (r, s) = signature.split_at(32);
    let (zero, one) = (vec![0; 32], [&[0; 31][..], &[1]].concat());
    let der = |number: &[u8]| [&[2, 33, 0], number].concat();
    let wrong = [
        [&zero[..], &zero].concat(),
        [r, &zero].concat(),
        [&zero, s].concat(),
        [&n[..], s].concat(),
        [r, &n].concat(),
        [&n[..], &n].concat(),
        [&one[..], &one].concat(),
        [&[255; 32], s].concat(),
        [s, r].concat(),
        [&[0x30, 70][..], &der(r), &der(s)].concat(),
    ];
    for wrong in wrong {
        assert!(verify(&format!("{message}.{}", encode(&wrong)), &keys).is_err(), "{wrong:?}");
    }
}

#[test]
fn an_encrypted_token_is_no_signed_one() {
    let (_, keys) = key();
    let header = encode(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#);
    for token in [format!("{header}.AA.AA.AA.AA"), format!("{header}.AA.AA"), format!("{header}....")] {
        assert!(verify(&token, &keys).is_err());
    }
}
