use axum::response::{Html, IntoResponse as _, Response};
use embed_host::pages;
use grantwell::PendingConsent;

pub(crate) use embed_host::pages::login_url;

/// The consent page, whose form goes to `action`.
pub(crate) fn consent(action: &str, pending: &PendingConsent) -> Response {
    let client = pending.client();
    let name = client.metadata().client_name.as_deref().unwrap_or(client.id().as_str());
    let (host, scopes) = (pending.redirect_host(), pending.scopes().as_str());
    ([pages::NO_FRAMES], Html(pages::consent(action, name, host, scopes, pending.ticket()))).into_response()
}

/// The consent page's form.
#[derive(serde::Deserialize)]
pub(crate) struct Answer {
    pub(crate) ticket: String,
    pub(crate) confirm: String,
}
