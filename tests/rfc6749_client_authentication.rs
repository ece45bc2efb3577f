//! Client authentication (RFC 6749 section 2.3).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bytes::Bytes;
use common::*;
use grantwell::hooks::{Attempt, RateLimiter};
use grantwell::model::{AuthMethod, Client, ClientId, ClientSecret, SecretVerifier};
use grantwell::{ClientAddress, Digest, Secret, StorageError, Timestamp};
use http::Request;
use http::header::{AUTHORIZATION, HeaderValue};

/// Gets past client authentication and no further: the parameter `code` is missing.
const PROBE: [(&str, &str); 1] = [("grant_type", "authorization_code")];

#[track_caller]
fn is_authenticated(answer: &Answer) {
    answer.is_refused(400, "invalid_request");
    assert!(answer.text("error_description").ends_with(": code"), "{:?}", answer.json);
}

#[track_caller]
fn is_unauthenticated(answer: &Answer) {
    answer.is_refused(401, "invalid_client");
    assert_eq!(answer.headers["www-authenticate"], "Basic realm=\"client\"");
}

fn with_header(value: impl AsRef<[u8]>) -> Request<Bytes> {
    let mut request = post("/token", &PROBE);
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_bytes(value.as_ref()).unwrap());
    request
}

fn basic(credentials: impl AsRef<[u8]>) -> Request<Bytes> {
    with_header(format!("Basic {}", STANDARD.encode(credentials)))
}

#[tokio::test]
async fn each_method_works_for_the_clients_registered_for_it() {
    let fixture = Fixture::new();
    for client in ["sec", "post", "pub"] {
        is_authenticated(&fixture.token(client, &PROBE).await);
    }
}

#[tokio::test]
async fn a_wrong_secret_is_refused() {
    let fixture = Fixture::new();
    let (right, long) = ("-secret", "x".repeat(1024 * 1024));
    for client in ["sec", "post"] {
        let right = format!("{client}{right}");
        let digest = Digest::of(&right).to_string();
        for wrong in [
            "wrong".to_owned(),
            String::new(),
            right[..right.len() - 1].to_owned(),
            right[1..].to_owned(),
            right.to_uppercase(),
            format!("{right}\0"),
            format!("{right} "),
            format!("{right}{right}"),
            digest,
        ] {
            let answer = if client == "sec" {
                fixture.send(post_basic("/token", client, &wrong, &PROBE)).await
            } else {
                let credentials = [("client_id", client), ("client_secret", &wrong)];
                fixture.send(post("/token", &[PROBE.as_slice(), &credentials].concat())).await
            };
            is_unauthenticated(&answer);
        }
    }
    is_unauthenticated(&fixture.send(post_basic("/token", "sec", &long, &PROBE)).await);
}

#[tokio::test]
async fn an_unknown_client_and_a_wrong_secret_look_alike() {
    let fixture = Fixture::new();
    let answers = [
        fixture.send(post_basic("/token", "sec", "wrong", &PROBE)).await,
        fixture.send(post_basic("/token", "nobody", "wrong", &PROBE)).await,
        fixture.send(post_basic("/token", "post", "wrong", &PROBE)).await,
        fixture.send(post_basic("/token", "pub", "wrong", &PROBE)).await,
        fixture.send(post("/token", &[PROBE[0], ("client_id", "nobody"), ("client_secret", "wrong")])).await,
        fixture.send(post("/token", &[PROBE[0], ("client_id", "post"), ("client_secret", "wrong")])).await,
        fixture.send(post("/token", &[PROBE[0], ("client_id", "nobody")])).await,
        fixture.send(post("/token", &[PROBE[0], ("client_id", "sec")])).await,
    ];
    for answer in &answers {
        is_unauthenticated(answer);
        assert_eq!((&answer.headers, &answer.json), (&answers[0].headers, &answers[0].json));
    }
}

#[tokio::test]
async fn no_client_opens_with_what_stands_for_an_unknown_one() {
    let fixture = Fixture::new();
    for secret in ["", "\0", &Digest::from_bytes([0; 32]).to_string()] {
        is_unauthenticated(&fixture.send(post_basic("/token", "nobody", secret, &PROBE)).await);
    }
}

#[tokio::test]
async fn the_registered_method_is_enforced() {
    let fixture = Fixture::new();
    let key_client = grantwell::model::ClientMetadata { ..metadata(AuthMethod::new("private_key_jwt")) };
    fixture.store.insert_client(Client::new(ClientId::from("pkj"), Some(secret("pkj")), key_client).unwrap());
    let in_body = |id: &'static str, secret: &'static str| {
        post("/token", &[PROBE[0], ("client_id", id), ("client_secret", secret)])
    };
    for request in [
        in_body("sec", "sec-secret"),
        in_body("pkj", "pkj-secret"),
        in_body("pub", "pub-secret"),
        post_basic("/token", "post", "post-secret", &PROBE),
        post_basic("/token", "pkj", "pkj-secret", &PROBE),
        post_basic("/token", "pub", "", &PROBE),
        post_basic("/token", "pub", "x", &PROBE),
        post("/token", &[PROBE[0], ("client_id", "sec")]),
        post("/token", &[PROBE[0], ("client_id", "post")]),
        post("/token", &[PROBE[0], ("client_id", "post"), ("client_secret", "")]),
        post("/token", &[PROBE[0], ("client_id", "pkj")]),
        post("/token", &[PROBE[0], ("client_secret", "post-secret")]),
        post("/token", &[PROBE[0], ("client_id", "pub"), ("client_assertion", "x")]),
        post("/token", &[PROBE[0], ("client_id", "")]),
        post("/token", &PROBE),
    ] {
        is_unauthenticated(&fixture.send(request).await);
    }
}

