//! A resource policy of one's own: which resources there are, and who may have tokens for them, stands in the host's own
//! data. Here each partner has an API at an address of its own, and a client has tokens for that of its partner alone.
//! Run it by `cargo run --example own_resource_policy`.

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use grantwell::extensions::{ResourceIndicators, ResourcePolicy, ResourceRequest, ResourceTerms};
use grantwell::grants::ClientCredentials;
use grantwell::model::{AuthMethod, Client, ClientMetadata, ClientSecret};
use grantwell::stores::MemoryStore;
use grantwell::{AuthorizationServer, Digest, Introspection, StorageError};
use http::{Request, StatusCode};
use serde_json::{Value, json};

/// `https://api.example/partners/NAME` is for the clients of that partner, and reads only.
struct PartnerApis;

#[async_trait]
impl ResourcePolicy for PartnerApis {
    async fn review(&self, request: &ResourceRequest<'_>) -> Result<Option<ResourceTerms>, StorageError> {
        let partner = request.client.metadata().other.get("partner").and_then(Value::as_str);
        let named = request.resource.as_str().strip_prefix("https://api.example/partners/");
        if partner.is_none() || named != partner {
            return Ok(None);
        }
        let mut terms = ResourceTerms::new(request.resource.clone());
        terms.scope = Some("read".parse()?);
        Ok(Some(terms))
    }
}

fn client(id: &str, partner: Option<&str>) -> Result<Client, Box<dyn Error>> {
    let metadata = ClientMetadata {
        token_endpoint_auth_method: AuthMethod::CLIENT_SECRET_POST,
        grant_types: vec!["client_credentials".to_owned()],
        scope: "read write".parse()?,
        other: partner.into_iter().map(|partner| ("partner".to_owned(), json!(partner))).collect(),
        ..ClientMetadata::default()
    };
    Ok(Client::new(id.into(), Some(ClientSecret::Digest(Digest::of("secret"))), metadata)?)
}

/// POST as the client `id`.
async fn post(
    server: &AuthorizationServer,
    path: &str,
    id: &str,
    params: &str,
) -> Result<(StatusCode, Value), Box<dyn Error>> {
    let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
    let body = format!("{params}&client_id={id}&client_secret=secret");
    let response = server.endpoints().call(request.body(Bytes::from(body))?).await;
    Ok((response.status(), serde_json::from_slice(response.body())?))
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let store = Arc::new(MemoryStore::new());
    store.insert_client(client("acme-shop", Some("acme"))?);
    store.insert_client(client("stray", None)?);
    let server = AuthorizationServer::builder("https://as.example", store.clone(), store)
        .grant(ClientCredentials::new())
        .endpoint(Introspection::new())
        .extension(ResourceIndicators::new(PartnerApis))
        .build()?;
    let asking_for = |resource: &str| format!("grant_type=client_credentials&resource={resource}");

    let acme = "https://api.example/partners/acme";
    let (status, answer) = post(&server, "/token", "acme-shop", &asking_for(acme)).await?;
    assert_eq!((status, answer.get("scope")), (StatusCode::OK, Some(&json!("read"))), "{answer}");
    let token = answer.get("access_token").and_then(Value::as_str).ok_or("no access token")?;
    let (_, told) = post(&server, "/introspect", "acme-shop", &format!("token={token}")).await?;
    assert_eq!(told.get("aud"), Some(&json!([acme])));
    println!("The client of acme has a token for its API: {told}.");

    for (id, resource) in [
        ("acme-shop", "https://api.example/partners/globex"),
        ("acme-shop", "https://api.example/partners/"),
        ("acme-shop", "https://other.example/partners/acme"),
        ("stray", acme),
        ("stray", "https://api.example/partners/"),
    ] {
        let (status, answer) = post(&server, "/token", id, &asking_for(resource)).await?;
        assert_eq!((status, answer.get("error")), (StatusCode::BAD_REQUEST, Some(&json!("invalid_target"))), "{id}");
    }
    println!("For another partner's API it has none, and a client without a partner has none at all: invalid_target.");
    Ok(())
}
