//! A Redis to test with, and records that end in the future of its clock.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use grantwell::model::{
    AccessToken, AuthMethod, Authorization, AuthorizationCode, AuthorizationId, Client, ClientId, ClientMetadata,
    Consent, Issued, KeyId, RefreshHandle, RefreshToken, SigningKey,
};
use grantwell::storage::{
    AuthorizationCodeStore as _, ClientRegistry as _, ConsentStore as _, KeyStore as _, RefreshTokenStore as _,
    ReplayStore as _, TokenStore as _,
};
use grantwell::{Clock as _, Digest, Randomness as _, SystemClock, SystemRandomness, Timestamp};
use grantwell_redis::RedisStore;
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands as _, ScanOptions};

/// The address in that variable.
pub fn address(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} must be the address of a Redis, redis://HOST:PORT"))
}

pub async fn connect(variable: &str) -> MultiplexedConnection {
    let client = redis::Client::open(address(variable)).unwrap();
    client.get_multiplexed_async_connection().await.expect("the Redis of the tests answers")
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandomness.fill(&mut bytes);
    bytes
}

/// The beginning of the keys of one test.
pub fn prefix() -> String {
    format!("test-{}:", KeyId::from_bytes(random()))
}

/// A store with a prefix of its own, and what it is made of.
pub struct Bench {
    pub prefix: String,
    pub connection: MultiplexedConnection,
    pub store: RedisStore<MultiplexedConnection>,
}

impl Bench {
    pub async fn new() -> Self {
        Self::at("GRANTWELL_REDIS").await
    }

    pub async fn at(variable: &str) -> Self {
        let (prefix, connection) = (prefix(), connect(variable).await);
        let store = RedisStore::new(connection.clone()).with_prefix(prefix.as_str()).clock_skew(0);
        Self { prefix, connection, store }
    }

    /// The keys that begin so, after the prefix.
    pub async fn keys(&self, beginning: &str) -> Vec<String> {
        let mut connection = self.connection.clone();
        let mut keys = Vec::new();
        let options = ScanOptions::default().with_pattern(format!("{}{beginning}*", self.prefix)).with_count(1000);
        let mut found = connection.scan_options(options).await.unwrap();
        while let Some(key) = found.next_item().await {
            keys.push(key.unwrap());
        }
        keys
    }

    /// Deletes what stands under the authorization, as if a crash had come before it was written.
    pub async fn delete_rows(&self, id: &AuthorizationId) {
        let rows = self.keys(&format!("authorization:{{{id}}}")).await;
        assert!(!rows.is_empty(), "there are rows to delete");
        self.connection.clone().del::<_, ()>(rows).await.unwrap();
    }
}

/// The moment `seconds` from now.
pub fn later(seconds: u64) -> Timestamp {
    SystemClock.now().plus(seconds)
}

pub fn digest() -> Digest {
    Digest::from_bytes(random())
}

/// An authorization of its own subject, client and session, whose names cannot be missed where they do not belong.
pub fn authorization() -> Authorization {
    let name = digest();
    Authorization {
        id: AuthorizationId::from_bytes(random()),
        issuer: "https://as.example".into(),
        client_id: format!("the-client {{{name}}}").into(),
        subject: format!("the-subject {{{name}}}").into(),
        scope: "profile".parse().unwrap(),
        resources: Vec::new(),
        session: Some(grantwell::model::SessionDigest::from_bytes(random())),
        auth_time: later(0),
        acr: None,
        amr: Vec::new(),
        created_at: later(0),
        expires_at: later(1000),
    }
}

pub fn code(authorization: &Authorization) -> AuthorizationCode {
    AuthorizationCode {
        code: digest(),
        authorization: authorization.clone(),
        redirect_uri: Some("https://app.example/cb".to_owned()),
        extensions: Default::default(),
        expires_at: later(60),
        retain_until: later(900),
    }
}

pub fn access_token(authorization: &Authorization) -> AccessToken {
    AccessToken { authorization: Some(authorization.id), ..own_token(&authorization.client_id).access_token }
}

pub fn family(authorization: &Authorization) -> RefreshToken {
    RefreshToken {
        handle: RefreshHandle::from_bytes(random()),
        issuer: authorization.issuer.clone(),
        authorization: authorization.id,
        client_id: authorization.client_id.clone(),
        key: KeyId::from_bytes(random()),
        salt: digest(),
        generation: 0,
        rotated_at: later(0),
        made_by: None,
        idle_until: later(500),
        expires_at: later(600),
    }
}

pub fn issued(authorization: &Authorization) -> Issued {
    Issued {
        authorization: Some(authorization.clone()),
        access_token: access_token(authorization),
        refresh_token: Some(family(authorization)),
    }
}

/// A token that a client has for itself.
pub fn own_token(client_id: &ClientId) -> Issued {
    let access_token = AccessToken {
        token: digest(),
        issuer: "https://as.example".into(),
        authorization: None,
        client_id: client_id.clone(),
        scope: "profile".parse().unwrap(),
        audience: Vec::new(),
        issued_at: later(0),
        expires_at: later(300),
    };
    Issued { authorization: None, access_token, refresh_token: None }
}

pub fn consent(authorization: &Authorization) -> Consent {
    Consent {
        issuer: authorization.issuer.clone(),
        subject: authorization.subject.clone(),
        client_id: authorization.client_id.clone(),
        redirect_uri: "https://app.example/the-redirect-uri".to_owned(),
        scope: authorization.scope.clone(),
        resources: Vec::new(),
        given_at: later(0),
    }
}

/// The client that the consent is given to.
pub fn client(consent: &Consent) -> Client {
    let metadata = ClientMetadata {
        token_endpoint_auth_method: AuthMethod::NONE,
        redirect_uris: vec![consent.redirect_uri.parse().unwrap()],
        ..ClientMetadata::default()
    };
    Client::new(consent.client_id.clone(), None, metadata).unwrap()
}

/// Of an issuer of its own.
pub fn signing_key() -> SigningKey {
    SigningKey {
        issuer: format!("https://the-issuer.example/{{{}}}", digest()).into(),
        algorithm: "the-algorithm".to_owned(),
        generation: 0,
        jwk: Default::default(),
        private_key: "sealed".to_owned(),
        created_at: later(0),
        signs_from: later(0),
        signs_until: later(0),
        longest_token: 60,
    }
}

/// Saves something of every kind; answers the names in it that somebody chose.
pub async fn fill(bench: &Bench) -> [String; 5] {
    let own = authorization();
    let code = code(&own);
    bench.store.save_authorization_code(&code).await.unwrap();
    bench.store.redeem_authorization_code(&code.code, &issued(&own)).await.unwrap();
    bench.store.save_token(&issued(&own)).await.unwrap();
    let mut rotated = family(&own);
    bench.store.save_token(&Issued { refresh_token: Some(rotated.clone()), ..issued(&own) }).await.unwrap();
    rotated.generation = 1;
    bench.store.rotate_refresh_token(0, &rotated, &access_token(&own)).await.unwrap();
    bench.store.save_token(&own_token(&own.client_id)).await.unwrap();
    bench.store.claim(&digest(), later(100)).await.unwrap();
    let consent = consent(&own);
    bench.store.save_consent(&consent).await.unwrap();
    bench.store.save_client(&client(&consent)).await.unwrap();
    let key = signing_key();
    bench.store.save_signing_key(&key).await.unwrap();
    [own.subject.to_string(), own.client_id.to_string(), consent.redirect_uri, key.issuer.to_string(), key.algorithm]
}
