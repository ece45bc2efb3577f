//! What the tests of every shipped store have in common: where the stores are, and a server over one of them.
#![allow(missing_docs, reason = "the names say it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "for tests")]

pub mod flows;
pub mod outcome;
pub mod place;
pub mod proxy;
