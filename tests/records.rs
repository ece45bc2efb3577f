//! The records as rows: what a table holds of them, and what is refused when it is read back.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use grantwell::model::{
    AccessToken, AuthMethod, Authorization, AuthorizationCode, AuthorizationId, Client, ClientMetadata, ClientPolicy,
    ClientSecret, Consent, KeyId, Record, RefreshHandle, RefreshToken, SecretVerifier, SessionDigest, SigningKey,
};
use grantwell::{Digest, Secret, StorageError, Timestamp};
use serde_json::json;

const START: i64 = 1_750_000_000;
const ISSUER: &str = "https://as.example";

const fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix(START as u64 + seconds)
}

fn authorization() -> Authorization {
    Authorization {
        id: AuthorizationId::from_bytes([1; 16]),
        issuer: ISSUER.into(),
        client_id: "app".into(),
        subject: "alice".into(),
        scope: "profile".parse().unwrap(),
        resources: vec!["https://api.example".to_owned()],
        session: Some(SessionDigest::from_bytes([1; 32])),
        auth_time: at(0),
        acr: Some("2".to_owned()),
        amr: vec!["pwd".to_owned()],
        created_at: at(1),
        expires_at: at(1_000),
    }
}

fn code() -> AuthorizationCode {
    AuthorizationCode {
        code: Digest::of("code"),
        authorization: authorization(),
        redirect_uri: Some("https://app.example/cb".to_owned()),
        extensions: [("pkce".to_owned(), json!({ "challenge": "x" }))].into(),
        expires_at: at(60),
        retain_until: at(900),
    }
}

fn access_token(authorization: Option<AuthorizationId>) -> AccessToken {
    AccessToken {
        token: Digest::of("token"),
        issuer: ISSUER.into(),
        authorization,
        client_id: "app".into(),
        scope: "profile".parse().unwrap(),
        audience: vec!["https://api.example".to_owned()],
        issued_at: at(0),
        expires_at: at(300),
    }
}

fn family(generation: u64) -> RefreshToken {
    RefreshToken {
        handle: RefreshHandle::from_bytes([1; 16]),
        issuer: ISSUER.into(),
        authorization: authorization().id,
        client_id: "app".into(),
        key: KeyId::from_bytes([1; 8]),
        salt: Digest::of("salt"),
        generation,
        rotated_at: at(generation),
        made_by: (generation > 0).then(|| Digest::of("request")),
        idle_until: at(500),
        expires_at: at(600),
    }
}

fn consent(subject: &str, client_id: &str, redirect_uri: &str) -> Consent {
    Consent {
        issuer: ISSUER.into(),
        subject: subject.into(),
        client_id: client_id.into(),
        redirect_uri: redirect_uri.to_owned(),
        scope: "profile".parse().unwrap(),
        resources: Vec::new(),
        given_at: at(0),
    }
}

fn signing_key(issuer: &str, algorithm: &str, generation: u64) -> SigningKey {
    SigningKey {
        issuer: issuer.into(),
        algorithm: algorithm.to_owned(),
        generation,
        jwk: json!({ "kty": "OKP" }),
        private_key: "sealed".to_owned(),
        created_at: at(0),
        signs_from: at(60),
        signs_until: at(60),
        longest_token: 60,
    }
}

fn metadata(method: AuthMethod) -> ClientMetadata {
    ClientMetadata {
        redirect_uris: vec!["https://app.example/cb".parse().unwrap()],
        token_endpoint_auth_method: method,
        other: [("client_name#de".to_owned(), json!("Die Anwendung"))].into(),
        ..ClientMetadata::default()
    }
}

fn client(secret: ClientSecret) -> Client {
    let client = Client::new("app".into(), Some(secret), metadata(AuthMethod::CLIENT_SECRET_BASIC)).unwrap();
    let policy = ClientPolicy { require_pkce: false, access_token_lifetime: Some(60), ..ClientPolicy::default() };
    client.with_policy(policy).unwrap().with_secret_until(at(10))
}

/// The columns of a row: id, authorization, client, subject, session, expiry.
type Columns<'a> = (&'a str, Option<&'a str>, &'a str, Option<&'a str>, Option<&'a str>, Option<i64>);

/// The record as it is read back from a row with these columns; any other payload is refused.
#[track_caller]
fn read_back<R: Record + Debug>(record: &R, columns: Columns<'_>) -> R {
    let row = record.to_row().unwrap();
    let own = (
        row.id.as_str(),
        row.authorization.as_deref(),
        row.client.as_str(),
        row.subject.as_deref(),
        row.session.as_deref(),
        row.expires_at,
    );
    assert_eq!(own, columns);
    for cut in 0..row.payload.len() {
        assert!(R::from_row(&row.payload[..cut]).is_err(), "cut at {cut}");
    }
    let unknown = row.payload.replacen("\"v\":1", "\"v\":2", 1);
    assert_ne!(unknown, row.payload);
    for corrupt in [unknown, row.payload.replacen("\"v\":1,", "", 1), format!("{}x", row.payload), "null".to_owned()] {
        assert!(R::from_row(&corrupt).is_err(), "{corrupt}");
    }
    R::from_row(&row.payload).unwrap()
}

#[track_caller]
fn reads_what_it_wrote<R: Record + PartialEq + Debug>(record: &R, columns: Columns<'_>) {
    assert_eq!(&read_back(record, columns), record);
}

