//! A service with users, sessions, a database and an API, which embeds an authorization server: `oauth.rs` is all it
//! needs for that. Tower is not involved; `http1.rs` converts requests and responses.

mod api;
mod app;
mod http1;
mod login;
mod oauth;
mod pages;

use std::error::Error;
use std::net::TcpListener;
use std::time::Duration;

use actix_web::web::{Data, PayloadConfig};
use actix_web::{App as Service, HttpServer};
use embed_host::{Db, Sessions};
use grantwell::{MAX_BODY, SecretKey, SystemRandomness};

use crate::app::App;

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:0".to_owned());
    let listener = TcpListener::bind(address)?;
    let url = format!("http://{}", listener.local_addr()?);

    let db = Db::in_memory()?;
    db.batch(include_str!("oauth.sql")).await?;
    actix_web::rt::spawn(purge(db.clone()));

    // The database does not outlive the process, so neither need the key.
    let oauth = oauth::server(&url, db.clone(), SecretKey::generate(&SystemRandomness))?;
    let app = Data::new(App { sessions: Sessions::new(db.clone()), db, oauth });
    let service = move || {
        let service = Service::new().app_data(app.clone()).app_data(PayloadConfig::new(MAX_BODY));
        service.configure(login::routes).configure(api::routes).configure(oauth::routes)
    };
    let server = HttpServer::new(service).listen(listener)?.run();
    println!("{url}");
    Ok(server.await?)
}

/// Forgets what has expired, again and again.
async fn purge(db: Db) {
    let mut every_minute = actix_web::rt::time::interval(Duration::from_secs(60));
    loop {
        every_minute.tick().await;
        if let Err(error) = db.batch(include_str!("purge.sql")).await {
            eprintln!("not purged: {error}");
        }
    }
}
