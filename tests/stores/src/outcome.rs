//! What a server over a database that may be away answers: something, or "not now".

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use grantwell::storage::{AuthorizationStore, Selector};
use grantwell::{Authorize, Decision};
use http::Response;
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

/// A server whose database may be away.
pub struct Host {
    flows: Flows,
    pub store: Arc<dyn AuthorizationStore>,
}

impl Host {
    pub async fn over<S: EveryStore>(store: S) -> Self {
        let store = Arc::new(store);
        Self { flows: Flows::over(&store).await, store }
    }

    /// The ticket of a consent page; or the code, where none is needed.
    pub async fn authorize(&self, subject: &str) -> Outcome<Result<String, String>> {
        match self.flows.authorize(&Flows::login(subject)).await {
            Authorize::Consent(pending) => Ok(Err(pending.ticket().to_owned())),
            Authorize::Respond(response) => approved(&response).map(Ok),
            Authorize::Login(_) => panic!("a login was asked for"),
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
