//! The signing keys, looked up before anything is served.

use std::error::Error as _;
use std::path::Path;

use grantwell::AuthorizationServer;

use crate::StartError;
use crate::store::Store;

/// Sees to it that the server can sign, if need be by new keys.
pub(crate) async fn prepare(
    server: &AuthorizationServer,
    replaces: bool,
    store: &Store,
    key_file: Option<&Path>,
) -> Result<(), StartError> {
    let Some(keys) = server.signing_keys() else {
        return Ok(());
    };
    if replaces {
        keys.replace().await.map_err(|error| of_store(&error, store))?;
    }
    keys.published().await.map(drop).map_err(|error| failed(&error, store, key_file))
}

/// A key that cannot be opened has no further cause, unlike a store that does not answer.
fn failed(error: &grantwell::Error, store: &Store, key_file: Option<&Path>) -> StartError {
    match error.source() {
        None => StartError::SigningKeys(key_file.unwrap_or(Path::new("")).to_owned()),
        Some(_) => of_store(error, store),
    }
}

fn of_store(error: &grantwell::Error, store: &Store) -> StartError {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    StartError::Store { store: store.clone(), reason: format!("{error}{cause}") }
}
