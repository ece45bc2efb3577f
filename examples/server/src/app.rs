//! What every request may use, and which handler it goes to.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::HeaderMap;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{any, get, post};
use grantwell::resource::BearerCheck;
use grantwell::stores::MemoryStore;
use grantwell::{AuthorizationServer, BuildError, MAX_BODY};

use crate::config::Config;
use crate::cookie::CookieJar;
use crate::failure::Failure;
use crate::form::FormKey;
use crate::limiter::Limiter;
use crate::session::Sessions;
use crate::site::Site;
use crate::users::Users;
use crate::{api, authorize, login, logout, oauth, pages};

/// For every answer that does not say otherwise. `form-action` is missing because browsers check it along the whole
/// redirect chain: it would block the way from the login and consent pages to the client.
const HEADERS: [(HeaderName, &str); 4] = [
    (CACHE_CONTROL, "no-store"),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

pub(crate) struct App {
    pub(crate) site: Arc<Site>,
    pub(crate) server: AuthorizationServer,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) bearer: BearerCheck,
    pub(crate) sessions: Sessions,
    pub(crate) forms: FormKey,
    pub(crate) users: Users,
    pub(crate) limiter: Limiter,
    pub(crate) scopes: BTreeMap<String, String>,
    pub(crate) endpoints: Vec<(String, String)>,
}

impl App {
    pub(crate) fn new(config: Config, site: Site) -> Result<Self, BuildError> {
        let site = Arc::new(site);
        let store = oauth::store(config.clients);
        let limiter = Limiter::new();
        let server = oauth::server(&site, &store, config.resource_servers, limiter.clone())?;
        Ok(Self {
            bearer: BearerCheck::new(site.issuer.as_str(), store.clone()),
            sessions: Sessions::new(CookieJar::new(site.is_https())),
            forms: FormKey::random(),
            users: config.users,
            scopes: config.scopes,
            endpoints: oauth::endpoints(&server, &site),
            site,
            server,
            store,
            limiter,
        })
    }
}

pub(crate) fn router(app: Arc<App>) -> Router {
    let endpoints = app.server.endpoints();
    let routes = Router::new()
        .route("/authorize", any(authorize::authorize))
        .route("/consent", post(authorize::consent))
        .route("/login", get(login::form).post(login::submit))
        .route("/logout", get(logout::form).post(logout::submit))
        .route("/api/me", get(api::me))
        .route("/style.css", get(pages::style))
        .route_service("/token", endpoints.clone())
        .route_service("/revoke", endpoints.clone())
        .route_service("/introspect", endpoints);
    let routes = if app.site.base.is_empty() { routes } else { Router::new().nest(&app.site.base, routes) };
    routes
        .route(&app.site.home, get(home))
        .route_service(&app.site.metadata_path(), app.server.well_known())
        .fallback(async || Failure::NotFound)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(app.clone(), finish))
        .with_state(app)
}

async fn home(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Html<String>, Failure> {
    let session = app.sessions.current(&headers);
    let user_id = session.as_ref().map(|(_, login)| login.subject.as_str());
    pages::show(pages::Home { base: &app.site.base, issuer: &app.site.issuer, user_id, endpoints: &app.endpoints })
}

/// The longest address. A request of 4 KiB that waits for a login, escaped twice, is shorter.
const MAX_URI: usize = 32 * 1024;

fn refused(request: &Request) -> Option<Failure> {
    let length = request.uri().path_and_query().map_or(0, |address| address.as_str().len());
    if length > MAX_URI {
        return Some(Failure::UriTooLong);
    }
    (request.headers().get_all(HOST).iter().count() > 1).then_some(Failure::Host)
}

/// Makes a page of a [`Failure`], and adds the headers that every answer has.
async fn finish(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    // The query is left out: it may carry codes and tickets.
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = match refused(&request) {
        Some(failure) => failure.into_response(),
        None => next.run(request).await,
    };
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        let (title, message) = (failure.title(), failure.message());
        let page = pages::Error { base: &app.site.base, title, message, code: None };
        response = (failure.status(), pages::show(page).map_err(Failure::status)).into_response();
    }
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    tracing::debug!(%method, path, status = response.status().as_u16());
    response
}
