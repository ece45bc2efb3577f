//! The checks that prove a store: every promise of the storage traits, each its own named check.
//!
//! ```
//! use std::sync::Arc;
//!
//! use grantwell::storage::testing;
//! use grantwell::stores::MemoryStore;
//!
//! #[tokio::main(worker_threads = 4)]
//! async fn main() {
//!     let store = Arc::new(MemoryStore::new());
//!     testing::every_promise(store).await.assert();
//! }
//! ```
//!
//! A store that has only some of the traits runs the groups of those:
//!
//! ```
//! # use std::sync::Arc;
//! use grantwell::storage::testing::Checks;
//! # #[tokio::main(worker_threads = 4)]
//! # async fn main() {
//! # let store = Arc::new(grantwell::stores::MemoryStore::new());
//! let report = Checks::new(store).tokens().authorization_codes().run().await;
//! println!("{report}");
//! assert!(report.failed().is_empty());
//! # }
//! ```
//!
//! * **The runtime** is tokio's with several threads and its timer; in a test, `#[tokio::test(flavor = "multi_thread",
//!   worker_threads = 4)]`. Callers that come at once show nothing on one thread. They come in eight rounds of sixteen
//!   and more; a gap of nanoseconds, in a store that never waits, may still need several runs to be seen.
//! * **The store is the kit's own.** The checks change nothing but records of their own, under names that no other run
//!   has, so that a database need not be emptied between runs. The groups about purging, however, delete all that
//!   expires, and count it.
//! * **Time** stands in the year 2100, so that nothing expires under the checks. Only
//!   [`native_expiry`](Checks::native_expiry) and [`native_expiry_of_claims`](Checks::native_expiry_of_claims) look at
//!   the system's clock.
//! * A check that panics, or does not end within a minute, has failed; the others go on.

mod access_tokens;
mod authorization_codes;
mod authorizations;
mod awkward;
mod broken;
mod checks;
mod claims;
mod clients;
mod consents;
mod native_expiry;
mod purge;
mod race;
mod redemption;
mod refresh_tokens;
mod report;
mod revocation;
mod revocation_of_tokens;
mod rotation;
mod sample;
mod signing_keys;
mod similar;
mod tokens;

use std::sync::Arc;

pub use checks::{Checks, EveryStore};
pub use report::Report;

use super::PurgeStore;

/// Every promise of every trait.
pub async fn every_promise<S: EveryStore + PurgeStore>(store: Arc<S>) -> Report {
    let purging = Checks::new(store).all_but_expiry().purge().purge_of_refresh_tokens();
    purging.purge_of_authorizations().purge_of_claims().run().await
}

/// Every promise of every trait, for a store that forgets by itself what has expired.
///
/// Some of the checks wait for that: it takes some ten seconds.
pub async fn every_promise_with_native_expiry<S: EveryStore>(store: Arc<S>) -> Report {
    Checks::new(store).all_but_expiry().native_expiry().native_expiry_of_claims().run().await
}
