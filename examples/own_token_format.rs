//! A token format of one's own: an API wants to read from the token itself what it allows, or the tokens of two
//! systems must look alike. Here the claims stand in the token, with a unique id, under an HMAC.
//! Run it by `cargo run --example own_token_format`.

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use grantwell::grants::ClientCredentials;
use grantwell::issue::{Claims, TokenFormat};
use grantwell::model::{AuthMethod, Client, ClientMetadata, ClientSecret};
use grantwell::stores::MemoryStore;
use grantwell::{AuthorizationServer, Context, Digest, Introspection, Secret};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;

/// `base64url(claims).base64url(HMAC)`; the API has the same key.
#[derive(Clone, Copy)]
struct Readable {
    key: [u8; 64],
}

#[async_trait]
impl TokenFormat for Readable {
    async fn mint(&self, context: &Context, claims: &Claims<'_>) -> Result<Secret, grantwell::Error> {
        // Tokens are found by their digest, so no two may be alike: hence the id.
        let payload = json!({
            "jti": URL_SAFE_NO_PAD.encode(context.random::<16>()),
            "iss": context.config().issuer.as_str(),
            "sub": claims.approved.authorization.as_ref().map(|authorization| authorization.subject.as_str()),
            "client_id": claims.client.id().as_str(),
            "scope": claims.approved.scope.as_str(),
            "exp": claims.expires_at.as_unix(),
        });
        let payload = URL_SAFE_NO_PAD.encode(payload.to_string());
        let mac = URL_SAFE_NO_PAD.encode(self.mac(&payload).finalize().into_bytes());
        Ok(Secret::new(format!("{payload}.{mac}")))
    }
}

impl Readable {
    fn mac(&self, payload: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new(&self.key.into());
        mac.update(payload.as_bytes());
        mac
    }

    /// What an API does without asking the server; it has to look at `exp` too. Of a revocation it learns nothing.
    fn read(&self, token: &str) -> Option<Value> {
        let (payload, mac) = token.split_once('.')?;
        self.mac(payload).verify_slice(&URL_SAFE_NO_PAD.decode(mac).ok()?).ok()?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
    }
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

/// POST as the robot.
async fn post(server: &AuthorizationServer, path: &str, params: &str) -> Result<Value, Box<dyn Error>> {
    let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
    let request = request.body(Bytes::from(format!("{params}&client_id=robot&client_secret=robot-secret")))?;
    let response = server.endpoints().call(request).await;
    assert_eq!(response.status(), StatusCode::OK, "{response:?}");
    Ok(serde_json::from_slice(response.body())?)
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let (store, format) = (Arc::new(MemoryStore::new()), Readable { key: [7; 64] });
    store.insert_client(robot()?);
    let server = AuthorizationServer::builder("https://as.example", store.clone(), store)
        .grant(ClientCredentials::new())
        .endpoint(Introspection::new())
        .token_format(format)
        .build()?;

    let answer = post(&server, "/token", "grant_type=client_credentials").await?;
    let token = answer.get("access_token").and_then(Value::as_str).ok_or("no access token")?;
    let claims = format.read(token).ok_or("the token cannot be read")?;
    assert_eq!((claims.get("client_id"), claims.get("scope")), (Some(&json!("robot")), Some(&json!("build"))));
    println!("The token says {claims}.");

    let introspected = post(&server, "/introspect", &format!("token={token}")).await?;
    assert_eq!((introspected.get("active"), introspected.get("exp")), (Some(&json!(true)), claims.get("exp")));
    let again = post(&server, "/token", "grant_type=client_credentials").await?;
    assert_ne!(again.get("access_token"), answer.get("access_token"));
    println!("The server finds it in its store like any other, and makes no token twice.");

    let (payload, mac) = token.split_once('.').ok_or("no dot")?;
    let wider = URL_SAFE_NO_PAD.encode(claims.to_string().replace("build", "admin"));
    assert!(wider != payload && format.read(&format!("{wider}.{mac}")).is_none());
    println!("With the scope changed to admin, it can no longer be read.");
    Ok(())
}
