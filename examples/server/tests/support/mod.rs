//! A server in this process, and a browser that submits its forms as they stand.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part of it")]

#[cfg(unix)]
pub mod program;
pub mod store;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use grantwell_server::{Config, Running, Store};
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Certificate, Method, RequestBuilder, StatusCode, redirect};
use url::Url;

pub const USER: (&str, &str) = ("id001", "mypassword");
pub const CLIENT: (&str, &str) = ("client_1", "client_secret_1");
pub const CALLBACK: &str = "http://localhost:8000/callback";
pub const AUTHORIZE: &str = "/authorize?response_type=code&client_id=client_1\
    &redirect_uri=http%3A%2F%2Flocalhost%3A8000%2Fcallback&scope=profile&state=foobar";

pub struct Server {
    pub running: Running,
    /// What to put before a path. It is the issuer, unless the test chose another.
    pub url: String,
}

/// Starts a server with the built-in clients and users, which keeps everything in memory.
pub async fn start() -> Server {
    start_with("", "").await
}

/// Starts a server that also has the `settings` and the `entries`.
pub async fn start_with(settings: &str, entries: &str) -> Server {
    start_on(config(settings, entries)).await
}

/// The built-in clients and users, the `settings` and the `entries`, and the memory store.
pub fn config(settings: &str, entries: &str) -> Config {
    config_of(&format!("{settings}\n{}\n{entries}", built_in()))
}

/// The built-in file.
pub fn built_in() -> String {
    affordable(Config::BUILT_IN)
}

/// The file with everything in it.
pub fn full() -> String {
    affordable(include_str!("../../full.toml"))
}

/// The file with a password that is not too costly for a debug build.
fn affordable(file: &str) -> String {
    let password = format!("password_hash = '{}'", cheap_hash(USER.1));
    file.replace("password = \"mypassword\"", &password)
}

pub fn config_of(text: &str) -> Config {
    let mut config = Config::parse(text).unwrap();
    config.listen = Some("127.0.0.1:0".parse().unwrap());
    config.store = Store::Memory;
    config
}

pub async fn start_on(config: Config) -> Server {
    let running = grantwell_server::start(config).await.unwrap();
    let url = format!("http://localhost:{}", running.addresses()[0].port());
    Server { running, url }
}

pub fn cheap_hash(password: &str) -> PasswordHash {
    let params = Params::new(Params::MIN_M_COST, 1, 1, None).unwrap();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password(password.as_bytes()).unwrap()
}

impl Server {
    pub fn browser(&self) -> Browser {
        Browser::at(&self.url)
    }
}

pub struct Browser {
    http: reqwest::Client,
    url: String,
}

impl Browser {
    pub fn at(url: &str) -> Self {
        Self::trusting(&[], url)
    }

    /// A browser that trusts these certificates alone.
    pub fn trusting(certificates: &[Certificate], url: &str) -> Self {
        let http = reqwest::Client::builder().tls_certs_only(certificates.iter().cloned());
        let http = http.cookie_store(true).redirect(redirect::Policy::none()).build().unwrap();
        Self { http, url: url.to_owned() }
    }

    /// The same browser, at another server. It sends its cookies there too: they know no ports.
    pub fn goes_to(&self, url: &str) -> Self {
        Self { http: self.http.clone(), url: url.to_owned() }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    pub async fn get(&self, path: &str) -> Page {
        Page::of(self.request(Method::GET, path)).await
    }

    pub async fn submit(&self, form: &Form) -> Page {
        Page::of(self.request(Method::POST, &form.action).form(&form.fields)).await
    }

    /// Goes to the login page and submits it.
    pub async fn log_in(&self, next: &str, (user_id, password): (&str, &str)) -> Page {
        let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
        let form = self.get(&format!("/login?{query}")).await.form();
        self.submit(&form.set("user_id", user_id).set("password", password)).await
    }

    /// Logs in and goes on to the consent page of the request at `path`.
    pub async fn consent_page(&self, path: &str) -> Page {
        let page = self.log_in(path, USER).await;
        let page = self.get(&page.location()).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        page
    }

    pub async fn redeem(&self, code: &str) -> Page {
        let params = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", CALLBACK)];
        self.token(CLIENT, &params).await
    }

    pub async fn refresh(&self, refresh_token: &str) -> Page {
        self.token(CLIENT, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
    }

    /// Asks the API whose token it is.
    pub async fn me(&self, access_token: &str) -> Page {
        Page::of(self.request(Method::GET, "/api/me").bearer_auth(access_token)).await
    }

    pub async fn token(&self, client: (&str, &str), params: &[(&str, &str)]) -> Page {
        Page::of(self.request(Method::POST, "/token").basic_auth(client.0, Some(client.1)).form(params)).await
    }
}

/// An answer.
pub struct Page {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Page {
    pub async fn of(request: RequestBuilder) -> Self {
        Self::try_of(request).await.unwrap()
    }

    pub async fn try_of(request: RequestBuilder) -> reqwest::Result<Self> {
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Self { status, headers, text: response.text().await? })
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Where a 303 leads.
    pub fn location(&self) -> String {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.text);
        self.headers[LOCATION].to_str().unwrap().to_owned()
    }

    /// The parameter of the redirect to the client.
    pub fn answer(&self, name: &str) -> Option<String> {
        let location = self.location();
        assert!(location.starts_with(&format!("{CALLBACK}?")), "{location}");
        let url = Url::parse(&location).unwrap();
        url.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// The page's form, with the fields a browser sends if nobody touched it.
    pub fn form(&self) -> Form {
        let tags = || self.text.split('<').filter_map(|tag| tag.split('>').next());
        let action = tags().find(|tag| tag.starts_with("form ")).and_then(|tag| attribute(tag, "action"));
        let field = |tag: &str| Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default()));
        let is_sent = |tag: &&str| !tag.contains("checkbox") || tag.ends_with(" checked");
        let fields = tags().filter(|tag| tag.starts_with("input ")).filter(is_sent).filter_map(field).collect();
        Form { action: action.unwrap_or_else(|| panic!("no form: {}", self.text)), fields }
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let value = tag.split_once(&format!(" {name}=\""))?.1.split('"').next()?;
    let marks = [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")];
    Some(marks.iter().fold(value.to_owned(), |value, (from, to)| value.replace(from, to)))
}

#[derive(Clone)]
pub struct Form {
    pub action: String,
    pub fields: Vec<(String, String)>,
}

impl Form {
    pub fn get(&self, name: &str) -> &str {
        &self.fields.iter().find(|(own, _)| own == name).unwrap().1
    }

    pub fn set(&self, name: &str, value: &str) -> Self {
        let mut form = self.without(name);
        form.fields.push((name.to_owned(), value.to_owned()));
        form
    }

    pub fn without(&self, name: &str) -> Self {
        let mut form = self.clone();
        form.fields.retain(|(own, _)| own != name);
        form
    }
}
