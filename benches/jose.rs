//! What a JWT costs beside the bare signature of the same key, and beside another implementation.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a benchmark fails by panicking")]

#[path = "../tests/vectors/mod.rs"]
mod vectors;

use std::hint::black_box;
use std::time::Instant;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, ParsedPublicKey, RsaEncoding, RsaKeyPair, RsaParameters,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use criterion::{Criterion, criterion_group, criterion_main};
use futures::executor::block_on;
use grantwell::jose::{Algorithm, Jws, JwtClaims, PrivateKey, SharedSecret, Signer as _, sign};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Value, json};
use vectors::{authenticated, decode, new_key};

/// The claims of an access token (RFC 9068 section 2.2), twelve of them.
fn claims() -> Value {
    json!({
        "iss": "https://login.example.com",
        "sub": "248289761001",
        "aud": "https://api.example.com/",
        "client_id": "s6BhdRkqt3",
        "scope": "openid profile email offline_access",
        "exp": 4_000_000_000_u64,
        "iat": 3_999_999_700_u64,
        "jti": "dbe39bf3a3ba4238a513f51d6e1691c4",
        "auth_time": 3_999_999_000_u64,
        "acr": "urn:mace:incommon:iap:silver",
        "amr": ["pwd", "otp"],
        "groups": ["admin", "staff"],
    })
}

/// The key as the library beneath has it: what signs, and what verifies.
type Bare = (Box<dyn Fn(&[u8])>, ParsedPublicKey);

fn bare(algorithm: Algorithm, pkcs8: &[u8]) -> Bare {
    match algorithm {
        Algorithm::RS256 => bare_rsa(pkcs8, &signature::RSA_PKCS1_SHA256, &signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::PS256 => bare_rsa(pkcs8, &signature::RSA_PSS_SHA256, &signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::ES256 => {
            let pair = EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).unwrap();
            let public = ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref()).unwrap();
            let sign = move |message: &[u8]| _ = black_box(pair.sign(&SystemRandom::new(), message).unwrap());
            (Box::new(sign), public)
        }
        Algorithm::EdDSA => {
            let pair = Ed25519KeyPair::from_pkcs8(pkcs8).unwrap();
            let public = ParsedPublicKey::new(&signature::ED25519, pair.public_key().as_ref()).unwrap();
            (Box::new(move |message| _ = black_box(pair.sign(message))), public)
        }
        other => panic!("{other:?}"),
    }
}

fn bare_rsa(pkcs8: &[u8], encoding: &'static dyn RsaEncoding, parameters: &'static RsaParameters) -> Bare {
    let pair = RsaKeyPair::from_pkcs8(pkcs8).unwrap();
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let public = ParsedPublicKey::new(parameters, der.as_ref()).unwrap();
    let signature = vec![0; pair.public_modulus_len()];
    let random = SystemRandom::new();
    let sign = move |message: &[u8]| pair.sign(encoding, &random, message, &mut signature.clone()).unwrap();
    (Box::new(sign), public)
}

fn their_keys(algorithm: Algorithm, key: &PrivateKey) -> (EncodingKey, DecodingKey) {
    let der = STANDARD.encode(&*key.to_pkcs8());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
    let private = match algorithm {
        Algorithm::ES256 => EncodingKey::from_ec_pem(pem.as_bytes()),
        Algorithm::EdDSA => EncodingKey::from_ed_pem(pem.as_bytes()),
        _ => EncodingKey::from_rsa_pem(pem.as_bytes()),
    };
    let public: jsonwebtoken::jwk::Jwk = serde_json::from_value(key.jwk().to_value()).unwrap();
    (private.unwrap(), DecodingKey::from_jwk(&public).unwrap())
}

fn validation(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm.as_str().parse().unwrap());
    validation.set_audience(&["https://api.example.com/"]);
    validation
}

