//! A client authentication of one's own: clients prove who they are otherwise than by a secret that they send. Here
//! they sign each request with a key that never travels: `x-signature: <client_id> <time> <HMAC>`.
//! Run it by `cargo run --example own_client_authentication`.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use grantwell::client_auth::{ClientAuthentication, Credentials, Unauthenticated};
use grantwell::grants::ClientCredentials;
use grantwell::model::{AuthMethod, Client, ClientId, ClientMetadata};
use grantwell::stores::MemoryStore;
use grantwell::{AuthorizationServer, Clock as _, Context, ErrorCode, Secret, SystemClock, Timestamp};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Request, StatusCode};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

const METHOD: &str = "example_signed_request";
const HEADER: &str = "x-signature";
/// Seconds by which the time of a signature may be off.
const TOLERANCE: u64 = 60;

/// The method, with the clients' keys. A host would keep them in a vault.
struct SignedRequest {
    keys: HashMap<ClientId, [u8; 64]>,
}

#[async_trait]
impl ClientAuthentication for SignedRequest {
    fn method(&self) -> AuthMethod {
        AuthMethod::new(METHOD)
    }

    /// The proof is the time and the signature.
    fn credentials(&self, request: &Unauthenticated<'_>) -> Result<Option<Credentials>, grantwell::Error> {
        let Some(header) = request.request.headers().get(HEADER) else { return Ok(None) };
        let malformed = grantwell::Error::new(ErrorCode::InvalidClient, "x-signature is not well-formed");
        let (client_id, proof) = header.to_str().unwrap_or_default().split_once(' ').ok_or(malformed)?;
        Ok(Some(Credentials { client_id: client_id.into(), proof: Some(Secret::new(proof)) }))
    }

    async fn verify(
        &self,
        context: &Context,
        request: &Unauthenticated<'_>,
        client: Option<&Client>,
        presented: &Credentials,
    ) -> Result<bool, grantwell::Error> {
        // Without a client, another key is tried: an unknown client takes as long as a wrong signature.
        let key = client.and_then(|client| self.keys.get(client.id())).unwrap_or(&[0; 64]);
        let proof = presented.proof.as_ref().map(Secret::expose).unwrap_or_default();
        let Some((time, signature)) = proof.split_once(' ') else { return Ok(false) };
        let text = signed_text(presented.client_id.as_str(), time, request.request.body());
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
        let is_signed = mac(key, &text).verify_slice(&signature).is_ok();
        let time = time.parse().map(Timestamp::from_unix).unwrap_or_default();
        let is_fresh = context.now().since(time).max(time.since(context.now())) <= TOLERANCE;
        Ok(client.is_some() && is_signed && is_fresh)
    }
}

fn signed_text(client_id: &str, time: &str, body: &[u8]) -> String {
    format!("{client_id} {time} {}", URL_SAFE_NO_PAD.encode(Sha256::digest(body)))
}

fn mac(key: &[u8; 64], text: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new(key.into());
    mac.update(text.as_bytes());
    mac
}

/// What a client sends: `body`, with the header that signs it.
fn signed(client_id: &str, key: &[u8; 64], time: Timestamp, body: &str) -> http::Result<Request<Bytes>> {
    let time = time.as_unix().to_string();
    let signature = mac(key, &signed_text(client_id, &time, body.as_bytes())).finalize().into_bytes();
    Request::post("/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .header(HEADER, format!("{client_id} {time} {}", URL_SAFE_NO_PAD.encode(signature)))
        .body(body.to_owned().into())
}

fn gate() -> Result<Client, Box<dyn Error>> {
    let metadata = ClientMetadata {
        token_endpoint_auth_method: AuthMethod::new(METHOD),
        grant_types: vec!["client_credentials".to_owned()],
        scope: "gates".parse()?,
        ..ClientMetadata::default()
    };
    Ok(Client::new("gate-7".into(), None, metadata)?)
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let (store, key) = (Arc::new(MemoryStore::new()), [7; 64]);
    store.insert_client(gate()?);
    let server = AuthorizationServer::builder("https://as.example", store.clone(), store)
        .grant(ClientCredentials::new())
        .client_authentication(SignedRequest { keys: HashMap::from([("gate-7".into(), key)]) })
        .build()?;
    let (now, body) = (SystemClock.now(), "grant_type=client_credentials");

    let response = server.endpoints().call(signed("gate-7", &key, now, body)?).await;
    assert_eq!(response.status(), StatusCode::OK, "{response:?}");
    let metadata: Value = serde_json::from_slice(server.metadata())?;
    let methods = metadata.get("token_endpoint_auth_methods_supported").ok_or("no methods")?.to_string();
    assert!(methods.contains(METHOD), "{methods}");
    println!("gate-7 signed its request and got a token; the metadata lists {methods}.");

    let mut changed = signed("gate-7", &key, now, body)?;
    *changed.body_mut() = Bytes::from("grant_type=client_credentials&scope=gates");
    let wrong = [
        ("another key", signed("gate-7", &[8; 64], now, body)?),
        ("an unknown client", signed("gate-8", &key, now, body)?),
        ("an old request", signed("gate-7", &key, Timestamp::from_unix(now.as_unix() - 3600), body)?),
        ("a changed body", changed),
    ];
    for (what, request) in wrong {
        let response = server.endpoints().call(request).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{what}");
    }
    println!("Another key, an unknown client, an old request and a changed body are refused: 401.");
    Ok(())
}
