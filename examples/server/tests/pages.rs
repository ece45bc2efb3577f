//! What every page has in common, and the pages for what goes wrong.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may panic")]

mod support;

use grantwell_server::{Config, Store};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use support::{AUTHORIZE, Page, Server, USER, config_of, start, start_on, start_with};

fn assert_guarded(page: &Page, path: &str) {
    let policy = page.header("content-security-policy");
    for directive in ["default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.split("; ").any(|own| own == directive), "{path}: {policy}");
    }
    assert!(!policy.contains("form-action") && !policy.contains("unsafe"), "{path}: {policy}");
    assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
    assert_eq!(page.header("referrer-policy"), "no-referrer", "{path}");
    assert_eq!(page.header("cache-control"), "no-store", "{path}");
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8", "{path}");
    assert!(!page.headers.keys().any(|name| name.as_str().starts_with("access-control-")), "{path}");
}

#[tokio::test]
async fn every_page_is_guarded() {
    let server = start().await;
    let browser = server.browser();
    for path in ["/", "/login", "/logout", "/nowhere", "/authorize", "/token/", "//token", "/TOKEN", "/%74oken"] {
        assert_guarded(&browser.get(path).await, path);
    }
    let consent = browser.consent_page(AUTHORIZE).await;
    assert_guarded(&consent, "consent");
    assert_guarded(&browser.submit(&consent.form().without("csrf")).await, "forged");
    assert_guarded(&browser.submit(&consent.form()).await, "malformed");
    assert_guarded(&browser.log_in("/", (USER.0, "wrong")).await, "wrong password");
    let style = browser.get("/style.css").await;
    assert_eq!((style.header("content-type"), style.header("cache-control")), ("text/css", "public, max-age=3600"));
}

#[tokio::test]
async fn a_page_names_the_missing_parameter() {
    let server = start_with("", TWO_URIS).await;
    let browser = server.browser();
    for (path, named) in [("/authorize", "client_id"), ("/authorize?client_id=two", "redirect_uri")] {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST);
        assert!(page.text.contains(&format!("missing: {named}")), "{}", page.text);
    }
    let response_type = browser.get(&AUTHORIZE.replace("response_type=code&", "")).await;
    assert_eq!(response_type.answer("error").as_deref(), Some("invalid_request"));
    assert!(response_type.answer("error_description").unwrap().contains("response_type"));
}

const TWO_URIS: &str = "
[[clients]]
client_id = 'two'
token_endpoint_auth_method = 'none'
redirect_uris = ['https://a.example/', 'https://b.example/']
";

/// Its clients are the example client's, and its issuer may be another than the example client looks for.
#[tokio::test]
async fn the_home_page_leads_to_the_example_client_where_that_is_registered() {
    let example = "cargo run --release --example client";
    let mut built_in = Config::parse(Config::BUILT_IN).unwrap();
    (built_in.listen, built_in.store) = (Some("127.0.0.1:0".parse().unwrap()), Store::Memory);
    let server = start_on(built_in).await;
    let page = server.browser().get("/").await.text;
    assert!(page.contains(&format!("<code>{example} -- --issuer {}</code>", server.url)), "{page}");

    let own = start().await;
    let page = own.browser().get("/").await.text;
    assert!(!page.contains(example) && !page.contains("Try it"), "{page}");
}

#[tokio::test]
async fn the_home_page_lists_the_api_and_the_keys() {
    for (issuer, base) in [("http://localhost", ""), ("http://localhost/tenant", "/tenant")] {
        let text = format!("issuer = '{issuer}'\n[signing]\nalgorithms = ['ES256']\n{}", support::built_in());
        let page = start_on(config_of(&text)).await.browser().get(&format!("{base}/")).await.text;
        for (name, url) in [
            ("API", format!("{issuer}/api/me")),
            ("API metadata", format!("http://localhost/.well-known/oauth-protected-resource{base}/api")),
            ("JWKS", format!("{issuer}/jwks")),
        ] {
            let listed = page.split(&format!("<dt>{name}</dt>")).nth(1).and_then(|rest| rest.split("</dd>").next());
            assert!(listed.is_some_and(|rest| rest.contains(&format!("<code>{url}</code>"))), "{name}: {page}");
        }
    }
}

/// Case 045.
#[tokio::test]
async fn what_a_client_says_of_itself_is_shown_as_text() {
    let server = start_with("", HOSTILE).await;
    let page = server.browser().consent_page(&AUTHORIZE.replace("client_1", "hostile")).await;
    assert!(page.text.contains("<bdi>&#60;script&#62;alert(1)&#60;/script&#62;\u{202e}</bdi>"), "{}", page.text);
    assert!(!page.text.contains("<script") && !page.text.contains("javascript:"), "{}", page.text);
}

