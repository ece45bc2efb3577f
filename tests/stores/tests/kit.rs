//! The public kit against each shipped store.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
