//! OAuth 2.0 for native apps (RFC 8252 sections 7 and 8).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::*;
use grantwell::model::{AuthMethod, ClientMetadata, ClientPolicy, RedirectUri};

async fn is_accepted(fixture: &Fixture, client: &str, uri: &str) -> bool {
    let request = code_request(client);
    let request = changed(&request, "redirect_uri", Some(uri));
    match fixture.authorize(&request, Some(&fixture.login("alice"))).await {
        grantwell::Authorize::Consent(pending) => {
            assert_eq!(pending.request().target.redirect_uri.as_str(), uri);
            true
        }
        grantwell::Authorize::Respond(response) => {
            is_error_page(&response);
            false
        }
        grantwell::Authorize::Login(_) => panic!("a login was asked for"),
    }
}

#[tokio::test]
async fn the_port_varies_on_loopback() {
    let fixture = Fixture::new();
    for host in ["127.0.0.1", "[::1]", "localhost"] {
        for port in ["", ":1", ":80", ":4711", ":65535"] {
            let uri = format!("http://{host}{port}/cb");
            assert!(is_accepted(&fixture, "native", &uri).await, "{uri}");
        }
    }
}

#[tokio::test]
async fn nothing_but_the_port_varies_and_nowhere_else() {
    let fixture = Fixture::new();
    let uris = ["http://127.0.0.1:5000/only?a=1".parse().unwrap(), CALLBACK.parse().unwrap()];
    let one = ClientMetadata { redirect_uris: uris.to_vec(), ..metadata(AuthMethod::NONE) };
    fixture.store.insert_client(public("pub2", one));
    for uri in [
        "http://127.0.0.1:4711/CB",
        "http://127.0.0.1:4711/cb/",
        "http://127.0.0.1:4711/cb?x=1",
        "http://127.0.0.1:4711/cb#f",
        "http://127.0.0.1:4711/",
        "http://127.0.0.1:4711",
        "http://x@127.0.0.1:4711/cb",
        "http://x:y@127.0.0.1/cb",
        "http://127.0.0.2:4711/cb",
        "http://127.1/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://127.0.0.1.evil.example:4711/cb",
        "http://0x7f.1/cb",
        "http://2130706433/cb",
        "http://0.0.0.0:4711/cb",
        "http://[::2]:4711/cb",
        "http://[::ffff:127.0.0.1]/cb",
        "http://[0:0:0:0:0:0:0:1]:4711/cb",
        "http://LOCALHOST:4711/cb",
        "http://localhost.:4711/cb",
        "http://localhost.evil.example/cb",
        "http://localhost:80@evil.example/cb",
        "http://127.0.0.1:80@evil.example/cb",
        "http://127.0.0.1:4711@evil.example:4711/cb",
        "https://127.0.0.1:4711/cb",
        "https://localhost:4711/cb",
        "http://127.0.0.1:0/cb",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:65536/cb",
        "http://127.0.0.1:-1/cb",
        "http://127.0.0.1:+80/cb",
        "http://127.0.0.1:80a/cb",
        "http://127.0.0.1:80:80/cb",
        "http://127.0.0.1:80\\cb",
        "http://127.0.0.1: 80/cb",
    ] {
        assert!(!is_accepted(&fixture, "native", uri).await, "{uri}");
    }
    for uri in [
        "http://localhost:5000/only?a=1",
        "http://[::1]:5000/only?a=1",
        "http://127.0.0.1:5000/only",
        "http://127.0.0.1:5000/only?a=2",
        "https://app.example:8443/cb",
    ] {
        assert!(!is_accepted(&fixture, "pub2", uri).await, "{uri}");
    }
    assert!(is_accepted(&fixture, "pub2", "http://127.0.0.1:61023/only?a=1").await);
}

#[tokio::test]
async fn the_name_localhost_can_be_taken_literally() {
    let fixture = Fixture::new();
    let uris = ["http://localhost:3000/cb", "http://127.0.0.1/cb"].map(|uri| uri.parse().unwrap());
    let native = ClientMetadata { redirect_uris: uris.to_vec(), ..metadata(AuthMethod::NONE) };
    let policy = ClientPolicy { localhost_is_loopback: false, ..ClientPolicy::default() };
    fixture.store.insert_client(public("native", native).with_policy(policy).unwrap());
    for (uri, is_good) in [
        ("http://localhost:3000/cb", true),
        ("http://localhost:3001/cb", false),
        ("http://localhost/cb", false),
        ("http://127.0.0.1:3001/cb", true),
    ] {
        assert_eq!(is_accepted(&fixture, "native", uri).await, is_good, "{uri}");
    }
}

#[tokio::test]
async fn a_private_use_scheme_is_exact_and_has_a_dot() {
    let fixture = Fixture::new();
    assert!(is_accepted(&fixture, "native", "com.example.app:/cb").await);
    for uri in [
        "com.example.app://cb",
        "com.example.app:///cb",
        "COM.example.app:/cb",
        "com.example.app:/cb/",
        "com.example.app:/cb?x=1",
        "com.example.app:/cb#f",
        "com.example.app:cb",
        "com.example.app2:/cb",
        "com.example.app:80/cb",
    ] {
        assert!(!is_accepted(&fixture, "native", uri).await, "{uri}");
    }
    for uri in ["myapp:/cb", "myapp://com.example/cb", "javascript:/cb.x", "http://app.example/cb"] {
        assert!(uri.parse::<RedirectUri>().is_err(), "{uri}");
    }
}

#[tokio::test]
async fn the_code_is_redeemed_with_the_very_redirect_uri_it_was_sent_to() {
    let fixture = Fixture::new();
    let code = fixture.code("native").await;
    let request = redemption(&code);
    for other in [
        None,
        Some("http://127.0.0.1/cb"),
        Some("http://127.0.0.1:4712/cb"),
        Some("http://localhost:4711/cb"),
        Some("http://127.0.0.1:4711/cb/"),
        Some("com.example.app:/cb"),
    ] {
        let request = changed(&request, "redirect_uri", other);
        fixture.token("native", &request).await.is_refused(400, "invalid_grant");
    }
    fixture.token("native", &changed(&request, "redirect_uri", Some("http://127.0.0.1:4711/cb"))).await.is_ok();
}