#[tokio::test]
async fn two_methods_at_once_are_refused() {
    let fixture = Fixture::new();
    for (id, secret) in [("sec", "sec-secret"), ("post", "post-secret"), ("sec", "wrong")] {
        for in_body in [
            vec![("client_secret", "sec-secret")],
            vec![("client_id", "sec"), ("client_secret", "sec-secret")],
            vec![("client_id", "post"), ("client_secret", "post-secret")],
        ] {
            let params = [PROBE.as_slice(), &in_body].concat();
            fixture.send(post_basic("/token", id, secret, &params)).await.is_refused(400, "invalid_request");
        }
    }
}

#[tokio::test]
async fn a_client_id_in_the_body_may_not_contradict_the_header() {
    let fixture = Fixture::new();
    let with_id = |id| post_basic("/token", "sec", "sec-secret", &[PROBE[0], ("client_id", id)]);
    for id in ["sec2", "pub", "SEC", "sec "] {
        is_unauthenticated(&fixture.send(with_id(id)).await);
    }
    is_authenticated(&fixture.send(with_id("sec")).await);
    is_authenticated(&fixture.send(with_id("")).await);
}

#[tokio::test]
async fn the_authorization_header_is_parsed_strictly() {
    let fixture = Fixture::new();
    let good = STANDARD.encode("sec:sec-secret");
    let lax = STANDARD_NO_PAD.encode("sec:sec-secret");
    assert_ne!(good, lax);
    let trailing_bits = format!("{}1==", &lax[..lax.len() - 1]);
    for bad in [
        "".to_owned(),
        "Basic".to_owned(),
        "Basic ".to_owned(),
        "Bearer".to_owned(),
        format!("Bearer {good}"),
        format!("Basic\t{good}"),
        format!("Basic{good}"),
        format!("Basic,{good}"),
        format!(" Basic {good}"),
        format!("Basic {good} "),
        format!("Basic {} {}", &good[..4], &good[4..]),
        format!("Basic {lax}"),
        format!("Basic {good}="),
        format!("Basic {good}, Basic {good}"),
        format!("Basic {trailing_bits}"),
        "Basic !!!!".to_owned(),
        "Basic ====".to_owned(),
        format!("Basic {}", STANDARD.encode("sec")),
        format!("Basic {}", STANDARD.encode("")),
        format!("Basic {}", STANDARD.encode(":")),
        format!("Basic {}", STANDARD.encode(":sec-secret")),
        format!("Basic {}", STANDARD.encode("sec:sec-secret:")),
        format!("Basic {}", STANDARD.encode("sec:%")),
        format!("Basic {}", STANDARD.encode("sec:%ff")),
        format!("Basic {}", STANDARD.encode(b"\xff\xfe:\xff")),
        format!("Basic {}", "A".repeat(64 * 1024)),
        format!("Basic {}", STANDARD.encode(format!("{}:x", "a".repeat(48 * 1024)))),
    ] {
        is_unauthenticated(&fixture.send(with_header(&bad)).await);
    }
    is_unauthenticated(&fixture.send(with_header(b"Basic \xe9\xff")).await);
    let mut twice = with_header(format!("Basic {good}"));
    twice.headers_mut().append(AUTHORIZATION, format!("Basic {good}").parse().unwrap());
    is_unauthenticated(&fixture.send(twice).await);
    let mut beside_a_public_client = post("/token", &[PROBE[0], ("client_id", "pub")]);
    beside_a_public_client.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer x"));
    is_unauthenticated(&fixture.send(beside_a_public_client).await);
    for good in [format!("Basic {good}"), format!("basic {good}"), format!("BASIC  {good}")] {
        is_authenticated(&fixture.send(with_header(&good)).await);
    }
}

#[tokio::test]
async fn basic_credentials_are_form_decoded_once() {
    let fixture = Fixture::new();
    let metadata = || metadata(AuthMethod::CLIENT_SECRET_BASIC);
    let client = |id: &str, text: &str| {
        let secret = ClientSecret::Digest(Digest::of(text));
        fixture.store.insert_client(Client::new(ClientId::from(id), Some(secret), metadata()).unwrap());
    };
    for (id, secret) in
        [("a:b", "c:d:"), ("a+b c", " +"), ("50%", "%41"), ("x&y=z", "&amp;="), ("clïent", "gehe\u{ef}m\u{1f511}")]
    {
        client(id, secret);
        is_authenticated(&fixture.send(post_basic("/token", id, secret, &PROBE)).await);
        let unencoded = fixture.send(basic(format!("{id}:{secret}"))).await;
        if id.is_ascii() && id != "x&y=z" {
            is_unauthenticated(&unencoded);
        }
    }
    client("once", "%41");
    is_authenticated(&fixture.send(basic("once:%2541")).await);
    is_unauthenticated(&fixture.send(basic("once:%41")).await);
    client("once", "A");
    is_authenticated(&fixture.send(basic("%6fnce:%41")).await);
    is_unauthenticated(&fixture.send(basic("once:%2541")).await);
}

