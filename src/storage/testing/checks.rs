use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;

use super::broken::{Checked, ensure};
use super::report::{Outcome, Report};
use crate::storage::{
    AccessTokenStore, AuthorizationCodeStore, AuthorizationStore, ClientRegistry, ConsentStore, KeyStore,
    RefreshTokenStore, ReplayStore,
};

/// How long one check may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Checks to be run against a store, one after the other.
///
/// Each method adds a group, and asks for the traits that the group needs.
#[must_use = "`run` runs them"]
pub struct Checks<S> {
    store: Arc<S>,
    checks: Vec<Check<S>>,
}

/// A store with every trait but [`PurgeStore`](crate::storage::PurgeStore); whatever has them is one.
pub trait EveryStore:
    ClientRegistry
    + AuthorizationCodeStore
    + AccessTokenStore
    + RefreshTokenStore
    + ConsentStore
    + AuthorizationStore
    + ReplayStore
    + KeyStore
{
}

impl<S> EveryStore for S where
    S: ClientRegistry
        + AuthorizationCodeStore
        + AccessTokenStore
        + RefreshTokenStore
        + ConsentStore
        + AuthorizationStore
        + ReplayStore
        + KeyStore
{
}

impl<S: Send + Sync + 'static> Checks<S> {
    /// No check of the store yet, only of the runtime.
    pub fn new(store: Arc<S>) -> Self {
        Self { store, checks: Vec::new() }.with(checks![the_runtime_has_several_threads])
    }

    pub(super) fn with(mut self, checks: impl IntoIterator<Item = Check<S>>) -> Self {
        self.checks.extend(checks);
        self
    }

    /// Runs them, each as a task of its own.
    ///
    /// # Panics
    /// This is no tokio runtime, or one without a timer.
    pub async fn run(self) -> Report {
        let mut outcomes = Vec::new();
        for Check { name, start } in self.checks {
            let broken = match tokio::spawn(timeout(LIMIT, start(self.store.clone()))).await {
                Ok(Ok(checked)) => checked.err().map(|broken| broken.to_string()),
                Ok(Err(_)) => Some(format!("it did not end within {LIMIT:?}")),
                Err(panicked) => Some(panicked.to_string()),
            };
            outcomes.push(Outcome { check: name, broken });
        }
        Report(outcomes)
    }
}

impl<S: EveryStore> Checks<S> {
    /// All groups but those about what has expired.
    pub fn all_but_expiry(self) -> Self {
        let issuing = self.clients().tokens().authorization_codes().transactions();
        let reading = issuing.access_tokens().redemption().refresh_tokens().rotation();
        let revoking = reading.revocation().revocation_of_tokens().revoked_redemption().authorizations();
        revoking.consents().disconnection().claims().signing_keys()
    }
}

type Start<S> = dyn FnOnce(Arc<S>) -> Pin<Box<dyn Future<Output = Checked> + Send>> + Send;

/// A promise, by the name of the function that checks it.
pub(super) struct Check<S> {
    name: &'static str,
    start: Box<Start<S>>,
}

impl<S> Check<S> {
    pub(super) fn new<F>(name: &'static str, start: impl FnOnce(Arc<S>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Checked> + Send + 'static,
    {
        Self { name, start: Box::new(|store| Box::pin(start(store))) }
    }
}

/// The checks that are these functions.
macro_rules! checks {
    ($($check:ident),* $(,)?) => {
        [$($crate::storage::testing::checks::Check::new(stringify!($check), $check)),*]
    };
}
pub(super) use checks;

async fn the_runtime_has_several_threads<S>(_: Arc<S>) -> Checked {
    let workers = Handle::current().metrics().num_workers();
    ensure(
        workers > 1,
        "callers that come at once are told apart only on several threads; \
         use #[tokio::test(flavor = \"multi_thread\", worker_threads = 4)]",
    )
}
