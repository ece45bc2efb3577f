//! `[signing]`: by which keys tokens are signed.

use std::sync::Arc;

use grantwell::grants::ClientCredentials;
use grantwell::jose::Algorithm;
use grantwell::signing::RotatingKeys;
use grantwell::stores::MemoryStore;
use grantwell::{AuthorizationServer, SecretKey, SystemRandomness};
use serde::Deserialize;
use toml::Table;

use super::ConfigError;
use super::entry;

/// Times are in seconds.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signing {
    algorithms: Vec<Algorithm>,
    #[serde(default = "ninety_days")]
    rotate_every: u64,
    #[serde(default = "one_hour")]
    publish_ahead: u64,
    #[serde(default = "one_day")]
    longest_token: u64,
}

const fn ninety_days() -> u64 {
    90 * 24 * 3600
}

const fn one_hour() -> u64 {
    3600
}

const fn one_day() -> u64 {
    24 * 3600
}

impl Signing {
    pub(super) fn parse(table: Table) -> Result<Self, ConfigError> {
        let parsed = entry::parse(table).and_then(|own: Self| own.checked());
        parsed.map_err(|error| ConfigError(format!("[signing]: {error}")))
    }

    /// Lets the library judge by itself: what it says when the whole server is built does not name this table.
    fn checked(self) -> Result<Self, String> {
        let store = Arc::new(MemoryStore::new());
        let server = AuthorizationServer::builder("https://issuer.invalid", store.clone(), store)
            .secret_keys(SecretKey::generate(&SystemRandomness), [])
            .grant(ClientCredentials::new())
            .signing_keys(self.keys());
        let Self { rotate_every, publish_ahead, longest_token, .. } = self;
        let times =
            format!("rotate_every = {rotate_every}, publish_ahead = {publish_ahead}, longest_token = {longest_token}");
        server.build().map(|_| self).map_err(|error| format!("{error} ({times})"))
    }

    pub(crate) fn keys(&self) -> RotatingKeys {
        RotatingKeys::new(self.algorithms.iter().copied())
            .every(self.rotate_every)
            .publish_ahead(self.publish_ahead)
            .longest_token(self.longest_token)
    }
}
