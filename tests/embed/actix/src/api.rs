//! The API.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, ServiceConfig, get};
use serde_json::{Value, json};

use crate::app::{App, Failure};
use crate::oauth;

pub(crate) fn routes(service: &mut ServiceConfig) {
    service.route("/api/me", get().to(me));
}

async fn me(app: Data<App>, request: HttpRequest) -> Result<Json<Value>, Failure> {
    let (client, user) = oauth::caller(&app, request.headers()).await?;
    Ok(Json(json!({ "user": user, "client": client })))
}
