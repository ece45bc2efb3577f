//! What every request may use, and which handler it goes to.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::HeaderMap;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, REFERRER_POLICY, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{any, get, post};
use grantwell::resource::ResourceServer;
use grantwell::storage::PurgeStore;
use grantwell::stores::MemoryStore;
use grantwell::{AuthorizationServer, MAX_BODY};

use crate::config::Config;
use crate::failure::Failure;
use crate::form::FormKeys;
use crate::keys::Keys;
use crate::limiter::Limiter;
use crate::oauth::Parts;
use crate::session::Sessions;
use crate::site::Site;
use crate::state::{self, Opened};
use crate::users::Users;
use crate::{StartError, api, authorize, login, logout, oauth, pages, signing};

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
    pub(crate) api: ResourceServer,
    pub(crate) purged: Vec<Arc<dyn PurgeStore>>,
    pub(crate) sessions: Sessions,
    pub(crate) forms: FormKeys,
    pub(crate) users: Users,
    pub(crate) limiter: Limiter,
    pub(crate) scopes: BTreeMap<String, String>,
    pub(crate) endpoints: Vec<(String, String)>,
    /// The command that starts the example client, where that is registered.
    pub(crate) client_command: Option<String>,
}

/// Where the example client looks for the server by itself.
const CLIENTS_ISSUER: &str = "http://localhost:9000";

fn client_command(issuer: &str) -> String {
    let flag = if issuer == CLIENTS_ISSUER { String::new() } else { format!(" -- --issuer {issuer}") };
    format!("cargo run --release --example client{flag}")
}

impl App {
    pub(crate) async fn new(config: Config, site: Site) -> Result<Self, StartError> {
        if config.replace_signing_keys && config.signing.is_none() {
            return Err(StartError::NoSigning);
        }
        let key_file = config.key_file().map(Path::to_owned);
        let mut parts = Parts {
            registered: config.entries.under(&site.issuer)?,
            site: Arc::new(site),
            keys: Keys::ephemeral(),
            resource_servers: config.resource_servers,
            signing: config.signing,
            users: config.users,
            limiter: Limiter::new(),
        };
        // What contradicts itself is found before any file is made.
        parts.over(MemoryStore::new())?;
        if let Some(file) = &key_file {
            parts.keys = Keys::open(file)?;
        }
        let Opened { server, api, sessions, purged } = state::open(&config.store, &parts).await?;
        signing::prepare(&server, config.replace_signing_keys, &config.store, key_file.as_deref()).await?;
        let Parts { site, keys, users, limiter, .. } = parts;
        Ok(Self {
            sessions: Sessions::new(site.clone(), users.clone(), sessions),
            forms: FormKeys::new(&keys),
            scopes: config.scopes,
            endpoints: oauth::endpoints(&server, &site),
            client_command: config.is_built_in.then(|| client_command(&site.issuer)),
            site,
            server,
            api,
            purged,
            users,
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
        .route("/style.css", get(pages::style));
    let paths = oauth::paths(&app.server);
    let routes = paths.iter().fold(routes, |routes, path| routes.route_service(path, endpoints.clone()));
    let routes = if app.site.base.is_empty() { routes } else { Router::new().nest(&app.site.base, routes) };
    routes
        .route(&app.site.home, get(home))
        .route_service(&app.site.metadata_path(), app.server.well_known())
        .route_service(&app.site.api_metadata_path(), app.api.well_known())
        .fallback(async || Failure::NotFound)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(app.clone(), finish))
        .with_state(app)
}

async fn home(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Html<String>, Failure> {
    let session = app.sessions.current(&headers).await?;
    let user_id = session.as_ref().map(|(_, login)| login.subject.as_str());
    pages::show(pages::Home {
        base: &app.site.base,
        issuer: &app.site.issuer,
        user_id,
        client_command: app.client_command.as_deref(),
        endpoints: &app.endpoints,
    })
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
        if let Some(seconds) = failure.retry_after() {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
    }
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    tracing::debug!(%method, path, status = response.status().as_u16());
    response
}
