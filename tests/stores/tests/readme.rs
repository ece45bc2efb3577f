//! What the README says about a host's own pool compiles, word for word.
#![allow(dead_code, unused_imports, clippy::unwrap_used, reason = "it is compiled, not run")]

use std::error::Error;
use std::sync::Arc;

use grantwell::grants::{AuthorizationCode, RefreshToken};
use grantwell::model::Client;
use grantwell::{AuthorizationServer, SecretKey};

fn app_client() -> Result<Client, Box<dyn Error>> {
    Ok(grantwell_store_tests::flows::client())
}

#[rustfmt::skip]
async fn on_your_pool(pool: sqlx::PgPool, key: SecretKey) -> Result<AuthorizationServer, Box<dyn Error>> {
// In the README:
use grantwell::storage::{ClientRegistry as _, PurgeStore as _};
use grantwell::{Clock as _, SystemClock};

let store = Arc::new(grantwell_sqlx::PostgresStore::new(pool));
store.migrate().await?; // makes the tables grantwell_*, or brings them up to date
let oauth = AuthorizationServer::builder("https://app.example", store.clone(), store.clone())
    .secret_keys(key, [])
    .grant(AuthorizationCode::new())
    .grant(RefreshToken::rotating())
    .remember_consent()
    .build()?;
store.save_client(&app_client()?).await?;
store.purge(SystemClock.now(), 1_000).await?; // from time to time, until it answers less than 1,000
// Until here.
Ok(oauth)
}

#[test]
fn the_readme_shows_what_is_compiled_here() {
    let (_, rest) = include_str!("readme.rs").split_once("// In the README:\n").unwrap();
    let (example, _) = rest.split_once("// Until here.\n").unwrap();
    assert!(include_str!("../../../README.md").contains(example), "the README has another example");
}
