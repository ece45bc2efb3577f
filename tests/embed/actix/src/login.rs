//! The login page.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::SET_COOKIE;
use actix_web::web::{Data, Form, Query, ServiceConfig, get, post};
use embed_host::pages::local;
use serde::Deserialize;

use crate::app::{App, Failure};
use crate::pages::{self, redirect};

#[derive(Deserialize)]
struct Next {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
struct Credentials {
    user: String,
    password: String,
    #[serde(default)]
    next: String,
}

pub(crate) fn routes(service: &mut ServiceConfig) {
    service.route("/login", get().to(page)).route("/login", post().to(log_in));
}

async fn page(query: Query<Next>) -> HttpResponse {
    pages::login(StatusCode::OK, &query.next)
}

async fn log_in(app: Data<App>, Form(form): Form<Credentials>) -> Result<HttpResponse, Failure> {
    Ok(match app.sessions.begin(form.user, form.password).await? {
        Some(cookie) => redirect(local(&form.next)).insert_header((SET_COOKIE, cookie)).finish(),
        None => pages::login(StatusCode::UNAUTHORIZED, &form.next),
    })
}
