use actix_web::http::StatusCode;
use actix_web::http::header::{ContentType, LOCATION};
use actix_web::{HttpResponse, HttpResponseBuilder};
use embed_host::pages;
use grantwell::PendingConsent;

pub(crate) use embed_host::pages::login_url;

pub(crate) fn redirect(to: &str) -> HttpResponseBuilder {
    let mut response = HttpResponse::SeeOther();
    response.insert_header((LOCATION, to));
    response
}

pub(crate) fn login(status: StatusCode, next: &str) -> HttpResponse {
    show(status, pages::login(next))
}

/// The consent page, whose form goes to `action`.
pub(crate) fn consent(action: &str, pending: &PendingConsent) -> HttpResponse {
    let client = pending.client();
    let name = client.metadata().client_name.as_deref().unwrap_or(client.id().as_str());
    let (host, scopes) = (pending.redirect_host(), pending.scopes().as_str());
    show(StatusCode::OK, pages::consent(action, name, host, scopes, pending.ticket()))
}

/// The consent page's form.
#[derive(serde::Deserialize)]
pub(crate) struct Answer {
    pub(crate) ticket: String,
    pub(crate) confirm: String,
}

fn show(status: StatusCode, page: String) -> HttpResponse {
    HttpResponse::build(status).insert_header(pages::NO_FRAMES).content_type(ContentType::html()).body(page)
}
