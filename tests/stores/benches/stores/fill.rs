//! Live tokens that nobody asks for, each with an authorization of its own.

use grantwell_store_tests::place::Place;
use sqlx::{AssertSqlSafe, Connection as _};

/// Copies of a token and an authorization that are there already, under other identifiers.
const COPIES: [&str; 2] = [
    "INSERT INTO grantwell_authorizations (id, client, subject, session, expires_at, payload)
    SELECT 'filler ' || n, 'client ' || n, 'subject ' || n, 'session ' || n, expires_at + n, payload
    FROM (SELECT * FROM grantwell_authorizations LIMIT 1) AS one, SERIES",
    "INSERT INTO grantwell_access_tokens (id, authorization_id, client, expires_at, payload)
    SELECT DIGEST, 'filler ' || n, 'client ' || n, expires_at + n, payload
    FROM (SELECT * FROM grantwell_access_tokens LIMIT 1) AS one, SERIES",
];

pub(crate) async fn fill(place: &Place, tokens: u64) {
    match place {
        Place::Postgres { url, prefix } => {
            let series = format!("generate_series(1, {tokens}) AS n");
            let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
            for copy in COPIES {
                let copy =
                    copy.replace("SERIES", &series).replace("DIGEST", "md5(n::text)").replace("grantwell_", prefix);
                sqlx::query(AssertSqlSafe(copy)).execute(&mut connection).await.unwrap();
            }
            for table in ["authorizations", "access_tokens"] {
                let analyze = format!("VACUUM ANALYZE {prefix}{table}");
                sqlx::query(AssertSqlSafe(analyze)).execute(&mut connection).await.unwrap();
            }
        }
        Place::Sqlite { file } => {
            let series = format!(
                "(WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted LIMIT {tokens})
                SELECT n FROM counted)"
            );
            let mut connection = sqlx::SqliteConnection::connect(&format!("sqlite:{file}")).await.unwrap();
            for copy in COPIES {
                let copy = copy.replace("SERIES", &series).replace("DIGEST", "hex(randomblob(16))");
                sqlx::query(AssertSqlSafe(copy)).execute(&mut connection).await.unwrap();
            }
        }
        Place::Memory | Place::Redis { .. } => {}
    }
}
