//! How the server looks: one struct a template.

use std::fmt;
use std::sync::Arc;

use askama::Template;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse};
use grantwell::{ErrorPage, PlainErrorPage};

use crate::failure::Failure;
use crate::site::Site;

#[derive(Template)]
#[template(path = "home.html")]
pub(crate) struct Home<'a> {
    pub(crate) base: &'a str,
    pub(crate) issuer: &'a str,
    pub(crate) user_id: Option<&'a str>,
    pub(crate) client_command: Option<&'a str>,
    pub(crate) endpoints: &'a [(String, String)],
}

#[derive(Template)]
#[template(path = "login.html")]
pub(crate) struct Login<'a> {
    pub(crate) base: &'a str,
    pub(crate) csrf: String,
    pub(crate) next: &'a str,
    pub(crate) user_id: &'a str,
    pub(crate) error: Option<String>,
}

#[derive(Template)]
#[template(path = "consent.html")]
pub(crate) struct Consent<'a> {
    pub(crate) base: &'a str,
    pub(crate) csrf: String,
    pub(crate) ticket: &'a str,
    pub(crate) client_name: &'a str,
    pub(crate) client_uri: Option<&'a str>,
    pub(crate) user_id: &'a str,
    /// Names, and what they mean as far as the configuration says so.
    pub(crate) scopes: Vec<(&'a str, &'a str)>,
    /// The resources it is asked for, by their URIs.
    pub(crate) resources: &'a [String],
    pub(crate) redirect_host: &'a str,
}

#[derive(Template)]
#[template(path = "logout.html")]
pub(crate) struct Logout<'a> {
    pub(crate) base: &'a str,
    /// `None`: it is done.
    pub(crate) csrf: Option<String>,
}

#[derive(Template)]
#[template(path = "error.html")]
pub(crate) struct Error<'a> {
    pub(crate) base: &'a str,
    pub(crate) title: &'a str,
    pub(crate) message: &'a str,
    pub(crate) code: Option<&'a str>,
}

pub(crate) fn show(page: impl Template) -> Result<Html<String>, Failure> {
    page.render().map(Html).map_err(|error| {
        tracing::error!(%error, "a page cannot be shown");
        Failure::Internal
    })
}

pub(crate) async fn style() -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "text/css"), (CACHE_CONTROL, "public, max-age=3600")];
    (headers, include_str!("../assets/style.css"))
}

/// The library's errors at the authorization endpoint, on a page that looks like the others.
pub(crate) struct ProtocolErrors(pub(crate) Arc<Site>);

impl ErrorPage for ProtocolErrors {
    fn render(&self, error: &grantwell::Error) -> String {
        let page = Error {
            base: &self.0.base,
            title: "This request cannot be completed",
            message: &error.description(),
            code: Some(error.code().as_str()),
        };
        page.render().unwrap_or_else(|_| PlainErrorPage.render(error))
    }
}

impl fmt::Debug for ProtocolErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProtocolErrors")
    }
}
