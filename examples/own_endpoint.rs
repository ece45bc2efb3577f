//! An endpoint of one's own: the service offers its clients something beside tokens, under the same issuer and where
//! they look for it. Here `/whoami` says whose token it is called with; its URL stands in the metadata.
//! Run it by `cargo run --example own_endpoint`.

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use grantwell::grants::ClientCredentials;
use grantwell::model::{AuthMethod, Client, ClientMetadata, ClientSecret, Subject};
use grantwell::resource::{Requirement, ResourceServer, StoredTokens};
use grantwell::storage::AccessTokenStore;
use grantwell::stores::MemoryStore;
use grantwell::{Abilities, AuthorizationServer, Call, Digest, Endpoint, EndpointHandler, Metadata};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

/// The endpoint as it is registered. It asks the store for what it needs of it.
struct WhoAmI;

impl<S: AccessTokenStore> Endpoint<S> for WhoAmI {
    fn bind(self, store: &Arc<S>, _: &mut Abilities) -> Box<dyn EndpointHandler> {
        Box::new(Bound { tokens: store.clone() })
    }
}

/// The endpoint, bound to the store.
struct Bound<S> {
    tokens: Arc<S>,
}

#[async_trait]
impl<S: AccessTokenStore> EndpointHandler for Bound<S> {
    fn path(&self) -> &str {
        "/whoami"
    }

    fn metadata(&self, url: String, _: &[AuthMethod], metadata: &mut Metadata) {
        metadata.other.insert("whoami_endpoint".to_owned(), url.into());
    }

    async fn handle(&self, call: &Call<'_>) -> Result<Response<Bytes>, grantwell::Error> {
        if call.request().method() != Method::GET {
            return Err(grantwell::Error::method_not_allowed("GET"));
        }
        let tokens = StoredTokens::new(call.context().config().issuer.clone(), self.tokens.clone());
        Ok(match ResourceServer::unnamed(tokens).check(call.request(), &Requirement::any_token()).await {
            Ok(access) => answer(&json!({
                "client_id": access.client_id.as_str(),
                "sub": access.subject.as_ref().map(Subject::as_str),
                "scope": access.scope.as_str(),
            })),
            Err(refused) => refused.response(),
        })
    }
}

fn answer(body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    response
}

fn robot() -> Result<Client, Box<dyn Error>> {
    let metadata = ClientMetadata {
        token_endpoint_auth_method: AuthMethod::CLIENT_SECRET_POST,
        grant_types: vec!["client_credentials".to_owned()],
        scope: "build".parse()?,
        ..ClientMetadata::default()
    };
    Ok(Client::new("robot".into(), Some(ClientSecret::Digest(Digest::of("robot-secret"))), metadata)?)
}

/// A token for the robot itself.
async fn token(server: &AuthorizationServer) -> Result<String, Box<dyn Error>> {
    let body = "grant_type=client_credentials&client_id=robot&client_secret=robot-secret";
    let request = Request::post("/token").header("content-type", "application/x-www-form-urlencoded");
    let response = server.endpoints().call(request.body(Bytes::from(body))?).await;
    let answer: Value = serde_json::from_slice(response.body())?;
    Ok(answer.get("access_token").and_then(Value::as_str).ok_or("no access token")?.to_owned())
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let store = Arc::new(MemoryStore::new());
    store.insert_client(robot()?);
    let server = AuthorizationServer::builder("https://as.example", store.clone(), store)
        .grant(ClientCredentials::new())
        .endpoint(WhoAmI)
        .build()?;

    let metadata: Value = serde_json::from_slice(server.metadata())?;
    let url = metadata.get("whoami_endpoint").and_then(Value::as_str).ok_or("the endpoint is not in the metadata")?;
    assert_eq!(url, "https://as.example/whoami");
    println!("The metadata says where it is: {url}.");

    let token = token(&server).await?;
    let request = Request::get(url).header("authorization", format!("Bearer {token}")).body(Bytes::new())?;
    let response = server.endpoints().call(request).await;
    let body: Value = serde_json::from_slice(response.body())?;
    assert_eq!((response.status(), body.get("client_id")), (StatusCode::OK, Some(&json!("robot"))), "{body}");
    println!("It answered {body}.");

    let response = server.endpoints().call(Request::get(url).body(Bytes::new())?).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let response = server.endpoints().call(Request::post(url).body(Bytes::new())?).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    println!("Without a token it answers 401, to a POST 405.");
    Ok(())
}
