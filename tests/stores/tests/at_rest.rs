//! Whoever reads a store finds nothing in it that any endpoint accepts.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use grantwell::{Authorize, Decision, Digest};
use grantwell_store_tests::flows::{CLIENT, Flows, VERIFIER, code_in};
use grantwell_store_tests::place::{self, EveryStore, open_postgres, open_redis, open_sqlite};
use http::Request;
use redis::AsyncCommands as _;
use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;
use sqlx::{AssertSqlSafe, Row as _};

/// What passed between the server, its clients and its users.
struct Sent {
    unused_code: String,
    access_token: String,
    refresh_token: String,
    own_token: String,
    /// What is used up, revoked, or no credential of an endpoint by itself.
    others: Vec<String>,
}

impl Sent {
    /// Everything that a flow can leave in a store.
    async fn by_every_flow(flows: &Flows) -> Self {
        let login = Flows::login("alice");
        let Authorize::Consent(pending) = flows.authorize(&login).await else { panic!("a consent is needed") };
        let used_code = code_in(&flows.0.decide(pending.ticket(), Some(&login), Decision::APPROVE).await);
        let first = flows.redeem(&used_code).await;
        let second = flows.refresh(&first.text("refresh_token")).await;
        let third = flows.refresh(&second.text("refresh_token")).await;

        let replayed_code = flows.code("bob").await;
        let dead = flows.redeem(&replayed_code).await;
        assert_eq!(flows.redeem(&replayed_code).await.error(), (400, "invalid_grant"));
        let revoked = flows.client_credentials().await.text("access_token");
        assert_eq!(flows.revoke(&revoked).await.status, 200);

        let mut others = vec![used_code, replayed_code, revoked, pending.ticket().to_owned(), login.session.unwrap()];
        for answer in [&first, &second, &dead] {
            others.extend([answer.text("access_token"), answer.text("refresh_token")]);
        }
        others.extend([CLIENT.1.to_owned(), VERIFIER.to_owned()]);
        Self {
            unused_code: flows.code("alice").await,
            access_token: third.text("access_token"),
            refresh_token: third.text("refresh_token"),
            own_token: flows.client_credentials().await.text("access_token"),
            others,
        }
    }

    /// Every secret, and the part of a refresh token that proves it.
    fn secrets(&self) -> Vec<&str> {
        let sent = [&self.unused_code, &self.access_token, &self.refresh_token, &self.own_token];
        let all = sent.into_iter().chain(&self.others).map(String::as_str);
        let proofs = all.clone().filter(|secret| secret.matches('.').count() == 2).filter_map(|t| t.rsplit('.').next());
        all.clone().chain(proofs).collect()
    }

    /// What a store must hold: otherwise it was not looked at.
    fn kept(&self) -> Vec<String> {
        let digests = [&self.unused_code, &self.access_token, &self.own_token].map(|secret| Digest::of(secret));
        let handle = self.refresh_token.split('.').next().unwrap();
        digests.iter().map(Digest::to_string).chain([handle.to_owned(), Digest::of(CLIENT.1).to_string()]).collect()
    }
}

/// All that a store holds.
struct Dump {
    bytes: Vec<u8>,
    texts: Vec<String>,
}

impl Dump {
    fn of(texts: Vec<String>) -> Self {
        Self { bytes: texts.join("\n").into_bytes(), texts }
    }

    fn contains(&self, text: &str) -> bool {
        self.bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// Everything that might pass for a code, a token or a secret.
    fn candidates(&self) -> BTreeSet<&str> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
        let parts = self.texts.iter().flat_map(|text| text.split(move |c| !is_part(c)));
        parts.filter(|part| part.len() >= 16).collect()
    }
}

async fn nothing_opens_anything<S: EveryStore>(store: S, dump: impl AsyncFnOnce() -> Dump) {
    let flows = Flows::over(&Arc::new(store)).await;
    let sent = Sent::by_every_flow(&flows).await;
    let dump = dump().await;
    for kept in sent.kept() {
        assert!(dump.contains(&kept), "{kept} is not in the dump");
        assert!(dump.candidates().contains(&*kept), "{kept} is not tried");
    }
    for secret in sent.secrets() {
        assert!(!dump.contains(secret), "{secret} is in the store");
    }
    let mut tried = dump.candidates().into_iter().map(str::to_owned).collect::<Vec<_>>();
    // A refresh token is its handle, its generation, and a proof that is nowhere.
    let handle = sent.refresh_token.split('.').next().unwrap();
    tried.extend(sent.kept().into_iter().map(|kept| format!("{handle}.2.{kept}")));
    for candidate in &tried {
        is_refused_everywhere(&flows, candidate).await;
    }
    // Trying them did no harm, and what was sent is what opens.
    assert!(flows.is_active(&sent.access_token).await);
    assert!(flows.is_active(&sent.own_token).await);
    assert_eq!(flows.refresh(&sent.refresh_token).await.status, 200);
    assert_eq!(flows.redeem(&sent.unused_code).await.status, 200);
}

