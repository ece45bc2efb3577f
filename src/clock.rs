//! Time and randomness, as parameters.

use std::time::{SystemTime, UNIX_EPOCH};

use rand::Rng;
use serde::{Deserialize, Serialize};

/// A moment, in whole seconds since the Unix epoch (RFC 7519 section 2, NumericDate).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The last moment a token may name: every reader of JSON knows integers up to this one (RFC 7493 section 2.2).
    pub(crate) const END: Self = Self((1 << 53) - 1);

    /// The moment `seconds` after the Unix epoch.
    pub const fn from_unix(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since the Unix epoch.
    pub const fn as_unix(self) -> u64 {
        self.0
    }

    /// The same in the type that SQL databases have; the far end of time rather than an overflow.
    pub fn as_unix_signed(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// The moment `seconds` later; the far end of time rather than an overflow.
    pub const fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Whether it is less than `seconds` since `start`. Before `start` it is not: where the clock was put back, nobody knows.
    #[cfg(feature = "jose")]
    pub(crate) fn is_within(self, seconds: u64, start: Self) -> bool {
        (start..start.plus(seconds)).contains(&self)
    }

    /// Seconds from `earlier` to this moment; 0 if `earlier` is not earlier.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Where the server reads the time.
pub trait Clock: Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Timestamp;
}

/// The system's clock, the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the default Clock")]
    fn now(&self) -> Timestamp {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
        Timestamp(elapsed.map_or(0, |elapsed| elapsed.as_secs()))
    }
}

/// Where the server draws codes, tokens, nonces and identifiers.
pub trait Randomness: Send + Sync + 'static {
    /// Fills `bytes` with unpredictable bytes fit for cryptographic use.
    fn fill(&self, bytes: &mut [u8]);
}

/// The default: a ChaCha generator per thread, seeded and reseeded by the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    #[expect(clippy::disallowed_methods, reason = "this is the default Randomness")]
    fn fill(&self, bytes: &mut [u8]) {
        rand::rng().fill_bytes(bytes);
    }
}

/// `N` bytes drawn from `source`.
pub(crate) fn random<const N: usize>(source: &dyn Randomness) -> [u8; N] {
    let mut bytes = [0; N];
    source.fill(&mut bytes);
    bytes
}
