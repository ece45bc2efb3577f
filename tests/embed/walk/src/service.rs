use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use reqwest::{Response, StatusCode};
use serde_json::Value;

/// A service that runs on a free port until it is dropped.
pub struct Service {
    process: Child,
    url: String,
}

impl Service {
    /// Starts `program`, which prints its URL when it listens.
    pub fn start(program: &str) -> Self {
        let mut process = Command::new(program).arg("127.0.0.1:0").stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let url = url.trim().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "{program} did not start: {url:?}");
        Self { process, url }
    }

    /// The URL of `path` at the service.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The metadata (RFC 8414).
    pub async fn metadata(&self) -> Value {
        let response = reqwest::get(self.url("/.well-known/oauth-authorization-server")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    /// Asks the API who calls.
    pub async fn me(&self, token: &str) -> Response {
        reqwest::Client::new().get(self.url("/api/me")).bearer_auth(token).send().await.unwrap()
    }

    /// What the API knows the bearer of `token` as.
    pub async fn caller(&self, token: &str) -> Value {
        let response = self.me(token).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    /// Asserts that the API takes neither `token` nor a request without one.
    pub async fn refuses(&self, token: &str) {
        let response = self.me(token).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()["www-authenticate"], r#"Bearer error="invalid_token""#);
        let response = reqwest::get(self.url("/api/me")).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