async fn is_refused_everywhere(flows: &Flows, candidate: &str) {
    assert!(!flows.is_active(candidate).await, "{candidate}");
    assert_eq!(flows.redeem(candidate).await.error(), (400, "invalid_grant"), "{candidate}");
    assert_eq!(flows.refresh(candidate).await.error(), (400, "invalid_grant"), "{candidate}");
    let params = [("grant_type", "client_credentials"), ("client_id", CLIENT.0), ("client_secret", candidate)];
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
    let request = Request::post("/token").header("content-type", "application/x-www-form-urlencoded");
    let response = flows.0.endpoints().call(request.body(Bytes::from(body)).unwrap()).await;
    assert_eq!(response.status(), 401, "{candidate}");
}

/// Every file of the database, and every column.
async fn dump_sqlite(folder: &Path, file: &str) -> Dump {
    let pool = SqlitePool::connect(file).await.unwrap();
    let tables = sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table'");
    let tables: Vec<String> = tables.fetch_all(&pool).await.unwrap();
    let mut texts = Vec::new();
    for table in tables {
        for row in sqlx::query(AssertSqlSafe(format!("SELECT * FROM {table}"))).fetch_all(&pool).await.unwrap() {
            texts.extend((0..row.len()).filter_map(|column| row.get_unchecked::<Option<String>, _>(column)));
        }
    }
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.iter().any(|path| path.to_str().unwrap().ends_with("-wal")), "{files:?}");
    Dump { bytes: files.iter().flat_map(|path| fs::read(path).unwrap()).collect(), texts }
}

async fn dump_postgres(url: &str, prefix: &str) -> Dump {
    let pool = PgPool::connect(url).await.unwrap();
    let tables = sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE starts_with(tablename, $1)");
    let tables: Vec<String> = tables.bind(prefix).fetch_all(&pool).await.unwrap();
    let mut texts = Vec::new();
    for table in tables {
        let rows =
            sqlx::query_scalar(AssertSqlSafe(format!("SELECT value FROM {table} t, jsonb_each_text(to_jsonb(t))")));
        let columns: Vec<Option<String>> = rows.fetch_all(&pool).await.unwrap();
        texts.extend(columns.into_iter().flatten());
    }
    Dump::of(texts)
}

async fn dump_redis(url: &str, prefix: &str) -> Dump {
    let client = redis::Client::open(url).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = redis.keys(format!("{prefix}*")).await.unwrap();
    let mut texts = Vec::new();
    for key in keys {
        let kind: String = redis::cmd("TYPE").arg(&key).query_async(&mut redis).await.unwrap();
        match kind.as_str() {
            "string" => texts.push(redis.get(&key).await.unwrap()),
            "hash" => texts.extend(redis.hgetall::<_, Vec<String>>(&key).await.unwrap()),
            "zset" => texts.extend(redis.zrange::<_, Vec<String>>(&key, 0, -1).await.unwrap()),
            other => panic!("{other}?"),
        }
        texts.push(key);
    }
    Dump::of(texts)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_sqlite_opens_anything() {
    let folder = tempfile::tempdir().unwrap();
    let file = place::sqlite(folder.path());
    nothing_opens_anything(open_sqlite(&file).await, async || dump_sqlite(folder.path(), &file).await).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a PostgreSQL: GRANTWELL_POSTGRES"]
async fn nothing_in_postgres_opens_anything() {
    let (url, prefix) = place::postgres();
    nothing_opens_anything(open_postgres(&url, &prefix).await, async || dump_postgres(&url, &prefix).await).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Redis: GRANTWELL_REDIS"]
async fn nothing_in_redis_opens_anything() {
    let (url, prefix) = place::redis();
    nothing_opens_anything(open_redis(&url, &prefix).await, async || dump_redis(&url, &prefix).await).await;
}
