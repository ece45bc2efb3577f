//! The authorization server, as the application talks to it.

use std::error::Error;
use std::time::Duration;

use axum::http::StatusCode;
use oauth2::basic::{BasicClient, BasicErrorResponse, BasicErrorResponseType, BasicTokenResponse};
use oauth2::reqwest::{self, redirect};
use oauth2::url::Url;
use oauth2::{
    AccessToken, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet,
    HttpClientError, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope,
    TokenResponse, TokenUrl,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use crate::Options;
use crate::failure::Failure;
use crate::session::Login;

type Client = BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;
type TokenError = RequestTokenError<HttpClientError<reqwest::Error>, BasicErrorResponse>;

/// The server's answer to "whose access token is this?".
#[derive(Clone, Deserialize)]
pub(crate) struct Me {
    pub(crate) client_id: String,
    pub(crate) user_id: String,
    pub(crate) scope: String,
}

pub(crate) struct Tokens {
    access: AccessToken,
    refresh: Option<RefreshToken>,
}

/// What the server publishes about itself (RFC 8414).
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: AuthUrl,
    token_endpoint: TokenUrl,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

struct Discovered {
    client: Client,
    sends_issuer: bool,
}

pub(crate) struct Provider {
    options: Options,
    metadata_url: Url,
    me_url: Url,
    redirect_url: RedirectUrl,
    http: reqwest::Client,
    /// Filled at the first login, so that the two programs may start in any order.
    discovered: OnceCell<Discovered>,
}

impl Provider {
    pub(crate) fn new(options: Options, origin: &str) -> Result<Self, Box<dyn Error>> {
        let issuer = Url::parse(&options.issuer).map_err(|error| format!("--issuer {}: {error}", options.issuer))?;
        let path = issuer.path().trim_end_matches('/');
        let at = |path: &str| {
            let mut url = issuer.clone();
            url.set_path(path);
            url
        };
        Ok(Self {
            metadata_url: at(&format!("/.well-known/oauth-authorization-server{path}")),
            me_url: at(&format!("{path}/api/me")),
            redirect_url: RedirectUrl::new(format!("{origin}/callback"))?,
            // A redirect would take the code or a token to a place nobody named.
            http: reqwest::Client::builder()
                .redirect(redirect::Policy::none())
                .timeout(Duration::from_secs(10))
                .build()?,
            discovered: OnceCell::new(),
            options,
        })
    }

    /// Starts a login: where to send the browser, and what to remember until it comes back.
    pub(crate) async fn begin(&self, prompt: Option<&str>) -> Result<(Url, Login), Failure> {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request = (self.discovered().await?.client)
            .authorize_url(CsrfToken::new_random)
            .set_pkce_challenge(challenge)
            .add_scope(Scope::new(self.options.scope.clone()));
        if let Some(prompt) = prompt {
            request = request.add_extra_param("prompt", prompt);
        }
        let (url, state) = request.url();
        Ok((url, Login::new(state, verifier)))
    }

    /// Whether an authorization response may come from this server (RFC 9207).
    pub(crate) async fn is_issuer(&self, iss: Option<&str>) -> Result<bool, Failure> {
        Ok(match iss {
            Some(iss) => iss == self.options.issuer,
            None => !self.discovered().await?.sends_issuer,
        })
    }

    pub(crate) async fn redeem(&self, code: String, verifier: PkceCodeVerifier) -> Result<Tokens, Failure> {
        let answer = (self.discovered().await?.client)
            .exchange_code(AuthorizationCode::new(code))
            .set_pkce_verifier(verifier)
            .request_async(&self.http)
            .await;
        Ok(tokens(answer.map_err(|error| self.token_failure(error))?))
    }

    /// Asks the server who the user is, with a refreshed token if the access token has expired.
    pub(crate) async fn me(&self, tokens: &mut Tokens) -> Result<Me, Failure> {
        if let Some(me) = self.ask_me(&tokens.access).await? {
            return Ok(me);
        }
        self.refresh(tokens).await?;
        self.ask_me(&tokens.access).await?.ok_or(Failure::Ended)
    }

    /// `None` when the server does not take the access token (any more).
    async fn ask_me(&self, access: &AccessToken) -> Result<Option<Me>, Failure> {
        let request = self.http.get(self.me_url.clone()).bearer_auth(access.secret());
        match self.fetch(request).await {
            Ok(me) => Ok(Some(me)),
            Err(Failure::Status(_, StatusCode::UNAUTHORIZED)) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn refresh(&self, kept: &mut Tokens) -> Result<(), Failure> {
        let refresh = kept.refresh.as_ref().ok_or(Failure::Ended)?;
        let client = &self.discovered().await?.client;
        let answer = client.exchange_refresh_token(refresh).request_async(&self.http).await;
        let fresh = tokens(answer.map_err(|error| match error {
            TokenError::ServerResponse(refused) if *refused.error() == BasicErrorResponseType::InvalidGrant => {
                Failure::Ended
            }
            error => self.token_failure(error),
        })?);
        kept.access = fresh.access;
        // A server that does not rotate refresh tokens sends none: the old one stays good.
        kept.refresh = fresh.refresh.or_else(|| kept.refresh.take());
        Ok(())
    }

    async fn discovered(&self) -> Result<&Discovered, Failure> {
        self.discovered.get_or_try_init(|| self.discover()).await
    }

    async fn discover(&self) -> Result<Discovered, Failure> {
        let metadata: Metadata = self.fetch(self.http.get(self.metadata_url.clone())).await?;
        if metadata.issuer != self.options.issuer {
            return Err(Failure::Unexpected(format!(
                "The server at {} calls itself {}.",
                self.options.issuer, metadata.issuer
            )));
        }
        let client = BasicClient::new(ClientId::new(self.options.client_id.clone()))
            .set_client_secret(ClientSecret::new(self.options.client_secret.clone()))
            .set_redirect_uri(self.redirect_url.clone())
            .set_auth_uri(metadata.authorization_endpoint)
            .set_token_uri(metadata.token_endpoint);
        let sends_issuer = metadata.authorization_response_iss_parameter_supported;
        Ok(Discovered { client, sends_issuer })
    }

    async fn fetch<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, Failure> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let (url, status) = (response.url().clone(), response.status());
        if status != StatusCode::OK {
            return Err(Failure::Status(url, status));
        }
        let body = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        serde_json::from_slice(&body)
            .map_err(|error| Failure::Unexpected(format!("The answer of {url} is no use: {error}")))
    }

    fn token_failure(&self, error: TokenError) -> Failure {
        match error {
            TokenError::ServerResponse(refused) => Failure::Refused {
                error: refused.error().to_string(),
                description: refused.error_description().cloned(),
            },
            TokenError::Request(error) => self.unreachable(&error),
            // `Parse` holds the server's answer, tokens and all; its `Display` leaves that out.
            error => Failure::Unexpected(error.to_string()),
        }
    }

    fn unreachable(&self, error: &(dyn Error + 'static)) -> Failure {
        tracing::warn!(error, "the authorization server cannot be reached");
        Failure::Unreachable(self.options.issuer.clone())
    }
}

fn tokens(answer: BasicTokenResponse) -> Tokens {
    Tokens { access: answer.access_token().clone(), refresh: answer.refresh_token().cloned() }
}
