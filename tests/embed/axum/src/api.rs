//! The API.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::app::{App, Failure};
use crate::oauth;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/api/me", get(me))
}

async fn me(State(app): State<App>, headers: HeaderMap) -> Result<Json<Value>, Failure> {
    let (client, user) = oauth::caller(&app, &headers).await?;
    Ok(Json(json!({ "user": user, "client": client })))
}
