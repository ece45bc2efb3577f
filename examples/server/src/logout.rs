//! The logout page. It ends the session; what clients were allowed stays theirs until it is revoked or expires.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};

use crate::app::App;
use crate::failure::Failure;
use crate::form::{self, Purpose};
use crate::pages::{self, Logout};

pub(crate) async fn form(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Failure> {
    let (id, cookie) = app.sessions.cookies.read_or_set(&headers);
    let csrf = Some(app.forms.token(&id, Purpose::Logout));
    Ok((cookie, pages::show(Logout { base: &app.site.base, csrf })?).into_response())
}

pub(crate) async fn submit(State(app): State<Arc<App>>, request: Request) -> Result<Response, Failure> {
    let sent = form::read(request, Purpose::Logout, &app.forms, app.sessions.cookies).await?;
    app.sessions.end(&sent.session.ok_or(Failure::Forged)?).await?;
    let page = pages::show(Logout { base: &app.site.base, csrf: None })?;
    Ok((app.sessions.cookies.clear(), page).into_response())
}
