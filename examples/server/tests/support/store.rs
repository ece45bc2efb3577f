//! The databases that tests are given by the environment.

use grantwell_server::Store;
use sqlx::{AssertSqlSafe, PgPool};
use url::Url;

fn given(name: &str) -> Url {
    let value = std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: it is the URL of a database to use"));
    Url::parse(&value).unwrap_or_else(|error| panic!("{name} is no URL: {error}"))
}

/// The Redis. Keys are random, so tests may share it.
pub fn redis() -> Store {
    redis_url().as_str().parse().unwrap()
}

pub fn redis_url() -> Url {
    given("GRANTWELL_REDIS")
}

/// A PostgreSQL schema of a test's own.
pub struct Schema {
    pool: PgPool,
    name: String,
}

impl Schema {
    pub async fn new() -> Self {
        let pool = PgPool::connect(given("GRANTWELL_POSTGRES").as_str()).await.unwrap();
        let name = format!("grantwell_server_{}", nanos());
        sqlx::query(AssertSqlSafe(format!("CREATE SCHEMA {name}"))).execute(&pool).await.unwrap();
        Self { pool, name }
    }

    pub fn url(&self) -> Url {
        let mut url = given("GRANTWELL_POSTGRES");
        url.query_pairs_mut().append_pair("options", &format!("-csearch_path={}", self.name));
        url
    }

    pub fn store(&self) -> Store {
        self.url().as_str().parse().unwrap()
    }

    pub async fn drop(self) {
        sqlx::query(AssertSqlSafe(format!("DROP SCHEMA {} CASCADE", self.name))).execute(&self.pool).await.unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "a name that no other run has")]
fn nanos() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos()
}
