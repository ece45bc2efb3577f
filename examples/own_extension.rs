//! An extension of one's own: every token request shall be checked once more, or the answer shall say more, whatever
//! the grant at the token endpoint. Here each client belongs to a tenant, the answer names it, and a client without one gets nothing.
//! Run it by `cargo run --example own_extension`.

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use grantwell::grants::ClientCredentials;
use grantwell::issue::{Approved, Extension, TokenRequest, TokenResponse};
use grantwell::model::{AuthMethod, Client, ClientMetadata, ClientSecret, Issued};
use grantwell::stores::MemoryStore;
use grantwell::{AuthorizationServer, Context, Digest, ErrorCode, Metadata};
use http::{Request, StatusCode};
use serde_json::{Value, json};

struct Tenant;

/// The tenant in the client's registration.
fn tenant(client: &Client) -> Result<&str, grantwell::Error> {
    let tenant = client.metadata().other.get("tenant").and_then(Value::as_str);
    tenant.ok_or(grantwell::Error::new(ErrorCode::UnauthorizedClient, "the client belongs to no tenant"))
}

#[async_trait]
impl Extension for Tenant {
    fn name(&self) -> &'static str {
        "tenant"
    }

    fn metadata(&self, metadata: &mut Metadata) {
        metadata.other.insert("tenants_supported".to_owned(), json!(true));
    }

    /// Before a token is made.
    async fn check(&self, _: &Context, request: &TokenRequest<'_>, _: &mut Approved) -> Result<(), grantwell::Error> {
        tenant(&request.client).map(drop)
    }

    /// Before it is saved.
    async fn decorate(
        &self,
        _: &Context,
        request: &TokenRequest<'_>,
        _: &Issued,
        answer: &mut TokenResponse,
    ) -> Result<(), grantwell::Error> {
        answer.extras.insert("tenant".to_owned(), json!(tenant(&request.client)?));
        Ok(())
    }
}

fn client(id: &str, tenant: Option<&str>) -> Result<Client, Box<dyn Error>> {
    let metadata = ClientMetadata {
        token_endpoint_auth_method: AuthMethod::CLIENT_SECRET_POST,
        grant_types: vec!["client_credentials".to_owned()],
        other: tenant.into_iter().map(|tenant| ("tenant".to_owned(), json!(tenant))).collect(),
        ..ClientMetadata::default()
    };
    Ok(Client::new(id.into(), Some(ClientSecret::Digest(Digest::of("secret"))), metadata)?)
}

/// The answer of the token endpoint to the client `id`.
async fn token(server: &AuthorizationServer, id: &str) -> Result<(StatusCode, Value), Box<dyn Error>> {
    let body = format!("grant_type=client_credentials&client_id={id}&client_secret=secret");
    let request = Request::post("/token").header("content-type", "application/x-www-form-urlencoded");
    let response = server.endpoints().call(request.body(Bytes::from(body))?).await;
    Ok((response.status(), serde_json::from_slice(response.body())?))
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let store = Arc::new(MemoryStore::new());
    store.insert_client(client("shop", Some("acme"))?);
    store.insert_client(client("stray", None)?);
    let server = AuthorizationServer::builder("https://as.example", store.clone(), store)
        .grant(ClientCredentials::new())
        .extension(Tenant)
        .build()?;

    let (status, answer) = token(&server, "shop").await?;
    assert_eq!((status, answer.get("tenant")), (StatusCode::OK, Some(&json!("acme"))), "{answer}");
    assert!(answer.get("access_token").is_some_and(Value::is_string));
    println!("The client `shop` got a token; the answer names its tenant, acme.");

    let (status, answer) = token(&server, "stray").await?;
    assert_eq!((status, answer.get("error")), (StatusCode::BAD_REQUEST, Some(&json!("unauthorized_client"))));
    assert!(answer.get("access_token").is_none());
    println!("The client `stray` has none and was refused: {answer}.");
    Ok(())
}
