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

/// How it stands with the keys of an algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The issuer has no keys at all.
    First,
    /// It has keys, but none of this algorithm.
    Added,
    /// The newest key can sign.
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
    /// Then delete these generations.
    pub(super) delete: Vec<u64>,
}

impl Rotation {
    /// `keys` are those of one configured algorithm, the newest first.
    pub(super) fn plan(self, config: &RotatingKeys, keys: &[SigningKey], standing: Standing, now: Timestamp) -> Plan {
        let published = now.plus(config.publish_ahead);
        let newest = keys.first().map_or(now, |newest| newest.signs_from);
        let has_begun = newest <= now;
        // Made by a clock that was far ahead: its time may never come.
        let is_astray = newest > published.plus(CLOCK_SKEW);
        let make = match (self, standing) {
            (Self::AtOnce, _) => {
                return Plan { make: Some(now), delete: keys.iter().map(|key| key.generation).collect() };
            }
            (_, Standing::First) => Some(now),
            (_, Standing::Added) => Some(published),
            (Self::Early, _) => (has_begun || is_astray).then_some(published),
            // Two replicas that cannot open each other's keys would go on for ever.
            (Self::Scheduled, Standing::Closed) => None,
            (Self::Scheduled, Standing::Outdated) => has_begun.then_some(published),
            (Self::Scheduled, Standing::Good) => (published >= newest.plus(config.every)).then_some(published),
        };
        Plan { make, delete: ended(config, keys, now) }
    }
}

/// The generations of an algorithm that is no longer configured, as if the newest had been replaced on schedule; another
/// replica may still sign with it.
pub(super) fn abandoned(config: &RotatingKeys, keys: &[SigningKey], now: Timestamp) -> Vec<u64> {
    let mut delete = ended(config, keys, now);
    if let Some(newest) = keys.first() {
        let replaced_at = newest.signs_until.max(newest.signs_from.plus(config.every)).plus(config.publish_ahead);
        delete.extend((now >= last_token_end(config, newest, replaced_at)).then_some(newest.generation));
    }
    delete
}

/// The generations whose last token has expired.
fn ended(config: &RotatingKeys, keys: &[SigningKey], now: Timestamp) -> Vec<u64> {
    let mut ended = Vec::new();
    let mut replaced_at = Timestamp::END;
    for key in keys {
        if replaced_at < Timestamp::END && now >= last_token_end(config, key, replaced_at) {
            ended.push(key.generation);
        }
        replaced_at = replaced_at.min(key.signs_from);
    }
    ended
}

/// When the last token of a key that was replaced at that time has expired, by everyone's clock.
fn last_token_end(config: &RotatingKeys, key: &SigningKey, replaced_at: Timestamp) -> Timestamp {
    replaced_at.plus(config.longest_token.max(key.longest_token)).plus(CLOCK_SKEW)
}
