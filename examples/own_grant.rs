//! A grant of one's own: a client has something to exchange for a token that no specification knows. Here a user's
//! phone shows a one-time code, and a kiosk that is told the code may act for the user for a quarter of an hour.
//! Run it by `cargo run --example own_grant`.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use grantwell::grants::{BoundGrant, Grant, TokenGrant};
use grantwell::issue::{Approved, Commit, TokenRequest, TokenResponse};
use grantwell::model::{AuthMethod, Authorization, Client, ClientMetadata, ClientSecret, Issued, Subject};
use grantwell::resource::{Requirement, ResourceServer, StoredTokens};
use grantwell::storage::TokenStore;
use grantwell::stores::MemoryStore;
use grantwell::{Abilities, AuthorizationServer, Config, Context, Digest, Login};
use http::{Request, StatusCode};
use serde_json::{Value, json};

const ISSUER: &str = "https://as.example";
const GRANT_TYPE: &str = "urn:example:kiosk-code";
const REFUSED: &str = "the kiosk code is unknown or used";

/// The host's own table: whose phone shows which code. Like every code, it is kept as a digest.
#[derive(Clone, Default)]
struct KioskCodes(Arc<Mutex<HashMap<Digest, Subject>>>);

impl KioskCodes {
    fn table(&self) -> MutexGuard<'_, HashMap<Digest, Subject>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The grant as it is registered. It asks the store for what it needs of it.
struct KioskGrant(KioskCodes);

impl<S: TokenStore> Grant<S> for KioskGrant {
    fn bind(self, store: &Arc<S>, _: &mut Config, _: &mut Abilities) -> BoundGrant {
        let exchange = Exchange { codes: self.0, tokens: store.clone() };
        BoundGrant { token: Some(Box::new(exchange)), ..BoundGrant::default() }
    }
}

/// The grant, bound to the store.
struct Exchange {
    codes: KioskCodes,
    tokens: Arc<dyn TokenStore>,
}

#[async_trait]
impl TokenGrant for Exchange {
    fn grant_type(&self) -> &str {
        GRANT_TYPE
    }

    /// Only looks: whatever else is wrong with the request, the code stays good.
    async fn approve(&self, context: &Context, request: &TokenRequest<'_>) -> Result<Approved, grantwell::Error> {
        let code = Digest::of(request.params.require("kiosk_code")?);
        let subject = self.codes.table().get(&code).cloned().ok_or(grantwell::Error::invalid_grant(REFUSED))?;
        let scope = request.scope_within(&request.client.metadata().scope)?;
        let login = Login::without_session(subject, request.now);
        let authorization = Authorization {
            expires_at: request.now.plus(15 * 60),
            ..context.new_authorization(&request.client, &login, scope.clone(), request.now)
        };
        let commit = UseOnce { code, codes: self.codes.clone(), tokens: self.tokens.clone() };
        Ok(Approved::under(authorization, scope, Box::new(commit)))
    }
}

/// The one step that changes something.
struct UseOnce {
    code: Digest,
    codes: KioskCodes,
    tokens: Arc<dyn TokenStore>,
}

#[async_trait]
impl Commit for UseOnce {
    /// Of two requests at once, one removes the code. With a database, do both in one transaction.
    async fn commit(
        self: Box<Self>,
        _: &Context,
        issued: &mut Issued,
        _: &mut TokenResponse,
    ) -> Result<(), grantwell::Error> {
        let taken = self.codes.table().remove(&self.code);
        taken.ok_or(grantwell::Error::invalid_grant(REFUSED))?;
        Ok(self.tokens.save_token(issued).await?)
    }
}

fn kiosk() -> Result<Client, Box<dyn Error>> {
    let metadata = ClientMetadata {
        token_endpoint_auth_method: AuthMethod::CLIENT_SECRET_POST,
        grant_types: vec![GRANT_TYPE.to_owned()],
        scope: "tickets".parse()?,
        ..ClientMetadata::default()
    };
    Ok(Client::new("kiosk".into(), Some(ClientSecret::Digest(Digest::of("kiosk-secret"))), metadata)?)
}

/// Exchanges a code as the kiosk does it.
async fn exchange(server: &AuthorizationServer, code: &str) -> Result<(StatusCode, Value), Box<dyn Error>> {
    let body = format!("grant_type={GRANT_TYPE}&kiosk_code={code}&client_id=kiosk&client_secret=kiosk-secret");
    let request = Request::post("/token").header("content-type", "application/x-www-form-urlencoded");
    let response = server.endpoints().call(request.body(Bytes::from(body))?).await;
    Ok((response.status(), serde_json::from_slice(response.body())?))
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let (store, codes) = (Arc::new(MemoryStore::new()), KioskCodes::default());
    store.insert_client(kiosk()?);
    let server =
        AuthorizationServer::builder(ISSUER, store.clone(), store.clone()).grant(KioskGrant(codes.clone())).build()?;

    codes.table().insert(Digest::of("4711-0815"), "alice".into());
    let (status, answer) = exchange(&server, "4711-0815").await?;
    assert_eq!(status, StatusCode::OK, "{answer}");

    let token = answer.get("access_token").and_then(Value::as_str).ok_or("no access token")?;
    let call = Request::get("/tickets").header("authorization", format!("Bearer {token}")).body(Bytes::new())?;
    let tickets = ResourceServer::unnamed(StoredTokens::new(ISSUER, store));
    let access = tickets.check(&call, &Requirement::all_of("tickets")).await?;
    assert_eq!(access.subject, Some("alice".into()));
    assert_eq!(answer.get("expires_in"), Some(&json!(15 * 60)));
    println!("The kiosk exchanged the code for a token that acts for alice.");

    for code in ["4711-0815", "1234-5678"] {
        let (status, answer) = exchange(&server, code).await?;
        assert_eq!((status, answer.get("error")), (StatusCode::BAD_REQUEST, Some(&json!("invalid_grant"))));
    }
    println!("The same code a second time, and one that never was, are refused: invalid_grant.");
    Ok(())
}