#[tokio::test]
async fn a_secret_expires() {
    let fixture = Fixture::new();
    let end = Timestamp::from_unix(START + 100);
    for method in [AuthMethod::CLIENT_SECRET_BASIC, AuthMethod::CLIENT_SECRET_POST] {
        let id = if method == AuthMethod::CLIENT_SECRET_POST { "post" } else { "sec" };
        fixture.store.insert_client(confidential(id, metadata(method)).with_secret_until(end));
    }
    fixture.clock.advance(99);
    for client in ["sec", "post"] {
        is_authenticated(&fixture.token(client, &PROBE).await);
    }
    fixture.clock.advance(1);
    for client in ["sec", "post"] {
        is_unauthenticated(&fixture.token(client, &PROBE).await);
    }
}

struct Vault(Result<&'static str, &'static str>);

#[async_trait]
impl SecretVerifier for Vault {
    async fn verify(&self, secret: &Secret) -> Result<bool, StorageError> {
        self.0.map(|right| secret.expose() == right).map_err(StorageError::new)
    }
}

#[tokio::test]
async fn a_host_may_verify_secrets_itself() {
    let fixture = Fixture::new();
    let vault = |id: &str, vault| {
        let secret = ClientSecret::Verifier(Arc::new(Vault(vault)));
        let client = Client::new(ClientId::from(id), Some(secret), metadata(AuthMethod::CLIENT_SECRET_BASIC));
        fixture.store.insert_client(client.unwrap());
    };
    vault("vault", Ok("pass: word"));
    vault("sealed", Err("the vault is sealed: hunter2"));
    is_authenticated(&fixture.send(post_basic("/token", "vault", "pass: word", &PROBE)).await);
    is_unauthenticated(&fixture.send(post_basic("/token", "vault", "password", &PROBE)).await);
    let answer = fixture.send(post_basic("/token", "sealed", "pass: word", &PROBE)).await;
    answer.is_refused(503, "temporarily_unavailable");
    assert_eq!(answer.headers["retry-after"], "1");
    assert!(!answer.json.to_string().contains("vault"));
}

/// Five failures for a client from an address are enough.
#[derive(Default)]
struct Limiter(Mutex<HashMap<(String, Option<IpAddr>), usize>>);

impl Limiter {
    fn key(attempt: &Attempt<'_>) -> (String, Option<IpAddr>) {
        match attempt {
            Attempt::ClientSecret { client_id, address } => (client_id.to_string(), *address),
            other => panic!("{other:?}"),
        }
    }

    fn failures(&self, client: &str, address: Option<IpAddr>) -> usize {
        self.0.lock().unwrap().get(&(client.to_owned(), address)).copied().unwrap_or_default()
    }
}

struct Shared(Arc<Limiter>);

#[async_trait]
impl RateLimiter for Shared {
    async fn check(&self, attempt: &Attempt<'_>) -> Result<(), u32> {
        let (client, address) = Limiter::key(attempt);
        if self.0.failures(&client, address) < 5 { Ok(()) } else { Err(30) }
    }

    async fn failed(&self, attempt: &Attempt<'_>) {
        *self.0.0.lock().unwrap().entry(Limiter::key(attempt)).or_default() += 1;
    }
}

#[tokio::test]
async fn guessing_is_limited_by_the_hosts_rule() {
    let limiter = Arc::new(Limiter::default());
    let fixture = Fixture::with(|builder| builder.rate_limiter(Shared(limiter.clone())));
    let (attacker, home): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
    let attempt = |id: &str, secret: &str, address| {
        let mut request = post_basic("/token", id, secret, &PROBE);
        request.extensions_mut().insert(ClientAddress(address));
        fixture.send(request)
    };
    for client in ["sec", "nobody"] {
        for _ in 0..5 {
            is_unauthenticated(&attempt(client, "wrong", attacker).await);
        }
        for _ in 0..195 {
            let answer = attempt(client, "wrong", attacker).await;
            answer.is_refused(429, "temporarily_unavailable");
            assert_eq!(answer.headers["retry-after"], "30");
        }
        assert_eq!(limiter.failures(client, Some(attacker)), 5, "what was not tried did not fail");
    }
    attempt("sec", "sec-secret", attacker).await.is_refused(429, "temporarily_unavailable");
    is_authenticated(&attempt("sec", "sec-secret", home).await);
    is_authenticated(&fixture.token("sec", &PROBE).await);
    assert_eq!((limiter.failures("sec", Some(home)), limiter.failures("sec", None)), (0, 0));
}