fn asymmetric(criterion: &mut Criterion) {
    for algorithm in [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA] {
        let (key, keys) = new_key(algorithm);
        let (sign_bare, public) = bare(algorithm, &key.to_pkcs8());
        let (their_private, their_public) = their_keys(algorithm, &key);
        let claims = claims();
        let token = block_on(sign(&key, "at+jwt", &claims)).unwrap();
        let (message, signature) = token.rsplit_once('.').unwrap();
        let signature = decode(signature);
        let header =
            Header { kid: key.jwk().kid().map(str::to_owned), ..Header::new(algorithm.as_str().parse().unwrap()) };
        let validation = validation(algorithm);

        let sign_jwt = || block_on(sign(&key, "at+jwt", black_box(&claims))).unwrap();
        let mut group = criterion.benchmark_group(format!("issue {}", algorithm.as_str()));
        group.bench_function("bare signature", |b| b.iter(|| sign_bare(black_box(message.as_bytes()))));
        group.bench_function("jwt", |b| b.iter(sign_jwt));
        group.bench_function("jsonwebtoken", |b| {
            b.iter(|| jsonwebtoken::encode(&header, black_box(&claims), &their_private).unwrap());
        });
        group.finish();
        print_ratio(|| sign_bare(message.as_bytes()), || drop(sign_jwt()));

        let verify_bare = || public.verify_sig(black_box(message.as_bytes()), black_box(&signature)).unwrap();
        let verify_jwt = || {
            let payload = Jws::parse(black_box(&token)).unwrap().verify(&keys, &[algorithm]).unwrap();
            JwtClaims::parse(&payload).unwrap()
        };
        let mut group = criterion.benchmark_group(format!("verify {}", algorithm.as_str()));
        group.bench_function("bare signature", |b| b.iter(verify_bare));
        group.bench_function("jwt", |b| b.iter(verify_jwt));
        group.bench_function("jsonwebtoken", |b| {
            b.iter(|| jsonwebtoken::decode::<Value>(black_box(&token), &their_public, &validation).unwrap());
        });
        group.finish();
        print_ratio(verify_bare, || drop(verify_jwt()));
    }
}

/// How much longer than the bare signature the JWT takes. They take turns, so that whatever else the machine does strikes
/// both, and the fastest turn of each counts.
fn print_ratio(bare: impl Fn(), jwt: impl Fn()) {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
    let turn = |work: &dyn Fn()| {
        let start = Instant::now();
        (0..20).for_each(|_| work());
        start.elapsed()
    };
    let turns = (0..200).map(|_| (turn(&bare), turn(&jwt)));
    let (bare, jwt) = turns.reduce(|(a, b), (c, d)| (a.min(c), b.min(d))).unwrap();
    println!("{:>24}the JWT takes {:.2} of the bare signature\n", "", jwt.as_secs_f64() / bare.as_secs_f64());
}

fn symmetric(criterion: &mut Criterion) {
    const SECRET: &[u8] = &[7; 32];
    let secret = SharedSecret::new(SECRET);
    let token = authenticated(&secret, Algorithm::HS256, &claims().to_string()).unwrap();
    let (message, mac) = token.rsplit_once('.').unwrap();
    let (bare, mac) = (hmac::Key::new(hmac::HMAC_SHA256, SECRET), decode(mac));
    let (theirs, validation) = (DecodingKey::from_secret(SECRET), validation(Algorithm::HS256));
    let mut group = criterion.benchmark_group("verify HS256");
    group.bench_function("bare MAC", |b| {
        b.iter(|| hmac::verify(&bare, black_box(message.as_bytes()), black_box(&mac)).unwrap());
    });
    group.bench_function("jwt", |b| {
        b.iter(|| {
            let jws = Jws::parse(black_box(&token)).unwrap();
            JwtClaims::parse(&jws.verify_with_secret(&secret, &[Algorithm::HS256]).unwrap()).unwrap()
        });
    });
    group.bench_function("jsonwebtoken", |b| {
        b.iter(|| jsonwebtoken::decode::<Value>(black_box(&token), &theirs, &validation).unwrap());
    });
    group.finish();
}

criterion_group!(benches, asymmetric, symmetric);
criterion_main!(benches);
