//! How many statements a promise takes, and that none of them reads a whole table.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::io;
use std::sync::{Mutex, Once};

use common::*;
use grantwell::Digest;
use grantwell::model::{AuthMethod, Client, ClientMetadata, Consent};
use grantwell::storage::*;
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

/// How many statements `call` takes. PostgreSQL notes their plans in the log, too.
async fn statements(call: impl Future) -> usize {
    take_log();
    call.await;
    let log = take_log();
    assert!(!log.contains("Seq Scan"), "{log}");
    log.matches("sqlx::query: ").count()
}

/// Calls every method once and answers how many statements each took.
async fn count<S>(store: &S) -> Vec<(&'static str, usize)>
where
    S: ClientRegistry + AuthorizationCodeStore + AccessTokenStore + RefreshTokenStore + ConsentStore,
    S: AuthorizationStore + ReplayStore + PurgeStore,
{
    let metadata =
        ClientMetadata { token_endpoint_auth_method: AuthMethod::NONE, grant_types: vec![], ..Default::default() };
    let client = Client::new("app".into(), None, metadata).unwrap();
    let consent = Consent {
        issuer: "https://as.example".into(),
        subject: "alice".into(),
        client_id: "app".into(),
        redirect_uri: "https://app.example/cb".to_owned(),
        scope: "profile".parse().unwrap(),
        resources: Vec::new(),
        given_at: at(0),
    };
    let (code, first, second) = (code(1), issued(1, "first"), issued(1, "second"));
    let next = family(1, 1);
    let sessions = authorization(1).session.into_iter().collect();
    let subject_at_client = Selector::SubjectAtClient("alice".into(), "app".into());
    vec![
        ("save_client", statements(store.save_client(&client)).await),
        ("query_client", statements(store.query_client(client.id())).await),
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
        ("save_consent", statements(store.save_consent(&consent)).await),
        ("query_consent", statements(store.query_consent(&consent.subject, client.id(), &consent.redirect_uri)).await),
        ("list_authorizations", statements(store.list_authorizations(&consent.subject, at(0))).await),
        ("claim", statements(store.claim(&Digest::of("jti"), at(60))).await),
        ("revoke_token", statements(store.revoke_token(&Digest::of("first"))).await),
        ("revoke one", statements(store.revoke_authorizations(&Selector::Authorization(authorization(1).id))).await),
        ("revoke a session's", statements(store.revoke_authorizations(&Selector::Session(sessions))).await),
        ("revoke a subject's", statements(store.revoke_authorizations(&Selector::Subject("alice".into()))).await),
        ("revoke a client's", statements(store.revoke_authorizations(&Selector::Client("app".into()))).await),
        ("disconnect", statements(store.revoke_authorizations(&subject_at_client)).await),
        ("purge", statements(store.purge(at(2_000), 100)).await),
        ("delete_client", statements(store.delete_client(client.id())).await),
    ]
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
    for (call, statements) in count(&store).await {
        let expected = match call {
            "redeem_authorization_code" | "save_token" => 3,
            "save_authorization_code" | "revoke a client's" | "disconnect" | "rotate_refresh_token" => 2,
            "lost rotate_refresh_token" => 3,
            "purge" => 5,
            _ => 1,
        };
        assert_eq!(statements, expected, "{call}");
    }
}

/// The statements in the log, as they were sent.
fn sent(log: &str) -> Vec<String> {
    let texts = log.lines().filter_map(|line| line.split_once("db.statement=\"")?.1.split_once("\" rows_affected"));
    texts.map(|(text, _)| text.replace("\\n", " ")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_reads_no_whole_table() {
    let _one = ONE.lock().await;
    start_log();
    let (_folder, pool) = sqlite().await;
    let store = SqliteStore::new(pool.clone());
    store.migrate().await.unwrap();
    take_log();
    let (code, issued, next) = (code(1), issued(1, "first"), family(1, 1));
    store.query_client(&"app".into()).await.unwrap();
    store.save_authorization_code(&code).await.unwrap();
    store.query_authorization_code(&code.code).await.unwrap();
    store.redeem_authorization_code(&code.code, &issued).await.unwrap();
    store.query_token(&issued.access_token.token).await.unwrap();
    store.query_refresh_token(&next.handle).await.unwrap();
    store.rotate_refresh_token(0, &next, &for_itself("second").access_token).await.unwrap();
    store.list_authorizations(&"alice".into(), at(0)).await.unwrap();
    for selector in [
        Selector::Authorization(code.authorization.id),
        Selector::Client("app".into()),
        Selector::Subject("alice".into()),
        Selector::SubjectAtClient("alice".into(), "app".into()),
        Selector::Session(code.authorization.session.into_iter().collect()),
    ] {
        store.revoke_authorizations(&selector).await.unwrap();
    }
    store.purge(at(0), 100).await.unwrap();
    let statements: Vec<_> = sent(&take_log()).into_iter().filter(|text| text.contains("grantwell_")).collect();
    assert!(statements.len() > 20, "{statements:?}");
    for statement in statements {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(explain).fetch_all(&pool).await.unwrap();
        for (.., step) in plan {
            let is_table = step.starts_with("SCAN ") && !step.contains("CONSTANT ROW") && !step.contains("json_each");
            assert!(!is_table, "{statement}: {step}");
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
    for (call, statements) in count(&store).await {
        let expected = match call {
            "lost rotate_refresh_token" => 2,
            "purge" => 5,
            _ => 1,
        };
        assert_eq!(statements, expected, "{call}");
    }
    store.query_token(&Digest::of("first")).await.unwrap();
    assert!(take_log().contains("Index Scan"), "the plans are in the log");
}
