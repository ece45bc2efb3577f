//! The login page.

use axum::Router;
use axum::extract::{Form, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::get;
use embed_host::pages;
use serde::Deserialize;

use crate::app::{App, Failure};

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

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/login", get(page).post(log_in))
}

async fn page(Query(Next { next }): Query<Next>) -> Response {
    ([pages::NO_FRAMES], Html(pages::login(&next))).into_response()
}

async fn log_in(State(app): State<App>, Form(form): Form<Credentials>) -> Result<Response, Failure> {
    Ok(match app.sessions.begin(form.user, form.password).await? {
        Some(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to(pages::local(&form.next))).into_response(),
        None => (StatusCode::UNAUTHORIZED, [pages::NO_FRAMES], Html(pages::login(&form.next))).into_response(),
    })
}
