//! The authorization endpoint and the consent page: where the library's protocol and the host's session meet.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::response::{IntoResponse as _, Redirect, Response};
use grantwell::model::Scope;
use grantwell::{Authorize, Decision, Login, Params, PendingConsent, PendingLogin};
use url::form_urlencoded;

use crate::app::App;
use crate::cookie::SessionId;
use crate::failure::Failure;
use crate::form::{self, Purpose, Sent};
use crate::pages::{self, Consent};

pub(crate) async fn authorize(State(app): State<Arc<App>>, request: Request) -> Result<Response, Failure> {
    let request = form::buffer(request).await?;
    let session = app.sessions.current(request.headers()).await?;
    match app.server.authorize(&request, session.as_ref().map(|(_, login)| login)).await {
        Authorize::Respond(response) => Ok(response.map(Body::from)),
        Authorize::Login(pending) => Ok(send_to_login(&app, request.method(), &pending).into_response()),
        Authorize::Consent(pending) => show_consent(&app, &pending, session),
    }
}

fn send_to_login(app: &App, method: &Method, pending: &PendingLogin) -> Redirect {
    if method == Method::POST {
        // A client's own form comes without our cookie (`SameSite`): look again with it before asking for a password.
        return Redirect::to(pending.request_url());
    }
    let next: String = form_urlencoded::byte_serialize(pending.resume_url().as_bytes()).collect();
    Redirect::to(&format!("{}/login?next={next}", app.site.base))
}

fn show_consent(app: &App, pending: &PendingConsent, session: Option<(SessionId, Login)>) -> Result<Response, Failure> {
    // The library asks for consent only of somebody who is logged in.
    let (id, login) = session.ok_or(Failure::Internal)?;
    let client = pending.client();
    let name = client.metadata().client_name.as_deref().filter(|name| !name.trim().is_empty());
    let describe = |name| (name, app.scopes.get(name).map(String::as_str).unwrap_or_default());
    let page = Consent {
        base: &app.site.base,
        csrf: app.forms.token(&id, Purpose::Consent),
        ticket: pending.ticket(),
        client_name: name.unwrap_or(client.id().as_str()),
        client_uri: client.metadata().client_uri.as_deref(),
        user_id: login.subject.as_str(),
        scopes: pending.scopes().iter().map(describe).collect(),
        resources: pending.resources(),
        redirect_host: pending.redirect_host(),
    };
    Ok(pages::show(page)?.into_response())
}

/// The consent page's form.
pub(crate) async fn consent(State(app): State<Arc<App>>, request: Request) -> Result<Response, Failure> {
    let Sent { fields, session } = form::read(request, Purpose::Consent, &app.forms, app.sessions.cookies).await?;
    let ticket = fields.get("ticket").ok_or(Failure::Malformed)?;
    let decision = decision(&fields).ok_or(Failure::Malformed)?;
    // A page of another session or site decides nothing: without a login the library starts the request again.
    let login = match session {
        Some(id) => app.sessions.login(&id).await?,
        None => None,
    };
    Ok(app.server.decide(ticket, login.as_ref(), decision).await.map(Body::from))
}

fn decision(fields: &Params) -> Option<Decision> {
    match fields.get("confirm")? {
        "yes" => {
            let checked: Vec<&str> = fields.all("scope").collect();
            let scope: Scope = checked.join(" ").parse().ok()?;
            Some(Decision::Approve { scope: Some(scope), remember: true })
        }
        "no" => Some(Decision::Deny),
        _ => None,
    }
}
