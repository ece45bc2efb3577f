//! What changes about the keys of one algorithm, and when: rules over the stored keys and the time alone.

use super::RotatingKeys;
use crate::clock::Timestamp;
use crate::model::SigningKey;

/// Seconds by which the clocks of replicas and resource servers may differ.
const CLOCK_SKEW: u64 = 300;

/// Why keys are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rotation {
    /// By schedule.
    Scheduled,
    /// The next key is to be published now.
    Early,
    /// All keys are to be replaced now.
    AtOnce,
}

/// The newest key of an algorithm, as the vault finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Newest {
    /// It can sign.
    Good,
    /// It can sign, but should be replaced ahead of schedule.
    Outdated,
    /// It cannot be opened here: this replica lacks a secret key that another one has.
    Closed,
}

/// What is to be done about the keys of one algorithm.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Make the next generation, which signs from then on.
    pub(super) make: Option<Timestamp>,
    /// Delete these generations.
    pub(super) delete: Vec<u64>,
}

impl Rotation {
    /// `keys` are those of one configured algorithm, the newest first.
    pub(super) fn plan(self, config: &RotatingKeys, keys: &[SigningKey], state: Newest, now: Timestamp) -> Plan {
        let Some(newest) = keys.first() else { return Plan { make: Some(now), delete: Vec::new() } };
        let (has_begun, published) = (newest.signs_from <= now, now.plus(config.publish_ahead));
        let ends = newest.signs_from.plus(config.every);
        let make = match (self, state) {
            (Self::AtOnce, _) => {
                return Plan { make: Some(now), delete: keys.iter().map(|key| key.generation).collect() };
            }
            (Self::Early, _) => has_begun.then_some(published),
            // Two replicas that cannot open each other's keys would go on for ever.
            (Self::Scheduled, Newest::Closed) => None,
            (Self::Scheduled, Newest::Outdated) => has_begun.then_some(published),
            (Self::Scheduled, Newest::Good) => (published >= ends).then_some(published),
        };
        Plan { make, delete: ended(config, keys, now) }
    }
}

/// The generations of an algorithm that is no longer configured, as if the newest had been replaced on schedule.
pub(super) fn abandoned(config: &RotatingKeys, keys: &[SigningKey], now: Timestamp) -> Vec<u64> {
    let mut delete = ended(config, keys, now);
    if let Some(newest) = keys.first() {
        let replaced_at = newest.signs_from.plus(config.every).plus(config.publish_ahead);
        delete.extend((now >= last_token_end(config, replaced_at)).then_some(newest.generation));
    }
    delete
}

/// The generations whose last token has expired.
fn ended(config: &RotatingKeys, keys: &[SigningKey], now: Timestamp) -> Vec<u64> {
    let successions = keys.iter().zip(keys.iter().skip(1));
    let ended = successions.filter(|(successor, _)| now >= last_token_end(config, successor.signs_from));
    ended.map(|(_, key)| key.generation).collect()
}

/// When the last token of a key that was replaced at that time has expired, by everyone's clock.
fn last_token_end(config: &RotatingKeys, replaced_at: Timestamp) -> Timestamp {
    replaced_at.plus(config.longest_token).plus(CLOCK_SKEW)
}
