#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod authorizations;
mod claims;
mod clients;
mod codes;
mod consents;
mod index;
mod keys;
mod pointers;
mod refresh_tokens;
mod revocation;
mod script;
mod signing_keys;
mod tokens;

use std::fmt;
use std::sync::Arc;

use grantwell::{StorageError, Timestamp};
use redis::aio::ConnectionLike;
use redis::{Cmd, FromRedisValue};

use keys::Keys;
use script::Call;

/// What the store needs of a connection: that it can be shared. The async ones of the `redis` crate can
/// (`MultiplexedConnection`, `ConnectionManager`, `ClusterConnection`).
pub trait Connection: ConnectionLike + Clone + Send + Sync + 'static {}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Connection for C {}

/// Every storage trait over Redis or Valkey, except [`PurgeStore`](grantwell::storage::PurgeStore): the keys expire by
/// themselves. The crate's documentation says what that Redis must be set to.
#[derive(Clone)]
pub struct RedisStore<C> {
    connection: C,
    keys: Keys,
    clock_skew: u64,
}

impl<C> fmt::Debug for RedisStore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connection: _, keys, clock_skew } = self;
        f.debug_struct("RedisStore").field("keys", keys).field("clock_skew", clock_skew).finish_non_exhaustive()
    }
}

/// The end of the year 9999: Redis counts milliseconds in 64 bits, and Lua numbers are exact up to 2^53.
const LATEST: u64 = 253_402_300_799;

impl<C: Connection> RedisStore<C> {
    /// A store whose keys begin with `grantwell:`.
    pub fn new(connection: C) -> Self {
        Self { connection, keys: Keys::new("grantwell:".into()), clock_skew: 60 }
    }

    /// The same store with another beginning of its keys, without braces (they decide about the slots of a cluster).
    /// Stores of different prefixes know nothing of each other.
    #[must_use]
    pub fn with_prefix(self, prefix: impl Into<Arc<str>>) -> Self {
        Self { keys: Keys::new(prefix.into()), ..self }
    }

    /// The same store, whose keys expire that many seconds after what they hold has ended; by default 60. It is how
    /// far the clock of Redis may be ahead of the server's.
    #[must_use]
    pub fn clock_skew(self, seconds: u64) -> Self {
        Self { clock_skew: seconds, ..self }
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StorageError> {
        Ok(command.query_async(&mut self.connection.clone()).await?)
    }

    async fn run<T: FromRedisValue>(&self, call: Call<'_>) -> Result<T, StorageError> {
        Ok(call.run(&mut self.connection.clone()).await?)
    }

    /// The Unix second in which the key of something that ends at `at` expires.
    fn end(&self, at: Timestamp) -> u64 {
        at.plus(self.clock_skew).as_unix().clamp(1, LATEST)
    }
}
