//! The login page.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use grantwell::ClientAddress;
use grantwell::hooks::{Attempt, RateLimiter as _};
use serde::Deserialize;

use crate::app::App;
use crate::cookie::SessionId;
use crate::failure::Failure;
use crate::form::{self, Purpose, Sent};
use crate::pages::{self, Login};

#[derive(Deserialize)]
pub(crate) struct Target {
    #[serde(default)]
    next: String,
}

/// What came of an attempt to log in.
enum Outcome {
    Right,
    Wrong,
    /// Not looked at, for so many seconds.
    TooMany(u32),
}

/// Shows the page, also to a user who is logged in: the request that led here may demand a fresh login.
pub(crate) async fn form(
    State(app): State<Arc<App>>,
    target: Result<Query<Target>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let next = target.map(|Query(target)| target.next).unwrap_or_default();
    let (id, cookie) = app.sessions.cookies.read_or_set(&headers);
    let page = page(&app, &id, app.site.local_path(&next));
    Ok((cookie, pages::show(page)?).into_response())
}

fn page<'a>(app: &'a App, id: &SessionId, next: &'a str) -> Login<'a> {
    Login { base: &app.site.base, csrf: app.forms.token(id, Purpose::Login), next, user_id: "", error: None }
}

pub(crate) async fn submit(State(app): State<Arc<App>>, request: Request) -> Result<Response, Failure> {
    let address = request.extensions().get::<ClientAddress>().map(|address| address.0);
    let headers = request.headers().clone();
    let Sent { fields, session } = form::read(request, Purpose::Login, &app.forms, app.sessions.cookies).await?;
    let (Some(user_id), Some(password)) = (fields.get("user_id"), fields.get("password")) else {
        return Err(Failure::Malformed);
    };
    let next = app.site.local_path(fields.get("next").unwrap_or_default());
    let Some(id) = session else {
        // Another tab may have logged in, or another site may have sent this: it takes a page of our own.
        let (id, cookie) = app.sessions.cookies.read_or_set(&headers);
        let old = Some("This page was out of date. Please log in here.".to_owned());
        let page = pages::show(Login { user_id, error: old, ..page(&app, &id, next) })?;
        return Ok((StatusCode::FORBIDDEN, cookie, page).into_response());
    };
    let refused = |error| Login { user_id, error: Some(error), ..page(&app, &id, next) };
    match attempt(&app, user_id, password, address).await? {
        Outcome::Right => {
            let cookie = app.sessions.cookies.set(&app.sessions.begin(&id, user_id).await?);
            tracing::info!(user_id, ?address, "logged in");
            Ok((cookie, Redirect::to(next)).into_response())
        }
        Outcome::Wrong => {
            let page = refused("User ID or password is wrong.".to_owned());
            Ok((StatusCode::UNAUTHORIZED, pages::show(page)?).into_response())
        }
        Outcome::TooMany(wait) => {
            let page = refused(format!("Too many attempts. Try again in {wait} seconds."));
            Ok((StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, wait)], pages::show(page)?).into_response())
        }
    }
}

async fn attempt(app: &App, user_id: &str, password: &str, address: Option<IpAddr>) -> Result<Outcome, Failure> {
    let attempt = Attempt::Login { user_id, address };
    // The turn is held until a failure is counted, so that parallel attempts do not slip past the limit.
    let turn = app.users.turn().await.ok_or(Failure::Internal)?;
    if let Err(wait) = app.limiter.check(&attempt).await {
        return Ok(Outcome::TooMany(wait));
    }
    let (is_right, _turn) = app.users.check(turn, user_id, password.to_owned()).await;
    if is_right {
        return Ok(Outcome::Right);
    }
    app.limiter.failed(&attempt).await;
    // What was typed may be a password in the wrong field, so it is not logged.
    tracing::info!(?address, "login refused");
    Ok(Outcome::Wrong)
}
