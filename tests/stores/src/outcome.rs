//! What a server over a database that may be away answers: something, or "not now".

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use grantwell::storage::{AuthorizationStore, Selector};
use grantwell::{Authorize, Decision};
use grantwell_redis::RedisStore;
use grantwell_sqlx::PostgresStore;
use http::Response;
use redis::aio::ConnectionManagerConfig;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::time::sleep;

use crate::flows::{Answer, Flows, code_in};
use crate::place::EveryStore;

/// "Not now", and nothing else.
#[derive(Debug)]
pub struct NotNow;

pub type Outcome<T> = Result<T, NotNow>;

/// A success or a "no" of a token endpoint; anything else fails the test.
#[track_caller]
fn answered(answer: Answer) -> Outcome<Answer> {
    match answer.error() {
        (503, "temporarily_unavailable") => Err(NotNow),
        (200, _) | (400, "invalid_grant") => Ok(answer),
        _ => panic!("{answer:?}"),
    }
}

/// The code in an answer of the authorization endpoint.
#[track_caller]
fn approved(response: &Response<Bytes>) -> Outcome<String> {
    let location = response.headers().get("location").map(|location| location.to_str().unwrap());
    match (response.status().as_u16(), location) {
        (503, None) => Err(NotNow),
        (303, Some(location)) if location.contains("error=temporarily_unavailable") => Err(NotNow),
        _ => Ok(code_in(response)),
    }
}

/// What the authorization endpoint answers.
#[derive(Debug)]
pub enum Authorized {
    Code(String),
    /// The ticket of a consent page.
    Consent(String),
}

impl Authorized {
    #[track_caller]
    pub fn code(self) -> String {
        let Self::Code(code) = self else { panic!("a consent was asked for") };
        code
    }

    #[track_caller]
    pub fn ticket(self) -> String {
        let Self::Consent(ticket) = self else { panic!("no consent was asked for") };
        ticket
    }
}

/// How long a pool or connection tries to reach its database.
const CONNECTING: Duration = Duration::from_secs(1);

/// How long a reply of Redis is awaited.
pub const REPLYING: Duration = Duration::from_millis(250);

/// A server whose database may be away.
#[derive(Clone)]
pub struct Host {
    flows: Flows,
    pub store: Arc<dyn AuthorizationStore>,
}

impl Host {
    pub async fn over<S: EveryStore>(store: Arc<S>) -> Self {
        Self { flows: Flows::over(&store).await, store }
    }

    /// Over a pool of that many connections.
    pub async fn over_postgres(url: &str, prefix: &str, connections: u32) -> Self {
        // Each statement is prepared each time, so that the same requests are made every time.
        let options: PgConnectOptions = url.parse().unwrap();
        let options = options.statement_cache_capacity(0);
        let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(CONNECTING);
        let pool = pool.test_before_acquire(false).connect_with(options).await.unwrap();
        let store = PostgresStore::with_prefix(pool, prefix).unwrap();
        store.migrate().await.unwrap();
        Self::over(Arc::new(store)).await
    }

    pub async fn over_redis(url: &str, prefix: &str) -> Self {
        let config = ConnectionManagerConfig::new().set_number_of_retries(1).set_response_timeout(Some(REPLYING));
        let client = redis::Client::open(url).unwrap();
        let connection = client.get_connection_manager_with_config(config).await.unwrap();
        Self::over(Arc::new(RedisStore::new(connection).with_prefix(prefix))).await
    }

    pub async fn authorize(&self, subject: &str) -> Outcome<Authorized> {
        match self.flows.authorize(&Flows::login(subject)).await {
            Authorize::Consent(pending) => Ok(Authorized::Consent(pending.ticket().to_owned())),
            Authorize::Respond(response) => approved(&response).map(Authorized::Code),
            Authorize::Login(_) => panic!("a login was asked for"),
        }
    }

    /// A code that the subject approved, now or before.
    pub async fn code(&self, subject: &str) -> Outcome<String> {
        match self.authorize(subject).await? {
            Authorized::Code(code) => Ok(code),
            Authorized::Consent(ticket) => self.decide(subject, &ticket).await,
        }
    }

    pub async fn decide(&self, subject: &str, ticket: &str) -> Outcome<String> {
        approved(&self.flows.0.decide(ticket, Some(&Flows::login(subject)), Decision::APPROVE).await)
    }

    pub async fn redeem(&self, code: &str) -> Outcome<Answer> {
        answered(self.flows.redeem(code).await)
    }

    pub async fn refresh(&self, token: &str) -> Outcome<Answer> {
        answered(self.flows.refresh(token).await)
    }

    pub async fn is_active(&self, token: &str) -> Outcome<bool> {
        let answer = answered(self.flows.post("/introspect", &[("token", token)]).await)?;
        Ok(answer.json["active"].as_bool().unwrap())
    }

    pub async fn client_credentials(&self) -> Outcome<Answer> {
        answered(self.flows.client_credentials().await)
    }

    pub async fn revoke(&self, token: &str) -> Outcome<Answer> {
        answered(self.flows.revoke(token).await)
    }

    pub async fn disconnect(&self, subject: &str) -> Outcome<usize> {
        let selector = Selector::SubjectAtClient(subject.into(), "app".into());
        self.flows.0.revoke_authorizations(&selector).await.map_err(|error| {
            assert_eq!(error.status(), 503);
            NotNow
        })
    }
}

/// How often something is asked again; each connection of a pool may have been cut.
const TRIES: usize = 20;

/// Asks until there is an answer, which must be soon.
pub async fn again<T>(mut ask: impl AsyncFnMut() -> Outcome<T>) -> T {
    for _ in 0..TRIES {
        match ask().await {
            Ok(answer) => return answer,
            Err(NotNow) => sleep(Duration::from_millis(50)).await,
        }
    }
    panic!("it does not recover");
}
