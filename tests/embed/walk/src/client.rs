use std::borrow::Cow;

use oauth2::basic::{
    BasicClient, BasicRequestTokenError, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
    BasicTokenResponse,
};
use oauth2::{
    AccessToken, AsyncHttpClient, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, HttpClientError, HttpRequest, IntrospectionUrl, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, RefreshToken, RequestTokenError, RevocationUrl, Scope, StandardRevocableToken, TokenResponse as _,
    TokenUrl,
};
use reqwest::redirect::Policy;
use url::Url;

use crate::{Browser, Service};

type Configured = BasicClient<EndpointSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet, EndpointSet>;
type HttpError = HttpClientError<reqwest::Error>;
type Refused = BasicRequestTokenError<HttpError>;

/// A client of the service, which authenticates by HTTP Basic.
#[derive(Clone)]
pub struct Client {
    oauth2: Configured,
    redirect_uri: RedirectUrl,
    http: Http,
}

/// What a client is issued.
pub struct Tokens(BasicTokenResponse);

impl Tokens {
    /// The access token.
    pub fn access(&self) -> &str {
        self.0.access_token().secret()
    }

    /// The access token, to be revoked.
    pub fn access_token(&self) -> AccessToken {
        self.0.access_token().clone()
    }

    /// The refresh token, if there is one.
    pub fn refresh(&self) -> Option<&RefreshToken> {
        self.0.refresh_token()
    }
}

/// An authorization code and what it takes to redeem it.
#[derive(Clone)]
pub struct Code {
    code: String,
    verifier: String,
}

impl Code {
    /// Whether a redirect carries this code.
    pub fn is_in(&self, redirect: &str) -> bool {
        redirect.parse().is_ok_and(|url| query(&url, "code").as_deref() == Some(&self.code))
    }

    /// The same code with another PKCE verifier.
    pub fn with_verifier(self, verifier: String) -> Self {
        Self { verifier, ..self }
    }
}

impl Client {
    /// The client that acts for users.
    pub async fn app(service: &Service) -> Self {
        Self::new(service, "app", "app-secret-4f1c9e7a2b8d6035").await
    }

    /// The client that acts for itself.
    pub async fn service(service: &Service) -> Self {
        Self::new(service, "service", "service-secret-93d1f6ab70c2e854").await
    }

    /// Knows the endpoints from the metadata.
    async fn new(service: &Service, id: &str, secret: &str) -> Self {
        let metadata = service.metadata().await;
        let endpoint = |name: &str| metadata[name].as_str().map(str::to_owned);
        let introspection = endpoint("introspection_endpoint").map(|url| IntrospectionUrl::new(url).unwrap());
        let revocation = endpoint("revocation_endpoint").map(|url| RevocationUrl::new(Http::tls(&url)).unwrap());
        let redirect_uri = RedirectUrl::new("http://127.0.0.1:8123/callback".to_owned()).unwrap();
        let oauth2 = BasicClient::new(ClientId::new(id.to_owned()))
            .set_client_secret(ClientSecret::new(secret.to_owned()))
            .set_auth_uri(AuthUrl::new(endpoint("authorization_endpoint").unwrap()).unwrap())
            .set_token_uri(TokenUrl::new(endpoint("token_endpoint").unwrap()).unwrap())
            .set_introspection_url_option(introspection)
            .set_revocation_url_option(revocation);
        let http = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
        Self { oauth2, redirect_uri, http: Http(http) }
    }

    /// Sends the browser to the authorization endpoint; the error or the code it comes back with.
    pub async fn ask(&self, browser: &mut Browser, confirm: &str) -> Result<Code, String> {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let request = self.oauth2.authorize_url(CsrfToken::new_random).add_scope(Scope::new("profile".to_owned()));
        let redirect_uri = Cow::Borrowed(&self.redirect_uri);
        let (url, state) = request.set_redirect_uri(redirect_uri).set_pkce_challenge(challenge).url();
        let back = browser.authorize(&url, confirm).await;
        assert!(back.as_str().starts_with(self.redirect_uri.as_str()), "{back}");
        assert_eq!(query(&back, "state").as_ref(), Some(state.secret()));
        match query(&back, "code") {
            Some(code) => Ok(Code { code, verifier: verifier.into_secret() }),
            None => Err(query(&back, "error").unwrap()),
        }
    }

    /// Redeems a code.
    pub async fn redeem(&self, code: &Code) -> Result<Tokens, Refused> {
        let request = self.oauth2.exchange_code(AuthorizationCode::new(code.code.clone()));
        let request = request.set_pkce_verifier(PkceCodeVerifier::new(code.verifier.clone()));
        let redirect_uri = Cow::Borrowed(&self.redirect_uri);
        request.set_redirect_uri(redirect_uri).request_async(&self.http).await.map(Tokens)
    }

    /// Walks the whole code flow.
    pub async fn tokens(&self, service: &Service) -> Tokens {
        let mut browser = Browser::new(&service.url("/"));
        self.redeem(&self.ask(&mut browser, "yes").await.unwrap()).await.unwrap()
    }

    /// A token for itself.
    pub async fn own_tokens(&self) -> Result<Tokens, Refused> {
        self.oauth2.exchange_client_credentials().request_async(&self.http).await.map(Tokens)
    }

    /// Refreshes.
    pub async fn refresh(&self, token: &RefreshToken) -> Result<Tokens, Refused> {
        self.oauth2.exchange_refresh_token(token).request_async(&self.http).await.map(Tokens)
    }

    /// Revokes an access token or a refresh token.
    pub async fn revoke(
        &self,
        token: StandardRevocableToken,
    ) -> Result<(), RequestTokenError<HttpError, BasicRevocationErrorResponse>> {
        self.oauth2.revoke_token(token).unwrap().request_async(&self.http).await
    }

    /// Introspects a token.
    pub async fn introspect(&self, token: &str) -> Result<BasicTokenIntrospectionResponse, Refused> {
        let token = AccessToken::new(token.to_owned());
        self.oauth2.introspect(&token).unwrap().request_async(&self.http).await
    }
}

fn query(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
}

/// Asserts that the server refused with that error code, and not for another reason.
pub fn refused_with<T>(error: &str, answer: Result<T, Refused>) {
    match answer {
        Err(RequestTokenError::ServerResponse(refusal)) => assert_eq!(refusal.error().as_ref(), error),
        Err(other) => panic!("no answer: {other:?}"),
        Ok(_) => panic!("not refused"),
    }
}

/// The crate revokes over TLS only. This is the proxy that would end it: `https` in, `http` out.
#[derive(Clone)]
struct Http(reqwest::Client);

impl Http {
    fn tls(url: &str) -> String {
        url.replacen("http:", "https:", 1)
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = <reqwest::Client as AsyncHttpClient<'c>>::Future;

    fn call(&'c self, mut request: HttpRequest) -> Self::Future {
        *request.uri_mut() = request.uri().to_string().replacen("https:", "http:", 1).parse().unwrap();
        self.0.call(request)
    }
}
