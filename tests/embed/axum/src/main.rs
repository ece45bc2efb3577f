//! A service with users, sessions, a database and an API, which embeds an authorization server.
//!
//! `oauth.rs` is all it needs for the authorization code and client credentials grants: five hooks. Each cargo feature
//! adds the hooks of one more trait and the part that asks for it, in a file of its name; nothing else changes.

mod api;
mod app;
#[cfg(feature = "introspection")]
mod introspection;
mod login;
mod oauth;
mod pages;
#[cfg(feature = "refresh")]
mod refresh;
#[cfg(feature = "revocation")]
mod revocation;
mod store;

use std::error::Error;
use std::time::Duration;

use axum::Router;
use embed_host::{Db, Sessions};
use grantwell::{SecretKey, SystemRandomness};
use tokio::net::TcpListener;

use crate::app::App;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:0".to_owned());
    let listener = TcpListener::bind(address).await?;
    let url = format!("http://{}", listener.local_addr()?);

    let db = Db::in_memory()?;
    db.batch(include_str!("oauth.sql")).await?;
    tokio::spawn(purge(db.clone()));

    // The database does not outlive the process, so neither need the key.
    let server = oauth::server(&url, db.clone(), SecretKey::generate(&SystemRandomness));
    #[cfg(feature = "introspection")]
    let server = introspection::add_to(server);
    #[cfg(feature = "revocation")]
    let server = revocation::add_to(server);
    #[cfg(feature = "refresh")]
    let server = refresh::add_to(server);
    let oauth = server.build()?;

    let routes = Router::new().merge(login::routes()).merge(api::routes()).merge(oauth::routes(&oauth));
    let app = App { sessions: Sessions::new(db.clone()), db, oauth };
    println!("{url}");
    axum::serve(listener, routes.with_state(app)).await?;
    Ok(())
}

/// Forgets what has expired, again and again.
async fn purge(db: Db) {
    let mut every_minute = tokio::time::interval(Duration::from_secs(60));
    loop {
        every_minute.tick().await;
        if let Err(error) = db.batch(include_str!("purge.sql")).await {
            eprintln!("not purged: {error}");
        }
    }
}
