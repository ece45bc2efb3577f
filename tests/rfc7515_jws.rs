//! JSON Web Signature (RFC 7515): the examples of appendix A to the byte, and which key a signature is checked with.
#![cfg(feature = "jose")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod vectors;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use grantwell::Error;
use grantwell::jose::{self, Algorithm, JwkSet, Jws, JwtClaims, PrivateKey, PublicKeys, Signer as _};
use serde_json::json;
use vectors::*;

const PAYLOAD: &str = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";

const A1: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9l\
    eGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

const A2: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19y\
    b290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJ\
    dbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--x\
    i12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe\
    77Rw";

const A3: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19y\
    b290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

const A4: &str = "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KG\
    DKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";

const A5: &str = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.";

#[test]
fn the_example_of_appendix_a_1_hs256() {
    let jws = Jws::parse(A1).unwrap();
    assert_eq!((jws.header().alg, jws.header().typ.as_deref()), (Algorithm::HS256, Some("JWT")));
    assert_eq!(jws.verify_with_secret(&oct(), &[Algorithm::HS256]).unwrap(), PAYLOAD.as_bytes());
    let (message, mac) = A1.rsplit_once('.').unwrap();
    assert_eq!(encode(oct().authenticate(Algorithm::HS256, message.as_bytes()).unwrap()), mac);
}

