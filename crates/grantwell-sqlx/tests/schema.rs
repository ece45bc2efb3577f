//! The tables: made once however many start at once, where the host wants them, and never those of another version.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{code, postgres, signing_key, sqlite, unique};
use grantwell::storage::{AuthorizationCodeStore, CodeState, KeyStore};
use grantwell_sqlx::{Migration, PostgresStore, SchemaError, SqliteStore};
use sqlx::AssertSqlSafe;

/// The same tests for both kinds of stores: `$store` makes one with a prefix, `$pool` is its pool.
macro_rules! tests {
    ($module:ident, $store:ident, $open:expr, #[$attribute:meta]) => {
        mod $module {
            use super::*;

            #[tokio::test(flavor = "multi_thread")]
            #[$attribute]
            async fn migrations_run_once_however_many_start_at_once() {
                let (_folder, pool) = $open.await;
                let prefix = unique("once_");
                let store = $store::with_prefix(pool, &prefix).unwrap();
                assert!(matches!(store.check_schema().await, Err(SchemaError::Older { found: 0, known: 2 })));
                let migrate = |_| {
                    let store = store.clone();
                    tokio::spawn(async move { store.migrate().await })
                };
                for task in (0..8).map(migrate).collect::<Vec<_>>() {
                    task.await.unwrap().unwrap();
                }
                store.check_schema().await.unwrap();
            }

            #[tokio::test]
            #[$attribute]
            async fn a_later_schema_is_refused_with_a_word_on_what_to_do() {
                let (_folder, pool) = $open.await;
                let prefix = unique("later_");
                let store = $store::with_prefix(pool.clone(), &prefix).unwrap();
                store.migrate().await.unwrap();
                let update = format!("UPDATE {prefix}schema SET version = 7");
                sqlx::query(AssertSqlSafe(update)).execute(&pool).await.unwrap();
                for refused in [store.migrate().await, store.check_schema().await] {
                    let error = refused.unwrap_err();
                    assert!(matches!(error, SchemaError::Newer { found: 7, known: 2 }), "{error:?}");
                    assert!(error.to_string().contains("run the version that made them, or a later one"));
                }
            }

            #[tokio::test]
            #[$attribute]
            async fn an_earlier_schema_is_brought_up_to_date_and_keeps_its_rows() {
                let (_folder, pool) = $open.await;
                let store = $store::with_prefix(pool.clone(), &unique("earlier_")).unwrap();
                let Migration { sql, .. } = store.migrations().remove(0);
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&pool).await.unwrap();
                assert!(matches!(store.check_schema().await, Err(SchemaError::Older { found: 1, known: 2 })));
                assert!(store.save_authorization_code(&code(1)).await.unwrap());
                for _ in 0..2 {
                    store.migrate().await.unwrap();
                    store.check_schema().await.unwrap();
                }
                let kept = store.query_authorization_code(&code(1).code).await.unwrap();
                assert_eq!(kept, Some(CodeState::Active(code(1))));
                assert!(store.save_signing_key(&signing_key()).await.unwrap());
            }

            #[tokio::test]
            #[$attribute]
            async fn a_host_may_run_the_sql_itself() {
                let (_folder, pool) = $open.await;
                let store = $store::with_prefix(pool.clone(), &unique("own_")).unwrap();
                for Migration { sql, .. } in store.migrations() {
                    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&pool).await.unwrap();
                }
                store.check_schema().await.unwrap();
                assert!(store.save_authorization_code(&code(1)).await.unwrap());
                store.migrate().await.unwrap();
                assert!(!store.save_authorization_code(&code(1)).await.unwrap(), "nothing was made anew");
            }

            #[tokio::test]
            #[$attribute]
            async fn two_prefixes_are_two_stores() {
                let (_folder, pool) = $open.await;
                let stores = ["a_", "b_"].map(|name| $store::with_prefix(pool.clone(), &unique(name)).unwrap());
                for store in &stores {
                    store.migrate().await.unwrap();
                    assert!(store.save_authorization_code(&code(1)).await.unwrap());
                }
            }
        }
    };
}

tests!(on_sqlite, SqliteStore, sqlite(), #[doc = "Needs nothing."]);
tests!(
    on_postgres,
    PostgresStore,
    async { ((), postgres().await) },
    #[ignore = "needs a PostgreSQL: GRANTWELL_POSTGRES"]
);

#[tokio::test]
#[ignore = "needs a PostgreSQL: GRANTWELL_POSTGRES"]
async fn the_tables_may_be_in_a_schema() {
    let (pool, schema) = (postgres().await, unique("auth"));
    sqlx::query(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).execute(&pool).await.unwrap();
    let store = PostgresStore::with_prefix(pool.clone(), &format!("{schema}.oauth_")).unwrap();
    store.migrate().await.unwrap();
    store.check_schema().await.unwrap();
    assert!(store.save_authorization_code(&code(1)).await.unwrap());
    let count = format!("SELECT count(*) FROM {schema}.oauth_codes");
    let count: i64 = sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&pool).await.unwrap();
    assert_eq!(count, 1);
}
