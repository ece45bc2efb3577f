//! Has the stores forget what has expired, from time to time.

use std::sync::Arc;
use std::time::Duration;

use grantwell::storage::PurgeStore;
use grantwell::{Clock as _, StorageError, SystemClock, Timestamp};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{MissedTickBehavior, interval, timeout};

const EVERY: Duration = Duration::from_secs(60);
/// A store may answer nobody while it purges, so it gets its work in small portions.
const BATCH: usize = 1_000;
const BATCH_WITHIN: Duration = Duration::from_secs(60);
/// In seconds: replicas' clocks differ, and what is purged too early can no longer be told from what never was.
const GRACE: u64 = 5 * 60;

/// Purges until `stop` is dropped.
pub(crate) async fn run(stores: Vec<Arc<dyn PurgeStore>>, mut stop: watch::Receiver<()>) {
    tokio::select! {
        () = forever(stores) => {}
        _ = stop.changed() => {}
    }
}

async fn forever(stores: Vec<Arc<dyn PurgeStore>>) {
    let mut timer = interval(EVERY);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
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