#[test]
fn every_record_reads_what_it_wrote_and_nothing_else() {
    let own = authorization();
    let (id, session) = (own.id.to_string(), own.session.unwrap().to_string());
    let (id, session) = (Some(id.as_str()), Some(session.as_str()));
    let alice = Some("alice");
    reads_what_it_wrote(&own, (id.unwrap(), id, "app", alice, session, Some(START + 1_000)));
    let digest = code().code.to_string();
    reads_what_it_wrote(&code(), (&digest, id, "app", alice, session, Some(START + 900)));
    let digest = Digest::of("token").to_string();
    reads_what_it_wrote(&access_token(Some(own.id)), (&digest, id, "app", None, None, Some(START + 300)));
    reads_what_it_wrote(&access_token(None), (&digest, None, "app", None, None, Some(START + 300)));
    let handle = family(0).handle.to_string();
    for generation in [0, 7] {
        reads_what_it_wrote(&family(generation), (&handle, id, "app", None, None, Some(START + 600)));
    }
    let consent = consent("alice", "app", "https://app.example/cb");
    reads_what_it_wrote(&consent, (&consent.index().id, None, "app", alice, None, None));
    let key = signing_key(ISSUER, "ES256", 1);
    reads_what_it_wrote(&key, (&key.index().id, None, "", None, None, None));
}

#[test]
fn an_authorization_with_offline_access_is_not_found_by_its_session() {
    let offline = Authorization { scope: "profile offline_access".parse().unwrap(), ..authorization() };
    assert_eq!(offline.to_row().unwrap().session, None);
    let code = AuthorizationCode { authorization: offline, ..code() };
    assert_eq!(code.to_row().unwrap().session, None);
}

#[test]
fn a_record_without_its_optional_parts_reads_too() {
    let bare = Authorization { resources: Vec::new(), session: None, acr: None, amr: Vec::new(), ..authorization() };
    assert_eq!(Authorization::from_row(&bare.to_row().unwrap().payload).unwrap(), bare);
    let bare = AuthorizationCode { redirect_uri: None, extensions: Default::default(), authorization: bare, ..code() };
    assert_eq!(AuthorizationCode::from_row(&bare.to_row().unwrap().payload).unwrap(), bare);
}

#[test]
fn one_kind_of_record_is_not_read_as_another() {
    let row = authorization().to_row().unwrap();
    assert!(AccessToken::from_row(&row.payload).is_err());
    assert!(RefreshToken::from_row(&access_token(None).to_row().unwrap().payload).is_err());
    assert!(AuthorizationCode::from_row(&row.payload).is_err());
    assert!(Client::from_row(&row.payload).is_err());
}

#[test]
fn the_key_of_a_consent_is_all_of_its_parts() {
    let ids = [
        consent("alice", "app", "x"),
        consent("alice", "app", "y"),
        consent("alice", "ap", "px"),
        consent("alic", "eapp", "x"),
        consent("a\",\"b", "c", "d"),
        consent("a", "b\",\"c", "d"),
    ]
    .map(|consent| consent.index().id);
    let distinct: HashSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len());
}

#[test]
fn the_key_of_a_signing_key_is_its_issuer_algorithm_and_generation() {
    let keys = [("a", "b", 1), ("a", "b", 11), ("a", "b1", 1), ("ab", "", 1), ("a\",\"b", "", 1), ("A", "b", 1)];
    let ids = keys.map(|(issuer, algorithm, generation)| signing_key(issuer, algorithm, generation).index().id);
    let distinct: HashSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len());
    let same = SigningKey { jwk: json!({}), private_key: String::new(), signs_from: at(1), ..signing_key("a", "b", 1) };
    assert_eq!(same.index().id, ids[0]);
}

#[test]
fn a_client_reads_what_it_wrote_with_the_digest_of_its_secret() {
    let own = client(ClientSecret::Digest(Digest::of("hush")));
    let read = read_back(&own, ("app", None, "app", None, None, None));
    assert_eq!(read.to_row().unwrap(), own.to_row().unwrap());
    assert_eq!((read.id(), read.metadata(), read.policy()), (own.id(), own.metadata(), own.policy()));
    let Some(ClientSecret::Digest(digest)) = read.secret(at(9)) else { panic!("the secret is gone") };
    assert!(digest.matches("hush"));
    assert!(read.secret(at(10)).is_none(), "the secret's end is kept");
    assert!(!own.to_row().unwrap().payload.contains("hush"));
    let public = Client::new("app".into(), None, metadata(AuthMethod::NONE)).unwrap();
    let read = read_back(&public, ("app", None, "app", None, None, None));
    assert!(read.is_public() && read.secret(at(0)).is_none());
}

struct Vault;

#[async_trait]
impl SecretVerifier for Vault {
    async fn verify(&self, _: &Secret) -> Result<bool, StorageError> {
        Ok(true)
    }
}

#[test]
fn a_client_whose_secret_the_host_checks_is_refused() {
    let refused = client(ClientSecret::Verifier(Arc::new(Vault))).to_row().unwrap_err();
    assert!(std::error::Error::source(&refused).is_some());
}

#[test]
fn a_client_that_contradicts_itself_is_not_read() {
    let payload = client(ClientSecret::Digest(Digest::of("hush"))).to_row().unwrap().payload;
    for (from, to) in [
        ("client_secret_basic", "none"),
        ("https://app.example/cb", "http://app.example/cb"),
        ("\"access_token_lifetime\":60", "\"access_token_lifetime\":0"),
        ("\"id\":\"app\"", "\"id\":\"\""),
        ("\"code\"", "\"token\""),
    ] {
        assert!(payload.contains(from), "{from} in {payload}");
        assert!(Client::from_row(&payload.replace(from, to)).is_err(), "{to}");
    }
}
