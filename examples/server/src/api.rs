//! An API that the server's own tokens open.

use std::error::Error as _;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use grantwell::model::Scope;
use grantwell::resource::{Refused, RequiredScope};
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
    match app.bearer.check_head(&head, &RequiredScope::AllOf(Scope::empty())).await {
        Ok(access) => {
            let user_id = access.subject.as_ref().map(|subject| subject.as_str());
            let me = Me { client_id: access.client_id.as_str(), user_id, scope: access.scope.as_str() };
            Json(me).into_response()
        }
        Err(refused) => {
            if let Refused::Error { error, .. } = &refused
                && error.status().is_server_error()
            {
                tracing::error!(cause = error.source(), "a token cannot be checked");
            }
            refused.response().map(Body::from)
        }
    }
}
