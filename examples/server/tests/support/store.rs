//! The databases that tests are given by the environment.

use grantwell::{Randomness as _, SystemRandomness};
use grantwell_server::Store;
use sqlx::{AssertSqlSafe, PgPool};
use tokio::time::{Duration, Instant, sleep};
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
        let name = format!("grantwell_server_{}", random_number());
        sqlx::query(AssertSqlSafe(format!("CREATE SCHEMA {name}"))).execute(&pool).await.unwrap();
        Self { pool, name }
    }

    pub fn url(&self) -> Url {
        let mut url = given("GRANTWELL_POSTGRES");
        let mut query = url.query_pairs_mut();
        query.append_pair("options", &format!("-csearch_path={}", self.name));
        query.append_pair("application_name", &self.name);
        drop(query);
        url
    }

    /// Waits until nobody uses the URL any more: PostgreSQL finishes what a client that is gone has asked for.
    pub async fn is_left(&self) {
        let users = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1";
        let deadline = Instant::now() + Duration::from_secs(30);
        while sqlx::query_scalar::<_, i64>(users).bind(&self.name).fetch_one(&self.pool).await.unwrap() > 0 {
            assert!(Instant::now() < deadline, "{} is still in use", self.name);
            sleep(Duration::from_millis(10)).await;
        }
    }

    pub fn store(&self) -> Store {
        self.url().as_str().parse().unwrap()
    }

    pub async fn drop(self) {
        sqlx::query(AssertSqlSafe(format!("DROP SCHEMA {} CASCADE", self.name))).execute(&self.pool).await.unwrap();
    }
}

pub fn random_number() -> u64 {
    let mut bytes = [0; 8];
    SystemRandomness.fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}
