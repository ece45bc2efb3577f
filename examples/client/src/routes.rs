//! The addresses of the application and what each one does.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::failure::Failure;
use crate::pages::{self, Home, Profile};
use crate::provider::Provider;
use crate::session::{self, Sessions, User};

struct App {
    provider: Provider,
    sessions: Sessions,
}

pub(crate) fn router(provider: Provider) -> Router {
    let app = App { provider, sessions: Sessions::default() };
    Router::new()
        .route("/", get(home))
        .route("/login", get(login))
        .route("/callback", get(callback))
        .route("/profile", get(profile))
        .route("/logout", post(logout))
        .route("/style.css", get(pages::style))
        .route("/icon.svg", get(pages::icon))
        .fallback(async || Failure::NotFound)
        .layer(map_response(pages::guard))
        .with_state(Arc::new(app))
}

async fn home(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let user = app.sessions.user(session::id(&headers));
    pages::show(Home { me: user.map(|user| user.me) })
}

#[derive(Deserialize)]
struct LoginQuery {
    prompt: Option<String>,
}

async fn login(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    query: Result<Query<LoginQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(LoginQuery { prompt }) = query?;
    if !matches!(prompt.as_deref(), None | Some("consent" | "login")) {
        return Err(Failure::Invalid("The prompt is either consent or login."));
    }
    let (url, login) = app.provider.begin(prompt.as_deref()).await?;
    let id = app.sessions.add_login(session::id(&headers), login);
    Ok(([(SET_COOKIE, session::cookie(&id))], Redirect::to(url.as_str())).into_response())
}

#[derive(Deserialize)]
struct CallbackQuery {
    state: Option<String>,
    iss: Option<String>,
    code: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

async fn callback(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    query: Result<Query<CallbackQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(query) = query?;
    let id = session::id(&headers);
    // Until `state` and `iss` are known to be good, the rest is words of a stranger.
    let state = query.state.as_deref().unwrap_or_default();
    let login = app.sessions.take_login(id, state).ok_or(Failure::Invalid(
        "This login was not started in this browser, has taken too long, or is already done.",
    ))?;
    if !app.provider.is_issuer(query.iss.as_deref()).await? {
        return Err(Failure::Invalid("This answer comes from another authorization server."));
    }
    if let Some(error) = query.error {
        return Err(Failure::Refused { error, description: query.error_description });
    }
    let code = query.code.ok_or(Failure::Invalid("The answer has neither a code nor an error."))?;

    let mut tokens = app.provider.redeem(code, login.verifier).await?;
    let me = app.provider.me(&mut tokens).await?;
    tracing::info!(user_id = me.user_id, "logged in");
    let id = app.sessions.log_in(id, User { me, tokens: Arc::new(Mutex::new(tokens)) });
    Ok(([(SET_COOKIE, session::cookie(&id))], Redirect::to("/")).into_response())
}

async fn profile(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Failure> {
    let id = session::id(&headers);
    let Some(user) = app.sessions.user(id) else {
        return Ok(Redirect::to("/").into_response());
    };
    // In a task of its own: a browser that goes away must not lose us a rotated refresh token.
    let ask = {
        let app = Arc::clone(&app);
        async move { app.provider.me(&mut *user.tokens.lock().await).await }
    };
    let me = match tokio::spawn(ask).await {
        Ok(me) => me,
        Err(error) => Err(Failure::Unexpected(error.to_string())),
    };
    if matches!(me, Err(Failure::Ended)) {
        app.sessions.log_out(id);
    }
    Ok(pages::show(Profile { me: me? }))
}

async fn logout(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    // `SameSite` lets requests from other ports of localhost through.
    let from = headers.get("sec-fetch-site");
    if from.is_some_and(|site| site != "same-origin" && site != "none") {
        return StatusCode::FORBIDDEN.into_response();
    }
    app.sessions.log_out(session::id(&headers));
    ([(SET_COOKIE, session::no_cookie())], Redirect::to("/")).into_response()
}
