//! Everything this service says in OAuth: five hooks over its tables, the server, its authorization endpoint, and the
//! check of its API's tokens.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::{Form, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use embed_host::Db;
use grantwell::grants::{self, ClientCredentials};
use grantwell::model::{AccessToken, AuthorizationCode, Client, ClientId, ClientSecret, Issued, Record as _};
use grantwell::storage::{AuthorizationCodeStore, ClientStore, CodeState, TokenStore};
use grantwell::{AuthorizationServer, Authorize, Builder, Decision, Digest, SecretKey, StorageError};

use crate::app::{App, Failure};
use crate::pages::{self, Answer};
use crate::store::Store;

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
        let mut rows = vec![("oauth_access_tokens", issued.access_token.to_row()?)];
        if let Some(authorization) = &issued.authorization {
            rows.push(("oauth_authorizations", authorization.to_row()?));
        }
        if let Some(refresh_token) = &issued.refresh_token {
            rows.push(("oauth_refresh_tokens", refresh_token.to_row()?));
        }
        self.insert(rows).await?;
        Ok(())
    }
}

#[async_trait]
impl AuthorizationCodeStore for Store {
    async fn save_authorization_code(&self, code: &AuthorizationCode) -> Result<bool, StorageError> {
        let authorization = code.authorization.to_row()?;
        self.insert(vec![("oauth_authorizations", authorization), ("oauth_codes", code.to_row()?)]).await
    }

    async fn query_authorization_code(&self, code: &Digest) -> Result<Option<CodeState>, StorageError> {
        let sql = "SELECT payload, consumed FROM oauth_standing_codes WHERE id = ?";
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
pub(crate) fn server(issuer: &str, db: Db, key: SecretKey) -> Builder<Store> {
    let store = Arc::new(Store(db));
    AuthorizationServer::builder(issuer, store.clone(), store)
        .base_url(format!("{issuer}/oauth"))
        .secret_keys(key, [])
        .grant(grants::AuthorizationCode::new())
        .grant(ClientCredentials::new())
}

/// The metadata, and everything else below `/oauth`.
pub(crate) fn routes(oauth: &AuthorizationServer) -> Router<App> {
    let metadata = Router::new().route_service("/.well-known/oauth-authorization-server", oauth.well_known());
    let own = Router::new().route("/authorize", get(authorize).post(authorize)).route("/consent", post(consent));
    metadata.nest("/oauth", own.fallback_service(oauth.endpoints()))
}

async fn authorize(State(app): State<App>, request: Request) -> Result<Response, Failure> {
    let login = app.login(request.headers()).await?;
    let request = match grantwell::buffer(request).await {
        Ok(request) => request,
        Err(refused) => return Ok(refused.map(Body::from)),
    };
    Ok(match app.oauth.authorize(&request, login.as_ref()).await {
        Authorize::Login(pending) => Redirect::to(&pages::login_url(pending.resume_url())).into_response(),
        Authorize::Consent(pending) => pages::consent("/oauth/consent", &pending),
        Authorize::Respond(response) => response.map(Body::from),
    })
}

async fn consent(State(app): State<App>, headers: HeaderMap, Form(answer): Form<Answer>) -> Result<Response, Failure> {
    let login = app.login(&headers).await?;
    let decision = if answer.confirm == "yes" { Decision::APPROVE } else { Decision::Deny };
    Ok(app.oauth.decide(&answer.ticket, login.as_ref(), decision).await.map(Body::from))
}

/// The client that presents an access token for `profile`, and the user whose it is, if any (RFC 6750).
pub(crate) async fn caller(app: &App, headers: &HeaderMap) -> Result<(ClientId, Option<String>), Failure> {
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let bearer = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let (_, token) = bearer.ok_or(Failure::Challenge(StatusCode::UNAUTHORIZED, "Bearer"))?;
    let sql = "SELECT payload, subject FROM oauth_standing_tokens WHERE id = ? AND expires_at > unixepoch()";
    let found: Option<(String, Option<String>)> = app.db.find(sql, Digest::of(token).to_string()).await?;
    let not_active = Failure::Challenge(StatusCode::UNAUTHORIZED, r#"Bearer error="invalid_token""#);
    let (payload, user) = found.ok_or(not_active)?;
    let token = AccessToken::from_row(&payload)?;
    let too_narrow = Failure::Challenge(StatusCode::FORBIDDEN, r#"Bearer error="insufficient_scope""#);
    if token.scope.contains("profile") { Ok((token.client_id, user)) } else { Err(too_narrow) }
}
