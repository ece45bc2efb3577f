//! Empty databases, and records to put in.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicU32, Ordering};

use grantwell::model::{
    AccessToken, Authorization, AuthorizationCode, AuthorizationId, Issued, KeyId, RefreshHandle, RefreshToken,
    SessionDigest, SigningKey,
};
use grantwell::{Digest, Timestamp};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};

/// A database file of its own, which is there as long as the folder.
pub async fn sqlite() -> (tempfile::TempDir, SqlitePool) {
    let folder = tempfile::tempdir().unwrap();
    let options = grantwell_sqlx::sqlite_options(folder.path().join("state.db"));
    (folder, SqlitePoolOptions::new().connect_with(options).await.unwrap())
}

pub fn postgres_url() -> String {
    let name = "GRANTWELL_POSTGRES";
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run this by tests/stores/with-databases.sh"))
}

pub async fn postgres() -> PgPool {
    PgPoolOptions::new().connect(&postgres_url()).await.unwrap()
}

/// A name that no other test has.
pub fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{name}_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

pub const NOW: u64 = 1_800_000_000;

pub const fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix(NOW + seconds)
}

/// Number `n`, of alice at `app`.
pub fn authorization(n: u32) -> Authorization {
    let digest = Digest::of(&format!("authorization {n}"));
    let id = std::array::from_fn(|i| digest.as_bytes()[i]);
    Authorization {
        id: AuthorizationId::from_bytes(id),
        issuer: "https://as.example".into(),
        client_id: "app".into(),
        subject: "alice".into(),
        scope: "profile".parse().unwrap(),
        resources: Vec::new(),
        session: Some(SessionDigest::from_bytes(*digest.as_bytes())),
        auth_time: at(0),
        acr: None,
        amr: Vec::new(),
        created_at: at(0),
        expires_at: at(1_000),
    }
}

pub fn code(n: u32) -> AuthorizationCode {
    AuthorizationCode {
        code: Digest::of(&format!("code {n}")),
        authorization: authorization(n),
        redirect_uri: None,
        extensions: Default::default(),
        expires_at: at(60),
        retain_until: at(900),
    }
}

/// The family of authorization `n`, at that generation.
pub fn family(n: u32, generation: u64) -> RefreshToken {
    let authorization = authorization(n);
    RefreshToken {
        handle: RefreshHandle::from_bytes(*authorization.id.as_bytes()),
        issuer: authorization.issuer,
        authorization: authorization.id,
        client_id: authorization.client_id,
        key: KeyId::from_bytes([1; 8]),
        salt: Digest::of("salt"),
        generation,
        rotated_at: at(0),
        made_by: None,
        idle_until: at(500),
        expires_at: at(600),
    }
}

/// What redeeming code `n` issues: an access token of that name, and the family.
pub fn issued(n: u32, token: &str) -> Issued {
    let authorization = authorization(n);
    let access_token = AccessToken {
        token: Digest::of(token),
        issuer: authorization.issuer.clone(),
        authorization: Some(authorization.id),
        client_id: authorization.client_id.clone(),
        scope: authorization.scope.clone(),
        audience: Vec::new(),
        issued_at: at(0),
        expires_at: at(300),
    };
    Issued { authorization: Some(authorization), access_token, refresh_token: Some(family(n, 0)) }
}

/// What a client gets for itself.
pub fn for_itself(token: &str) -> Issued {
    let issued = issued(0, token);
    let access_token = AccessToken { authorization: None, ..issued.access_token };
    Issued { authorization: None, access_token, refresh_token: None }
}

pub fn signing_key() -> SigningKey {
    SigningKey {
        issuer: "https://as.example".into(),
        algorithm: "RS256".to_owned(),
        generation: 0,
        jwk: Default::default(),
        private_key: "sealed".to_owned(),
        created_at: at(0),
        signs_from: at(0),
        signs_until: at(0),
        longest_token: 60,
    }
}
