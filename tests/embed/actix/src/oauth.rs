//! Everything this service says in OAuth: five hooks over its tables, the server, its authorization endpoint, and the
//! check of its API's tokens.

use std::sync::Arc;

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::web::{Bytes, Data, Form, ServiceConfig, get, post, route};
use actix_web::{HttpRequest, HttpResponse};
use async_trait::async_trait;
use embed_host::Db;
use grantwell::grants::{self, ClientCredentials};
use grantwell::model::{AccessToken, AuthorizationCode, Client, ClientId, ClientSecret, Issued, Record as _};
use grantwell::storage::{AuthorizationCodeStore, ClientStore, CodeState, TokenStore};
use grantwell::{AuthorizationServer, Authorize, BuildError, Decision, Digest, SecretKey, StorageError};

use crate::app::{App, Failure};
use crate::http1::{from_actix, into_actix};
use crate::pages::{self, Answer};

/// The service's database, as the authorization server uses it.
struct Store(Db);

#[async_trait]
impl ClientStore for Store {
    async fn query_client(&self, client_id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        let sql = "SELECT secret_digest, metadata FROM oauth_clients WHERE id = ?";
        let found: Option<(Option<String>, String)> = self.0.find(sql, client_id.to_string()).await?;
        let Some((secret, metadata)) = found else { return Ok(None) };
        let secret = secret.map(|digest| digest.parse().map(ClientSecret::Digest)).transpose()?;
        Ok(Some(Arc::new(Client::new(client_id.clone(), secret, serde_json::from_str(&metadata)?)?)))
    }
}

#[async_trait]
impl TokenStore for Store {
    async fn save_token(&self, issued: &Issued) -> Result<(), StorageError> {
        let user = issued.authorization.as_ref().map(|authorization| authorization.subject.to_string());
        let token = issued.access_token.to_row()?;
        let sql = "INSERT INTO oauth_access_tokens (id, user, expires_at, payload) VALUES (?, ?, ?, ?)";
        self.0.run(move |db| Ok(db.execute(sql, (token.id, user, token.expires_at, token.payload)).map(drop)?)).await
    }
}

#[async_trait]
impl AuthorizationCodeStore for Store {
    async fn save_authorization_code(&self, code: &AuthorizationCode) -> Result<bool, StorageError> {
        let (code, retain_until) = (code.to_row()?, code.retain_until.as_unix());
        let sql = "INSERT INTO oauth_codes (id, retain_until, payload) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
        self.0.run(move |db| Ok(db.execute(sql, (code.id, retain_until, code.payload))? == 1)).await
    }

    async fn query_authorization_code(&self, code: &Digest) -> Result<Option<CodeState>, StorageError> {
        let sql = "SELECT payload, consumed FROM oauth_codes WHERE id = ?";
        let found: Option<(String, bool)> = self.0.find(sql, code.to_string()).await?;
        let Some((payload, is_consumed)) = found else { return Ok(None) };
        let code = AuthorizationCode::from_row(&payload)?;
        Ok(Some(if is_consumed { CodeState::Consumed(code) } else { CodeState::Active(code) }))
    }

    async fn delete_authorization_code(&self, code: &Digest) -> Result<bool, StorageError> {
        let id = code.to_string();
        let sql = "UPDATE oauth_codes SET consumed = TRUE WHERE id = ? AND NOT consumed";
        self.0.run(move |db| Ok(db.execute(sql, [id])? == 1)).await
    }
}

/// The server with the two grants for which the five hooks are enough.
pub(crate) fn server(issuer: &str, db: Db, key: SecretKey) -> Result<AuthorizationServer, BuildError> {
    let store = Arc::new(Store(db));
    AuthorizationServer::builder(issuer, store.clone(), store)
        .secret_keys(key, [])
        .grant(grants::AuthorizationCode::new())
        .grant(ClientCredentials::new())
        .build()
}

pub(crate) fn routes(service: &mut ServiceConfig) {
    service
        .route("/.well-known/oauth-authorization-server", get().to(metadata))
        .route("/authorize", route().to(authorize))
        .route("/consent", post().to(consent))
        .route("/token", route().to(token));
}

async fn metadata(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Failure> {
    Ok(into_actix(app.oauth.well_known().call(from_actix(&request, Bytes::new())?).await))
}

async fn token(app: Data<App>, request: HttpRequest, body: Bytes) -> Result<HttpResponse, Failure> {
    Ok(into_actix(app.oauth.endpoints().call(from_actix(&request, body)?).await))
}

async fn authorize(app: Data<App>, request: HttpRequest, body: Bytes) -> Result<HttpResponse, Failure> {
    let login = app.login(request.headers()).await?;
    Ok(match app.oauth.authorize(&from_actix(&request, body)?, login.as_ref()).await {
        Authorize::Login(pending) => pages::redirect(&pages::login_url(pending.resume_url())).finish(),
        Authorize::Consent(pending) => pages::consent("/consent", &pending),
        Authorize::Respond(response) => into_actix(response),
    })
}

async fn consent(app: Data<App>, request: HttpRequest, answer: Form<Answer>) -> Result<HttpResponse, Failure> {
    let login = app.login(request.headers()).await?;
    let decision = if answer.confirm == "yes" { Decision::APPROVE } else { Decision::Deny };
    Ok(into_actix(app.oauth.decide(&answer.ticket, login.as_ref(), decision).await))
}

/// The client that presents an access token for `profile`, and the user whose it is, if any (RFC 6750).
pub(crate) async fn caller(app: &App, headers: &HeaderMap) -> Result<(ClientId, Option<String>), Failure> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let bearer = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let (_, token) = bearer.ok_or(Failure::Unauthorized("Bearer"))?;
    let sql = "SELECT payload, user FROM oauth_access_tokens WHERE id = ? AND expires_at > unixepoch()";
    let found: Option<(String, Option<String>)> = app.db.find(sql, Digest::of(token).to_string()).await?;
    let (payload, user) = found.ok_or(Failure::Unauthorized(r#"Bearer error="invalid_token""#))?;
    let token = AccessToken::from_row(&payload)?;
    let too_narrow = Failure::Forbidden(r#"Bearer error="insufficient_scope""#);
    if token.scope.contains("profile") { Ok((token.client_id, user)) } else { Err(too_narrow) }
}
