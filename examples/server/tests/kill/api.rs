//! The requests of one browser and the client behind it, not yet sent.

use std::sync::Arc;

use reqwest::{Method, RequestBuilder};

use crate::support::{AUTHORIZE, Browser, CALLBACK, CLIENT};

#[derive(Clone)]
pub struct Api(pub Arc<Browser>);

impl Api {
    /// The user is logged in and has consented before, so that the answer has a code.
    pub fn authorize(&self) -> RequestBuilder {
        self.0.request(Method::GET, AUTHORIZE)
    }

    pub fn redeem(&self, code: &str) -> RequestBuilder {
        self.post("/token", &[("grant_type", "authorization_code"), ("code", code), ("redirect_uri", CALLBACK)])
    }

    pub fn refresh(&self, refresh_token: &str) -> RequestBuilder {
        self.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)])
    }

    pub fn client_credentials(&self) -> RequestBuilder {
        self.post("/token", &[("grant_type", "client_credentials")])
    }

    pub fn introspect(&self, token: &str) -> RequestBuilder {
        self.post("/introspect", &[("token", token)])
    }

    pub fn revoke(&self, token: &str) -> RequestBuilder {
        self.post("/revoke", &[("token", token)])
    }

    fn post(&self, path: &str, form: &[(&str, &str)]) -> RequestBuilder {
        self.0.request(Method::POST, path).basic_auth(CLIENT.0, Some(CLIENT.1)).form(form)
    }
}
