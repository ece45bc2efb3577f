//! An API that is no authorization server. It takes the JWT access tokens (RFC 9068) of an issuer elsewhere, whose keys
//! it fetches, and tells by its metadata (RFC 9728) whose tokens those are.
//!
//! ```sh
//! cargo run --example resource_server --features jose,reqwest -- \
//!     https://as.example https://as.example/jwks https://api.example 127.0.0.1:8080
//! ```
//!
//! With `--allow-loopback` behind that, the keys may be on this machine and without TLS: try it with the bundled server.

use std::error::Error;
use std::sync::Arc;

use axum::routing::get;
use axum::{Extension, Json, Router};
use grantwell::outbound::{RemoteKeys, ReqwestClient};
use grantwell::resource::{Access, JwtTokens, Requirement, ResourceServer};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const USAGE: &str = "usage: resource_server ISSUER JWKS_URI RESOURCE LISTEN [--allow-loopback]";

/// What a token needs for what is here.
const SCOPE: &str = "profile";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (flags, arguments): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let [issuer, jwks_uri, resource, listen] = <[String; 4]>::try_from(arguments).map_err(|_| USAGE)?;
    // It asks nobody but public servers, by https, unless it is told otherwise.
    let client = match flags.as_slice() {
        [] => ReqwestClient::new()?,
        [flag] if flag == "--allow-loopback" => ReqwestClient::builder().allow_loopback().build()?,
        _ => return Err(USAGE.into()),
    };
    let keys = RemoteKeys::new(jwks_uri.parse()?, Arc::new(RemoteKeys::documents(Arc::new(client))));
    let tokens = JwtTokens::new(issuer, Arc::new(keys));
    let api = ResourceServer::new(resource.parse()?, tokens).scopes_supported(SCOPE.parse()?);

    let listener = TcpListener::bind(listen).await?;
    println!("The API {resource} listens on http://{}", listener.local_addr()?);
    axum::serve(listener, routes(&api)).await?;
    Ok(())
}

fn routes(api: &ResourceServer) -> Router {
    Router::new()
        .route("/me", get(me))
        .route_layer(api.layer(Requirement::all_of(SCOPE)))
        // Where a client that has no token is sent, and 404 for everything else.
        .fallback_service(api.well_known())
}

/// Comes this far only with a token that is good here.
async fn me(Extension(access): Extension<Access>) -> Json<Value> {
    let user_id = access.subject.as_ref().map(|subject| subject.as_str());
    Json(json!({ "client_id": access.client_id.as_str(), "user_id": user_id, "scope": access.scope.as_str() }))
}