#[test]
fn the_example_of_appendix_a_2_rs256() {
    let key = PrivateKey::from_jwk(Algorithm::RS256, &rsa()).unwrap();
    assert_eq!(signed(&key, r#"{"alg":"RS256"}"#, PAYLOAD), A2);
    let verified = Jws::parse(A2).unwrap().verify(&set(&[public(&rsa())]), &[Algorithm::RS256]);
    assert_eq!(verified.unwrap(), PAYLOAD.as_bytes());
}

#[test]
fn the_examples_of_appendices_a_3_and_a_4_es256_and_es512() {
    let payload = PAYLOAD.as_bytes();
    let cases = [(A3, p256(), Algorithm::ES256, payload), (A4, p521(), Algorithm::ES512, b"Payload")];
    for (token, key, algorithm, payload) in cases {
        let keys = set(&[public(&key)]);
        assert_eq!(Jws::parse(token).unwrap().verify(&keys, &[algorithm]).unwrap(), payload);
        let key = PrivateKey::from_jwk(algorithm, &key).unwrap();
        let own = signed(&key, json!({ "alg": algorithm }).to_string(), payload);
        assert_eq!(Jws::parse(&own).unwrap().verify(&keys, &[algorithm]).unwrap(), payload);
    }
}

#[test]
fn the_unsecured_example_of_appendix_a_5_is_refused() {
    assert!(Jws::parse(A5).is_err());
    assert!(Jws::parse(&format!("{A5}AAAA")).is_err());
}

#[test]
fn of_appendix_a_6_the_json_form_is_refused_and_both_signatures_are_right_in_compact_form() {
    let (message, _) = A2.rsplit_once('.').unwrap();
    let payload = message.split_once('.').unwrap().1;
    let signature = |token: &str, kid: &str| {
        let (protected, signature) = (token.split('.').next().unwrap(), token.rsplit('.').next().unwrap());
        json!({ "protected": protected, "header": { "kid": kid }, "signature": signature })
    };
    let (rsa_kid, ec_kid) = ("2010-12-29", "e9bc097a-ce51-4036-9562-d2ade882db0d");
    let general = json!({ "payload": payload, "signatures": [signature(A2, rsa_kid), signature(A3, ec_kid)] });
    assert!(Jws::parse(&general.to_string()).is_err());
    let keys = set(&[with(&public(&rsa()), "kid", json!(rsa_kid)), with(&public(&p256()), "kid", json!(ec_kid))]);
    for token in [A2, A3] {
        let verified = Jws::parse(token).unwrap().verify(&keys, &[Algorithm::ES256, Algorithm::RS256]);
        assert_eq!(verified.unwrap(), PAYLOAD.as_bytes());
    }
}

#[test]
fn every_algorithm_verifies_what_it_signs_and_nothing_that_was_changed() {
    let claims = json!({ "sub": "alice" });
    for algorithm in Algorithm::ASYMMETRIC {
        let (key, keys) = new_key(algorithm);
        let token = futures::executor::block_on(jose::sign(&key, "at+jwt", &claims)).unwrap();
        let jws = Jws::parse(&token).unwrap();
        assert_eq!((jws.header().alg, jws.header().typ.as_deref()), (algorithm, Some("at+jwt")));
        assert_eq!(jws.header().kid.as_deref(), key.jwk().kid());
        let payload = jws.verify(&keys, &[algorithm]).unwrap();
        assert_eq!(JwtClaims::parse(&payload).unwrap().sub.as_deref(), Some("alice"));
        for place in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            let verified = Jws::parse(&changed).and_then(|jws| jws.verify(&keys, &[algorithm]));
            assert!(verified.is_err(), "{algorithm:?}, character {place}");
        }
    }
}

#[test]
fn an_algorithm_that_is_not_asked_for_is_refused() {
    let keys = set(&[public(&rsa())]);
    let jws = Jws::parse(A2).unwrap();
    let others: Vec<Algorithm> = Algorithm::ASYMMETRIC.into_iter().filter(|other| *other != Algorithm::RS256).collect();
    assert!(jws.verify(&keys, &others).is_err());
    assert!(jws.verify(&keys, &[]).is_err());
    assert!(jws.verify(&keys, &Algorithm::ASYMMETRIC).is_ok());
}

#[test]
fn a_kid_chooses_the_key_and_without_one_all_that_fit_are_tried() {
    let (one, _) = new_key(Algorithm::ES256);
    let (two, _) = new_key(Algorithm::ES256);
    let named = |key: &PrivateKey, kid: &str| key.jwk().clone().with_kid(kid);
    let token = |header: serde_json::Value| signed(&two, header.to_string(), "{}");
    let plain = token(json!({ "alg": "ES256" }));
    let with_kid = token(json!({ "alg": "ES256", "kid": "b" }));
    let verifies = |token: &str, keys: Vec<jose::Jwk>| {
        Jws::parse(token).unwrap().verify(&JwkSet { keys }, &[Algorithm::ES256]).is_ok()
    };
    assert!(verifies(&plain, vec![named(&one, "a"), named(&two, "b")]));
    assert!(verifies(&with_kid, vec![named(&one, "a"), named(&two, "b")]));
    assert!(verifies(&with_kid, vec![named(&one, "b"), named(&two, "b")]), "a kid that two keys share");
    assert!(!verifies(&with_kid, vec![named(&one, "b"), named(&two, "a")]), "the key of another kid");
    assert!(!verifies(&plain, vec![]));
}

/// Keys that are out of date until they are looked up again.
struct Rotated {
    before: Arc<JwkSet>,
    after: Arc<JwkSet>,
    refreshed: AtomicUsize,
}

#[async_trait::async_trait]
impl PublicKeys for Rotated {
    async fn jwk_set(&self) -> Result<Arc<JwkSet>, Error> {
        Ok(self.before.clone())
    }

    async fn refreshed(&self) -> Result<Arc<JwkSet>, Error> {
        self.refreshed.fetch_add(1, Ordering::Relaxed);
        Ok(self.after.clone())
    }
}

async fn token_by(key: &PrivateKey) -> String {
    jose::sign(key, "JWT", &json!({})).await.unwrap()
}

#[tokio::test]
async fn keys_are_looked_up_again_for_an_unknown_kid_alone() {
    let (old, before) = new_key(Algorithm::ES256);
    let (new, after) = new_key(Algorithm::ES256);
    let (stranger, _) = new_key(Algorithm::ES256);
    let keys = Rotated { before: before.into(), after: after.into(), refreshed: AtomicUsize::new(0) };
    let allowed = [Algorithm::ES256];
    let forged = {
        let token = token_by(&old).await;
        let (message, _) = token.rsplit_once('.').unwrap();
        format!("{message}.{}", encode(stranger.sign(message.as_bytes()).await.unwrap()))
    };
    for (token, is_right, lookups) in
        [(token_by(&old).await, true, 0), (forged, false, 0), (token_by(&new).await, true, 1)]
    {
        let verified = jose::verify(&Jws::parse(&token).unwrap(), &keys, &allowed).await.unwrap();
        assert_eq!((verified.is_ok(), keys.refreshed.load(Ordering::Relaxed)), (is_right, lookups));
    }
    let (of_other_algorithm, _) = new_key(Algorithm::EdDSA);
    let token = token_by(&of_other_algorithm).await;
    assert!(jose::verify(&Jws::parse(&token).unwrap(), &keys, &allowed).await.unwrap().is_err());
    assert_eq!(keys.refreshed.load(Ordering::Relaxed), 1, "an algorithm that is not accepted costs no lookup");
}