const HOSTILE: &str = "
[[clients]]
client_id = 'hostile'
client_secret = 'secret'
client_name = \"<script>alert(1)</script>\\u202e\"
client_uri = 'javascript:alert(1)'
logo_uri = 'javascript:alert(1)'
redirect_uris = ['http://localhost:8000/callback']
scope = 'profile'
policy = { require_pkce = false }
";

#[tokio::test]
async fn the_consent_page_names_the_resources() {
    let server = start_with("", "[[resources]]\nresource = 'https://api.example/'").await;
    let named = server.browser().consent_page(&format!("{AUTHORIZE}&resource=https%3A%2F%2Fapi.example")).await;
    assert!(named.text.contains("To be used at <strong><bdi>https://api.example/</bdi></strong>."), "{}", named.text);
    let unnamed = server.browser().consent_page(AUTHORIZE).await;
    assert!(!unnamed.text.contains("To be used at"), "{}", unnamed.text);
}

/// Case 047.
#[tokio::test]
async fn forwarding_headers_change_nothing() {
    let server = start().await;
    let mut spoofed = HeaderMap::new();
    for name in ["host", "x-forwarded-host", "x-forwarded-server", "x-original-url", "x-forwarded-for"] {
        spoofed.insert(name, HeaderValue::from_static("evil.example"));
    }
    spoofed.insert("x-forwarded-proto", HeaderValue::from_static("https"));
    spoofed.insert("forwarded", HeaderValue::from_static("for=9.9.9.9;host=evil.example;proto=https"));
    let browser = server.browser();
    browser.get("/login").await;
    for path in ["/", "/.well-known/oauth-authorization-server", "/login", AUTHORIZE, "/authorize"] {
        let plain = browser.get(path).await;
        let page = Page::of(browser.request(Method::GET, path).headers(spoofed.clone())).await;
        assert_eq!((page.status, &page.text), (plain.status, &plain.text), "{path}");
        assert_eq!(page.headers.get("location"), plain.headers.get("location"), "{path}");
        assert!(!page.text.contains("evil"), "{path}");
    }
}

#[tokio::test]
async fn what_is_not_served_is_refused() {
    let server = start().await;
    let browser = server.browser();
    assert_eq!(browser.get("/nowhere").await.status, StatusCode::NOT_FOUND);
    for (method, path, allowed) in [
        (Method::GET, "/consent", "POST"),
        (Method::PUT, "/login", "GET,HEAD,POST"),
        (Method::POST, "/api/me", "GET,HEAD"),
        (Method::GET, "/token", "POST"),
        (Method::OPTIONS, "/authorize", "GET, POST"),
    ] {
        let page = Page::of(browser.request(method, path)).await;
        assert_eq!((page.status, page.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, allowed), "{path}");
    }
}

#[tokio::test]
async fn a_bad_form_is_the_senders_fault() {
    let server = start().await;
    let form = "application/x-www-form-urlencoded";
    let too_large = "a".repeat(grantwell::MAX_BODY + 1);
    for path in ["/login", "/consent", "/logout", "/authorize", "/token"] {
        assert_eq!(post(&server, path, form, &too_large).await, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
        let status = post(&server, path, "application/json", "{}").await;
        assert!(status.is_client_error(), "{path}: {status}");
        let status = post(&server, path, form, "a=%ff&%&=&csrf=%zz").await;
        assert!(status.is_client_error(), "{path}: {status}");
    }
}

async fn post(server: &Server, path: &str, content_type: &str, body: &str) -> StatusCode {
    let request = server.browser().request(Method::POST, path).header("content-type", content_type);
    Page::of(request.body(body.to_owned())).await.status
}

#[tokio::test]
async fn an_issuer_may_have_a_path() {
    let server = start_with("issuer = 'http://localhost/tenant'", "").await;
    let browser = server.browser();
    let metadata = browser.get("/.well-known/oauth-authorization-server/tenant").await.json();
    assert_eq!(metadata["token_endpoint"], "http://localhost/tenant/token");
    let login = browser.get(&format!("/tenant{AUTHORIZE}")).await.location();
    let form = browser.get(&login).await.form().set("user_id", USER.0).set("password", USER.1);
    let consent = browser.get(&browser.submit(&form).await.location()).await.form();
    assert!(browser.submit(&consent.set("confirm", "yes")).await.answer("code").is_some());
    assert!(browser.get("/tenant/").await.text.contains("href=\"/tenant/logout\""));
    assert_eq!(browser.get("/login").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_address_has_a_bound_and_a_request_one_host() {
    let server = start().await;
    let browser = server.browser();
    let long = |length| format!("/login?next=/{}", "a".repeat(length));
    assert_eq!(browser.get(&long(30_000)).await.status, StatusCode::OK);
    assert_eq!(browser.get(&long(33_000)).await.status, StatusCode::URI_TOO_LONG);
    let mut stream = tokio::net::TcpStream::connect(server.running.addresses()[0]).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut stream, request).await.unwrap();
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}
