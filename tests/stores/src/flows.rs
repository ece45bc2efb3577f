//! A server over a store, driven as a host and its clients would.

use std::sync::Arc;

use bytes::Bytes;
use grantwell::grants::{AuthorizationCode, ClientCredentials, RefreshToken};
use grantwell::model::{AuthMethod, Client, ClientMetadata, ClientSecret};
use grantwell::storage::{ClientStore, Selector};
use grantwell::{
    AuthorizationServer, Authorize, Builder, Clock as _, Decision, Digest, Introspection, Login, Revocation, SecretKey,
    SystemClock,
};
use http::{Request, Response};
use serde_json::Value;

use crate::place::EveryStore;

pub const ISSUER: &str = "https://as.example";
const CALLBACK: &str = "https://app.example/cb";
// RFC 7636 appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// The client's identifier and secret.
pub const CLIENT: (&str, &str) = ("app", "app-secret");

/// The one client: of every grant, and allowed to introspect every token.
pub fn client() -> Client {
    let metadata = ClientMetadata {
        redirect_uris: vec![CALLBACK.parse().unwrap()],
        token_endpoint_auth_method: AuthMethod::CLIENT_SECRET_POST,
        grant_types: ["authorization_code", "refresh_token", "client_credentials"].map(str::to_owned).to_vec(),
        scope: "profile".parse().unwrap(),
        ..ClientMetadata::default()
    };
    let secret = ClientSecret::Digest(Digest::of(CLIENT.1));
    Client::new(CLIENT.0.into(), Some(secret), metadata).unwrap()
}

/// A server of every grant and endpoint.
#[derive(Clone)]
pub struct Flows(pub AuthorizationServer);

/// The status of an answer, and its JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub json: Value,
}

impl Answer {
    /// A member of a successful answer.
    #[track_caller]
    pub fn text(&self, name: &str) -> String {
        assert_eq!(self.status, 200, "{:?}", self.json);
        self.json[name].as_str().unwrap_or_else(|| panic!("no {name} in {:?}", self.json)).to_owned()
    }

    pub fn error(&self) -> (u16, &str) {
        (self.status, self.json["error"].as_str().unwrap_or_default())
    }
}

impl Flows {
    /// With the client in the same store.
    pub async fn over<S: EveryStore>(store: &Arc<S>) -> Self {
        store.save_client(&client()).await.unwrap();
        Self::with_clients(store.clone(), store)
    }

    /// With the clients elsewhere.
    pub fn with_clients<S: EveryStore>(clients: Arc<impl ClientStore>, store: &Arc<S>) -> Self {
        Self::built(AuthorizationServer::builder(ISSUER, clients, store.clone()))
    }

    fn built<S: EveryStore>(builder: Builder<S>) -> Self {
        let server = builder
            .secret_keys(SecretKey::from_bytes([7; 32]), [])
            .grant(AuthorizationCode::new())
            .grant(RefreshToken::rotating())
            .grant(ClientCredentials::new())
            .endpoint(Introspection::new().resource_server(CLIENT.0))
            .endpoint(Revocation::new())
            .remember_consent()
            .build();
        Self(server.unwrap())
    }

    pub fn login(subject: &str) -> Login {
        Login::new(subject, format!("session of {subject}"), SystemClock.now())
    }

    /// What the authorization endpoint says to the usual request.
    pub async fn authorize(&self, login: &Login) -> Authorize {
        let query = encode(&[
            ("response_type", "code"),
            ("client_id", CLIENT.0),
            ("redirect_uri", CALLBACK),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        let request = Request::get(format!("/authorize?{query}")).body(Bytes::new()).unwrap();
        self.0.authorize(&request, Some(login)).await
    }

    /// A code that the subject approved.
    pub async fn code(&self, subject: &str) -> String {
        let login = Self::login(subject);
        let response = match self.authorize(&login).await {
            Authorize::Respond(response) => response,
            Authorize::Consent(pending) => self.0.decide(pending.ticket(), Some(&login), Decision::APPROVE).await,
            Authorize::Login(_) => panic!("a login was asked for"),
        };
        code_in(&response)
    }

    pub async fn redeem(&self, code: &str) -> Answer {
        let params = [("code", code), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
        self.token("authorization_code", &params).await
    }

    pub async fn refresh(&self, refresh_token: &str) -> Answer {
        self.token("refresh_token", &[("refresh_token", refresh_token)]).await
    }

    pub async fn client_credentials(&self) -> Answer {
        self.token("client_credentials", &[]).await
    }

    async fn token(&self, grant_type: &str, params: &[(&str, &str)]) -> Answer {
        self.post("/token", &[&[("grant_type", grant_type)], params].concat()).await
    }

    pub async fn is_active(&self, token: &str) -> bool {
        let answer = self.post("/introspect", &[("token", token)]).await;
        assert_eq!(answer.status, 200, "{:?}", answer.json);
        answer.json["active"].as_bool().unwrap()
    }

    pub async fn revoke(&self, token: &str) -> Answer {
        self.post("/revoke", &[("token", token)]).await
    }

    /// Revokes by a selector; how many authorizations stood.
    pub async fn revoke_authorizations(&self, selector: &Selector) -> usize {
        self.0.revoke_authorizations(selector).await.unwrap()
    }

    /// POST as the client.
    pub async fn post(&self, path: &str, params: &[(&str, &str)]) -> Answer {
        let body = encode(&[params, &[("client_id", CLIENT.0), ("client_secret", CLIENT.1)]].concat());
        let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        let response = self.0.endpoints().call(request.body(body.into()).unwrap()).await;
        let json = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
        Answer { status: response.status().as_u16(), json }
    }
}

fn encode(params: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish()
}

/// The code that a response leads to the client with.
pub fn code_in(response: &Response<Bytes>) -> String {
    let location = response.headers().get("location").unwrap_or_else(|| panic!("no redirect: {response:?}"));
    let location = url::Url::parse(location.to_str().unwrap()).unwrap();
    let code = location.query_pairs().find(|(name, _)| name == "code").map(|(_, code)| code.into_owned());
    code.unwrap_or_else(|| panic!("no code in {location}"))
}
