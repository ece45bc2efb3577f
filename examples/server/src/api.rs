//! An API that the server's own tokens open.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use grantwell::resource::Requirement;
use serde::Serialize;

use crate::app::App;

/// Whose token it is.
#[derive(Serialize)]
struct Me<'a> {
    client_id: &'a str,
    /// `None`: the client acts for itself.
    user_id: Option<&'a str>,
    scope: &'a str,
}

pub(crate) async fn me(State(app): State<Arc<App>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    match app.api.check_head(&head, &Requirement::any_token()).await {
        Ok(access) => {
            let user_id = access.subject.as_ref().map(|subject| subject.as_str());
            let me = Me { client_id: access.client_id.as_str(), user_id, scope: access.scope.as_str() };
            Json(me).into_response()
        }
        Err(refused) => refused.response().map(Body::from),
    }
}
