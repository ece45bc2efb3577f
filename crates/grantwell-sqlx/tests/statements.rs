//! How many statements a promise takes, and that none of them reads a whole table.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::io;
use std::sync::{Mutex, Once};

use common::*;
use grantwell::model::{AuthMethod, Authorization, Client, ClientMetadata, Consent};
use grantwell::storage::testing::EveryStore;
use grantwell::storage::*;
use grantwell::{Digest, StorageError};
use grantwell_sqlx::{PostgresStore, SqliteStore, sqlite_options};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;

/// What sqlx logs: each statement, and PostgreSQL's notices.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// The log is everybody's, so one test runs at a time.
static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn start_log() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
            .with_ansi(false)
            .with_writer(|| Log)
            .init()
    });
}

fn take_log() -> String {
    String::from_utf8(std::mem::take(&mut *LOG.lock().unwrap())).unwrap()
}

/// What a call sends. PostgreSQL notes the plans in the log, too.
async fn statements<T>(call: impl Future<Output = Result<T, StorageError>>) -> Vec<String> {
    take_log();
    call.await.unwrap();
    let log = take_log();
    assert!(!log.contains("Seq Scan"), "{log}");
    sent(&log)
}

/// The statements in the log. sqlx leaves out the text of one that its summary shows whole.
fn sent(log: &str) -> Vec<String> {
    let queries = log.lines().filter(|line| line.contains("sqlx::query: "));
    let part = |line: &str, start: &str, end: &str| {
        let text = line.split_once(start).unwrap().1.split_once(end).unwrap().0;
        text.replace("\\n", " ").trim().to_owned()
    };
    let text = |line| match part(line, "db.statement=\"", "\" rows_affected") {
        text if text.is_empty() => part(line, "summary=\"", "\" db.statement"),
        text => text,
    };
    queries.map(text).collect()
}

