//! Slows down guessing: counts failures by who was guessed and where from. Behind the library's hook, so that one
//! limiter serves for client secrets and for passwords.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use grantwell::hooks::{Attempt, RateLimiter};
use grantwell::{Clock as _, Digest, SystemClock, Timestamp};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

/// Seconds.
const WINDOW: u32 = 60;
const MAX_WINDOWS: u64 = 100_000;

/// At most this many failures a window: at one name from one address, and from one address in all. There is no limit
/// by name alone, which would let anybody lock a user out.
const PER_NAME: u64 = 10;
const PER_ADDRESS: u64 = 100;

/// What failures are counted by.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    kind: &'static str,
    /// The digest of a name, which may be long; `None`: whatever the name.
    name: Option<Digest>,
    address: Option<IpAddr>,
}

/// Failures since a moment. It is never replaced, so it ends one window after it began.
struct Window {
    began: Timestamp,
    failures: AtomicU64,
}

/// A limiter that all its clones share.
#[derive(Clone)]
pub(crate) struct Limiter(Cache<Key, Arc<Window>>);

impl Limiter {
    pub(crate) fn new() -> Self {
        let windows = Cache::builder().max_capacity(MAX_WINDOWS).time_to_live(Duration::from_secs(WINDOW.into()));
        Self(windows.eviction_policy(EvictionPolicy::lru()).build())
    }
}

#[async_trait]
impl RateLimiter for Limiter {
    async fn check(&self, attempt: &Attempt<'_>) -> Result<(), u32> {
        let now = SystemClock.now();
        for (key, limit) in keys(attempt) {
            if let Some(window) = self.0.get(&key).filter(|own| own.failures.load(Ordering::Relaxed) >= limit) {
                let passed = u32::try_from(now.since(window.began)).unwrap_or(WINDOW);
                return Err(WINDOW.saturating_sub(passed).max(1));
            }
        }
        Ok(())
    }

    async fn failed(&self, attempt: &Attempt<'_>) {
        for (key, _) in keys(attempt) {
            let new = || Arc::new(Window { began: SystemClock.now(), failures: AtomicU64::new(0) });
            self.0.get_with(key, new).failures.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What an attempt counts for, and each one's limit; nothing for a kind of attempt that is not known here.
fn keys(attempt: &Attempt<'_>) -> Vec<(Key, u64)> {
    let (kind, name, address) = match *attempt {
        Attempt::ClientSecret { client_id, address } => ("client secret", client_id.as_str(), address),
        Attempt::Login { user_id, address } => ("login", user_id, address),
        _ => return Vec::new(),
    };
    let address = address.map(network);
    let of_name = Key { kind, name: Some(Digest::of(name)), address };
    vec![(of_name, PER_NAME), (Key { name: None, ..of_name }, PER_ADDRESS)]
}

/// A single host commands the 64 lower bits of its IPv6 addresses.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login<'a>(user_id: &'a str, address: &str) -> Attempt<'a> {
        Attempt::Login { user_id, address: Some(address.parse().unwrap()) }
    }

    async fn fail(limiter: &Limiter, attempt: Attempt<'_>, times: u64) {
        for _ in 0..times {
            assert_eq!(limiter.check(&attempt).await, Ok(()));
            limiter.failed(&attempt).await;
        }
    }

    #[tokio::test]
    async fn one_name_from_one_address() {
        let limiter = Limiter::new();
        fail(&limiter, login("a", "192.0.2.1"), PER_NAME).await;
        let wait = limiter.check(&login("a", "192.0.2.1")).await.unwrap_err();
        assert!((1..=WINDOW).contains(&wait), "{wait}");
        assert_eq!(limiter.check(&login("b", "192.0.2.1")).await, Ok(()));
        assert_eq!(limiter.check(&login("a", "192.0.2.2")).await, Ok(()));
        let secret = Attempt::ClientSecret { client_id: &"a".into(), address: Some("192.0.2.1".parse().unwrap()) };
        assert_eq!(limiter.check(&secret).await, Ok(()));
    }

    #[tokio::test]
    async fn many_names_from_one_network() {
        let limiter = Limiter::new();
        for name in 0..PER_ADDRESS / 2 {
            fail(&limiter, login(&name.to_string(), "2001:db8::1"), 2).await;
        }
        assert!(limiter.check(&login("new", "2001:db8::2")).await.is_err());
        assert_eq!(limiter.check(&login("new", "2001:db8:0:1::1")).await, Ok(()));
    }
}
