//! What is due from time to time: stores forget what has expired, and signing keys are replaced.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use grantwell::storage::PurgeStore;
use grantwell::{AuthorizationServer, Clock as _, StorageError, SystemClock, Timestamp};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{MissedTickBehavior, interval, timeout};

const EVERY: Duration = Duration::from_secs(60);
/// A store may answer nobody while it purges, so it gets its work in small portions.
const BATCH: usize = 1_000;
const BATCH_WITHIN: Duration = Duration::from_secs(60);
/// In seconds: replicas' clocks differ, and what is purged too early can no longer be told from what never was.
const GRACE: u64 = 5 * 60;

/// Does it until `stop` is dropped.
pub(crate) async fn run(server: AuthorizationServer, stores: Vec<Arc<dyn PurgeStore>>, mut stop: watch::Receiver<()>) {
    tokio::select! {
        () = forever(server, stores) => {}
        _ = stop.changed() => {}
    }
}

async fn forever(server: AuthorizationServer, stores: Vec<Arc<dyn PurgeStore>>) {
    let mut timer = interval(EVERY);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        if let Some(keys) = server.signing_keys()
            && let Err(error) = keys.maintain().await
        {
            tracing::error!(%error, cause = error.source(), "the signing keys cannot be kept up to date");
        }
        for store in &stores {
            if let Err(error) = purge(&**store).await {
                tracing::error!(%error, "the store cannot be purged");
            }
        }
    }
}

async fn purge(store: &dyn PurgeStore) -> Result<(), StorageError> {
    let until = Timestamp::from_unix(SystemClock.now().as_unix().saturating_sub(GRACE));
    while timeout(BATCH_WITHIN, store.purge(until, BATCH)).await?? == BATCH {
        yield_now().await;
    }
    Ok(())
}