/// The name of a call, and what it sends.
type Sent = (&'static str, Vec<String>);

/// Calls every method once.
async fn every_call<S: EveryStore + PurgeStore>(store: &S) -> Vec<Sent> {
    let metadata =
        ClientMetadata { token_endpoint_auth_method: AuthMethod::NONE, grant_types: vec![], ..Default::default() };
    let client = Client::new("app".into(), None, metadata).unwrap();
    let mut calls = vec![
        ("save_client", statements(store.save_client(&client)).await),
        ("query_client", statements(store.query_client(client.id())).await),
    ];
    calls.extend(issuing(store).await);
    calls.extend(signing(store).await);
    calls.extend(consenting(store).await);
    calls.extend(revoking(store).await);
    calls.push(("purge", statements(store.purge(at(2_000), 100)).await));
    calls.push(("delete_client", statements(store.delete_client(client.id())).await));
    calls
}

async fn issuing(store: &impl EveryStore) -> Vec<Sent> {
    let (code, first, second) = (code(1), issued(1, "first"), issued(1, "second"));
    let next = family(1, 1);
    vec![
        ("save_authorization_code", statements(store.save_authorization_code(&code)).await),
        ("query_authorization_code", statements(store.query_authorization_code(&code.code)).await),
        ("redeem_authorization_code", statements(store.redeem_authorization_code(&code.code, &first)).await),
        ("delete_authorization_code", statements(store.delete_authorization_code(&code.code)).await),
        ("query_token", statements(store.query_token(&Digest::of("first"))).await),
        ("save_token", statements(store.save_token(&issued(2, "third"))).await),
        ("save_token for itself", statements(store.save_token(&for_itself("fourth"))).await),
        ("query_refresh_token", statements(store.query_refresh_token(&next.handle)).await),
        ("rotate_refresh_token", statements(store.rotate_refresh_token(0, &next, &second.access_token)).await),
        ("lost rotate_refresh_token", statements(store.rotate_refresh_token(0, &next, &second.access_token)).await),
        ("claim", statements(store.claim(&Digest::of("jti"), at(60))).await),
    ]
}

async fn signing(store: &impl EveryStore) -> Vec<Sent> {
    let key = signing_key();
    vec![
        ("save_signing_key", statements(store.save_signing_key(&key)).await),
        ("lost save_signing_key", statements(store.save_signing_key(&key)).await),
        ("query_signing_keys", statements(store.query_signing_keys(&key.issuer)).await),
        ("delete_signing_key", statements(store.delete_signing_key(&key)).await),
    ]
}

async fn consenting(store: &impl EveryStore) -> Vec<Sent> {
    let consent = Consent {
        issuer: "https://as.example".into(),
        subject: "alice".into(),
        client_id: "app".into(),
        redirect_uri: "https://app.example/cb".to_owned(),
        scope: "profile".parse().unwrap(),
        resources: Vec::new(),
        given_at: at(0),
    };
    let Consent { subject, client_id, redirect_uri, .. } = &consent;
    vec![
        ("save_consent", statements(store.save_consent(&consent)).await),
        ("query_consent", statements(store.query_consent(subject, client_id, redirect_uri)).await),
        ("list_authorizations", statements(store.list_authorizations(subject, at(0))).await),
    ]
}

async fn revoking(store: &impl EveryStore) -> Vec<Sent> {
    let Authorization { id, session, .. } = authorization(1);
    let mut calls = vec![("revoke_token", statements(store.revoke_token(&Digest::of("first"))).await)];
    for (name, selector) in [
        ("revoke one", Selector::Authorization(id)),
        ("revoke a session's", Selector::Session(session.into_iter().collect())),
        ("revoke a subject's", Selector::Subject("alice".into())),
        ("revoke a client's", Selector::Client("app".into())),
        ("disconnect", Selector::SubjectAtClient("alice".into(), "app".into())),
    ] {
        calls.push((name, statements(store.revoke_authorizations(&selector)).await));
    }
    calls
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_needs_one_statement_to_read_and_a_transaction_of_three_to_issue() {
    let _one = ONE.lock().await;
    start_log();
    let folder = tempfile::tempdir().unwrap();
    let options = SqlitePoolOptions::new().max_connections(1);
    let pool = options.connect_with(sqlite_options(folder.path().join("state.db"))).await.unwrap();
    let store = SqliteStore::new(pool);
    store.migrate().await.unwrap();
    for (call, statements) in every_call(&store).await {
        let expected = match call {
            "redeem_authorization_code" | "save_token" => 3,
            "save_authorization_code" | "revoke a client's" | "disconnect" | "rotate_refresh_token" => 2,
            "lost rotate_refresh_token" => 3,
            "purge" => 5,
            _ => 1,
        };
        assert_eq!(statements.len(), expected, "{call}: {statements:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_reads_no_whole_table() {
    let _one = ONE.lock().await;
    start_log();
    let (_folder, pool) = sqlite().await;
    let store = SqliteStore::new(pool.clone());
    store.migrate().await.unwrap();
    for (call, statements) in every_call(&store).await {
        assert!(!statements.is_empty(), "{call}");
        for statement in statements {
            let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
            let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(explain).fetch_all(&pool).await.unwrap();
            for (.., step) in plan {
                let is_table =
                    step.starts_with("SCAN ") && !step.contains("CONSTANT ROW") && !step.contains("json_each");
                assert!(!is_table, "{call}: {statement}: {step}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a PostgreSQL: GRANTWELL_POSTGRES"]
async fn postgres_needs_one_statement_and_none_reads_a_whole_table() {
    let _one = ONE.lock().await;
    start_log();
    // The tables are small, so a whole one is read only where there is no other way.
    let explain = "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_level = 'notice';
        SET enable_seqscan = off";
    let options = PgPoolOptions::new().max_connections(1).after_connect(move |connection, _| {
        Box::pin(async move { sqlx::raw_sql(explain).execute(connection).await.map(drop) })
    });
    let pool = options.connect(&postgres_url()).await.unwrap();
    let store = PostgresStore::with_prefix(pool, &unique("plans_")).unwrap();
    store.migrate().await.unwrap();
    for (call, statements) in every_call(&store).await {
        let expected = match call {
            "lost rotate_refresh_token" => 2,
            "purge" => 5,
            _ => 1,
        };
        assert_eq!(statements.len(), expected, "{call}: {statements:?}");
    }
    store.query_token(&Digest::of("first")).await.unwrap();
    assert!(take_log().contains("Index Scan"), "the plans are in the log");
}
