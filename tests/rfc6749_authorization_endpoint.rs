//! The authorization endpoint (RFC 6749 sections 3.1 and 4.1, RFC 9700 sections 2.1 and 4.1).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use bytes::Bytes;
use common::*;
use grantwell::model::{AuthMethod, Client, ClientMetadata};
use grantwell::{Authorize, Decision};
use http::header::{ALLOW, CONTENT_TYPE, LOCATION, ORIGIN};
use http::{Method, Request, Response, StatusCode};

/// What a request with alice logged in is answered at once.
async fn answer(fixture: &Fixture, request: Request<Bytes>) -> Response<Bytes> {
    let login = fixture.login("alice");
    match fixture.server.authorize(&request, Some(&login)).await {
        Authorize::Respond(response) => response,
        other => panic!("no answer: {other:?}"),
    }
}

async fn refusal(fixture: &Fixture, params: &[(&str, &str)]) -> Response<Bytes> {
    answer(fixture, get(&format!("/authorize?{}", encode(params)))).await
}

/// Approves a request and answers the response.
async fn approval(fixture: &Fixture, params: &[(&str, &str)]) -> Response<Bytes> {
    let login = fixture.login("alice");
    match fixture.authorize(params, Some(&login)).await {
        Authorize::Respond(response) => response,
        Authorize::Consent(pending) => fixture.server.decide(pending.ticket(), Some(&login), Decision::APPROVE).await,
        Authorize::Login(_) => panic!("a login was asked for"),
    }
}

fn with_uris(uris: &[&str]) -> ClientMetadata {
    let redirect_uris = uris.iter().map(|uri| uri.parse().unwrap()).collect();
    ClientMetadata { redirect_uris, ..metadata(AuthMethod::CLIENT_SECRET_BASIC) }
}

#[tokio::test]
async fn an_unknown_client_is_told_to_the_user_alone() {
    let fixture = Fixture::new();
    fixture.store.remove_client(&"sec2".into());
    let before = fixture.snapshot();
    let mut bodies = Vec::new();
    for client in [None, Some(""), Some("unknown"), Some("sec2"), Some("SEC"), Some("sec\0")] {
        for uri in [CALLBACK, "https://evil.example/cb"] {
            let request = changed(&code_request("sec"), "client_id", client);
            let response = refusal(&fixture, &changed(&request, "redirect_uri", Some(uri))).await;
            is_error_page(&response);
            assert_eq!(response.status(), StatusCode::BAD_REQUEST);
            bodies.push(response.into_body());
        }
    }
    assert!(bodies[4..].iter().all(|body| *body == bodies[4]), "a deleted client is told from an unknown one");
    assert_eq!(fixture.snapshot(), before);
}

#[tokio::test]
async fn without_a_redirect_uri_only_a_single_registered_one_will_do() {
    let fixture = Fixture::new();
    fixture.store.insert_client(confidential("two", with_uris(&[CALLBACK, "https://app.example/other"])));
    for empty in [None, Some("")] {
        is_error_page(&refusal(&fixture, &changed(&code_request("two"), "redirect_uri", empty)).await);
        let code = fixture.code_for(&changed(&code_request("sec"), "redirect_uri", empty), "alice").await;
        fixture.token("sec", &changed(&redemption(&code), "redirect_uri", None)).await.is_ok();
    }
}

#[track_caller]
fn assert_not_redirected(response: &Response<Bytes>, uri: &str) {
    assert!(!response.headers().contains_key(LOCATION), "{uri:?}");
    is_error_page(response);
    has_clean_headers(response.headers());
}

#[tokio::test]
async fn redirect_uris_are_compared_as_strings() {
    let fixture = Fixture::new();
    fixture.store.insert_client(confidential("query", with_uris(&["https://app.example/cb?a=1&b=2"])));
    for uri in [
        "https://app.example/CB",
        "https://app.example/cb/",
        "https://app.example/cb/x",
        "https://app.example/cb?x=1",
        "https://app.example/cb?",
        "HTTPS://app.example/cb",
        "https://APP.example/cb",
        "https://app.example:443/cb",
        "https://app.example:8443/cb",
        "https://app.example./cb",
        "http://app.example/cb",
        "https://app.example/%63b",
        "https://app.example/cb#f",
        "https://app.example/cb#",
        "https://app.example/cb%23f",
        "https://u@app.example/cb",
        "https://app.example@evil.example/cb",
        "https://app.example.evil.example/cb",
        "https://evil.example/https://app.example/cb",
        "//app.example/cb",
        "/cb",
        "javascript:alert(1)",
    ] {
        let request = code_request("sec");
        assert_not_redirected(&refusal(&fixture, &changed(&request, "redirect_uri", Some(uri))).await, uri);
    }
    for uri in ["https://app.example/cb", "https://app.example/cb?b=2&a=1", "https://app.example/cb?a=1&b=2&c=3"] {
        let request = code_request("query");
        assert_not_redirected(&refusal(&fixture, &changed(&request, "redirect_uri", Some(uri))).await, uri);
    }
    let login = fixture.login("alice");
    fixture.consent(&code_request("sec"), &login).await;
}

#[tokio::test]
async fn redirect_uris_are_not_normalised() {
    let fixture = Fixture::new();
    let long = format!("https://app.example/cb?{}", "x".repeat(8 * 1024));
    for uri in [
        "https://app.example/cb/../x",
        "https://app.example/cb/%2e%2e/x",
        "https://app.example/cb%2f..%2fx",
        "https://app.example/cb;x",
        "https://app.example/cb%00",
        "https://app.example/cb%0d%0aX:1",
        "https://app.example/./cb",
        "https://app.example/x/../cb",
        "https://app.example//cb",
        "https://app.example\\cb",
        "https:/app.example/cb",
        "https:app.example/cb",
        "https%3A%2F%2Fapp.example%2Fcb",
        "https://app.example/%2563b",
        "https://app.example/cb%252f..%252fx",
        "https://\u{ff41}pp.example/cb",
        "https://app\u{3002}example/cb",
        "https://xn--pp-wka.example/cb",
        " https://app.example/cb",
        "https://app.example/cb ",
        "\thttps://app.example/cb",
        "https://app.example/cb\t",
        "https://app.example/cb\r\nX: 1",
        "https://app.example/cb\n",
        "https://app.example/cb\0",
        "https://app.example/cb\u{e9}",
        "http://[::1%25eth0]/cb",
        "http://[::1",
        "https://[v1.x]/cb",
        &":".repeat(8 * 1024),
        &"@".repeat(8 * 1024),
        &format!("http://{}", "[".repeat(8 * 1024 - 7)),
        &long,
    ] {
        let request = code_request("sec");
        assert_not_redirected(&refusal(&fixture, &changed(&request, "redirect_uri", Some(uri))).await, uri);
        let post = post("/authorize", &changed(&request, "redirect_uri", Some(uri)));
        assert_not_redirected(&answer(&fixture, post).await, uri);
    }
}

#[tokio::test]
async fn a_repeated_client_id_or_redirect_uri_never_redirects() {
    let fixture = Fixture::new();
    let request = code_request("sec");
    for (name, own, other) in
        [("client_id", "sec", "sec2"), ("redirect_uri", CALLBACK, "https://evil.example/cb"), ("client_id", "sec", "")]
    {
        for (first, second) in [(own, other), (other, own), (own, own)] {
            let mut twice = changed(&request, name, Some(first));
            twice.push((name, second));
            is_error_page(&refusal(&fixture, &twice).await);
            is_error_page(&answer(&fixture, post("/authorize", &twice)).await);
            let query = encode(&[(name, second)]);
            let split = post(&format!("/authorize?{query}"), &changed(&request, name, Some(first)));
            is_error_page(&answer(&fixture, split).await);
        }
    }
}

#[tokio::test]
async fn the_response_type_is_one_that_is_offered() {
    let fixture = Fixture::new();
    let many = vec!["code"; 1000].join(" ");
    for (response_type, error) in [
        (None, "invalid_request"),
        (Some(""), "invalid_request"),
        (Some("foo"), "unsupported_response_type"),
        (Some("token"), "unsupported_response_type"),
        (Some("code code"), "unsupported_response_type"),
        (Some("CODE"), "unsupported_response_type"),
        (Some(" code"), "unsupported_response_type"),
        (Some(&many), "unsupported_response_type"),
    ] {
        let request = code_request("sec");
        let response = refusal(&fixture, &changed(&request, "response_type", response_type)).await;
        is_error_redirect(&response, error, Some("xyz"));
    }
}

#[tokio::test]
async fn a_client_uses_what_it_is_registered_for() {
    let fixture = Fixture::new();
    let no_response_type = ClientMetadata { response_types: Vec::new(), ..with_uris(&[CALLBACK]) };
    assert!(
        Client::new("sec2".into(), Some(secret("sec2")), no_response_type.clone()).is_err(),
        "RFC 7591 section 2.1"
    );
    let grant_types = vec!["refresh_token".to_owned()];
    let no_response_type = ClientMetadata { grant_types, ..no_response_type };
    let no_grant = ClientMetadata { grant_types: vec!["refresh_token".to_owned()], ..with_uris(&[CALLBACK]) };
    for metadata in [no_response_type, no_grant] {
        fixture.store.insert_client(confidential("sec2", metadata));
        let response = refusal(&fixture, &code_request("sec2")).await;
        is_error_redirect(&response, "unauthorized_client", Some("xyz"));
    }
}

#[tokio::test]
async fn repeated_parameters_are_refused() {
    let fixture = Fixture::new();
    let before = fixture.snapshot();
    let all = [
        "response_type",
        "scope",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "response_mode",
        "prompt",
        "max_age",
        "unknown",
    ];
    let values = ["code", "profile", "n", CHALLENGE, "S256", "query", "login", "100", "u"];
    for (name, value) in all.into_iter().zip(values) {
        for second in [value, ""] {
            let mut request = changed(&code_request("sec"), name, Some(value));
            request.push((name, second));
            is_error_redirect(&refusal(&fixture, &request).await, "invalid_request", Some("xyz"));
            let (_, body) = request.split_last().unwrap();
            let split = post(&format!("/authorize?{}", encode(&[(name, second)])), body);
            is_error_redirect(&answer(&fixture, split).await, "invalid_request", Some("xyz"));
        }
    }
    for second in ["xyz", "other", ""] {
        let mut request = code_request("sec");
        request.push(("state", second));
        is_error_redirect(&refusal(&fixture, &request).await, "invalid_request", None);
    }
    assert_eq!(fixture.snapshot(), before);
}

#[tokio::test]
async fn unknown_parameters_are_ignored_and_empty_ones_omitted() {
    let fixture = Fixture::new();
    let mut request = changed(&code_request("sec"), "state", Some(""));
    request.extend([("foo", "bar"), ("scope[a]", "b"), ("client_id[]", "pub"), ("nonce", "n"), ("max_age", "")]);
    request.extend([("response_mode", ""), ("prompt", "")]);
    let response = approval(&fixture, &request).await;
    assert!(redirect_param(&response, "code").is_some());
    for name in ["state", "foo", "nonce"] {
        assert_eq!(redirect_param(&response, name), None, "{name}");
    }
    let response = refusal(&fixture, &changed(&code_request("sec"), "code_challenge", Some(""))).await;
    is_error_redirect(&response, "invalid_request", Some("xyz"));
}

#[tokio::test]
async fn without_scope_the_registered_scope_is_asked_for() {
    let fixture = Fixture::new();
    for empty in [None, Some("")] {
        let code = fixture.code_for(&changed(&code_request("sec"), "scope", empty), "alice").await;
        assert_eq!(fixture.redeem("sec", &code).await.is_ok().text("scope"), "profile email");
    }
}

#[tokio::test]
async fn scope_is_well_formed_and_within_what_is_registered() {
    let fixture = Fixture::new();
    for scope in
        ["unknown", "profile admin", "Profile", "a\"b", "a\\b", "profile  email", " profile", "profile ", "é", "a\tb"]
    {
        let request = code_request("sec");
        let response = refusal(&fixture, &changed(&request, "scope", Some(scope))).await;
        is_error_redirect(&response, "invalid_scope", Some("xyz"));
    }
    let long = "x ".repeat(25_000);
    is_error_page(&refusal(&fixture, &changed(&code_request("sec"), "scope", Some(&long))).await);
}

const MODES: [Option<&str>; 4] = [None, Some("query"), Some("fragment"), Some("form_post")];

#[tokio::test]
async fn state_comes_back_to_the_byte() {
    let fixture = Fixture::new();
    let mut states: Vec<String> = (0x20..=0x7e_u8).map(|byte| char::from(byte).to_string()).collect();
    states.push(states.concat());
    states.extend(["%41".to_owned(), "a%26b%3D%2B".to_owned(), "&amp;".to_owned(), "~".repeat(2048)]);
    for state in &states {
        for mode in MODES {
            let request = changed(&code_request("sec"), "state", Some(state));
            let request = changed(&request, "response_mode", mode);
            let approved = approval(&fixture, &request).await;
            assert_eq!(response_param(&approved, "state").as_ref(), Some(state), "{mode:?}");
            assert!(response_param(&approved, "code").is_some());
            let refused = refusal(&fixture, &changed(&request, "response_type", Some("foo"))).await;
            assert_eq!(response_param(&refused, "state").as_ref(), Some(state), "{mode:?}");
            assert!(response_param(&refused, "error").is_some());
        }
    }
}

#[tokio::test]
async fn a_state_of_other_characters_is_refused_and_not_returned() {
    let fixture = Fixture::new();
    for state in ["a\r\nSet-Cookie: x=1", "\0", "\u{2028}", "é", "\t", "\u{7f}"] {
        for mode in [None, Some("fragment")] {
            let request = changed(&code_request("sec"), "state", Some(state));
            let response = refusal(&fixture, &changed(&request, "response_mode", mode)).await;
            is_error_redirect(&response, "invalid_request", None);
            assert!(!response.headers().contains_key("set-cookie"));
            has_clean_headers(response.headers());
        }
    }
    for (length, status) in [(60 * 1024, StatusCode::BAD_REQUEST), (64 * 1024, StatusCode::PAYLOAD_TOO_LARGE)] {
        let state = "x".repeat(length);
        let response =
            answer(&fixture, post("/authorize", &changed(&code_request("sec"), "state", Some(&state)))).await;
        is_error_page(&response);
        assert_eq!(response.status(), status);
    }
}

#[tokio::test]
async fn the_answer_leaves_no_traces() {
    let fixture = Fixture::new();
    let uri = "https://app.example/cb?a=1%202";
    fixture.store.insert_client(confidential("query", with_uris(&[uri])));
    let request = code_request("query");
    let request = changed(&request, "redirect_uri", Some(uri));
    for response in
        [approval(&fixture, &request).await, refusal(&fixture, &changed(&request, "response_type", Some("foo"))).await]
    {
        assert!(location(&response).starts_with(&format!("{uri}&")), "{}", location(&response));
        assert!(!location(&response).contains('#'));
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["referrer-policy"], "no-referrer");
        assert!(response.body().is_empty());
    }
    let response = approval(&fixture, &changed(&request, "response_mode", Some("fragment"))).await;
    assert!(location(&response).starts_with(&format!("{uri}#code=")), "{}", location(&response));
}

#[tokio::test]
async fn get_and_post_are_alike_and_answered_by_303() {
    let fixture = Fixture::new();
    approval(&fixture, &code_request("sec")).await;
    let (first, rest) = code_request("sec").split_first().map(|(first, rest)| ([*first], rest.to_vec())).unwrap();
    for request in [
        get(&format!("/authorize?{}", encode(&code_request("sec")))),
        post("/authorize", &code_request("sec")),
        post(&format!("/authorize?{}", encode(&first)), &rest),
    ] {
        let response = answer(&fixture, request).await;
        assert!(location(&response).starts_with(CALLBACK));
        assert!(redirect_param(&response, "code").is_some());
    }
    let failing = changed(&code_request("sec"), "response_type", Some("foo"));
    is_error_redirect(&answer(&fixture, post("/authorize", &failing)).await, "unsupported_response_type", Some("xyz"));
}

#[tokio::test]
async fn other_methods_and_bodies_are_refused() {
    let fixture = Fixture::new();
    let uri = format!("/authorize?{}", encode(&code_request("sec")));
    for method in [Method::HEAD, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS, Method::TRACE] {
        let request = Request::builder().method(method).uri(&uri).body(Bytes::new()).unwrap();
        let response = answer(&fixture, request).await;
        is_error_page(&response);
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()[ALLOW], "GET, POST");
    }
    for content_type in ["application/json", "text/plain", "multipart/form-data; boundary=x"] {
        let mut request = post("/authorize", &code_request("sec"));
        request.headers_mut().insert(CONTENT_TYPE, content_type.parse().unwrap());
        let response = answer(&fixture, request).await;
        is_error_page(&response);
        assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
}

#[tokio::test]
async fn no_origin_is_let_in() {
    let fixture = Fixture::new();
    for origin in ["https://evil.example", "null"] {
        for method in [Method::OPTIONS, Method::GET, Method::POST] {
            let mut request = post(&format!("/authorize?{}", encode(&code_request("sec"))), &[]);
            *request.method_mut() = method.clone();
            request.headers_mut().insert(ORIGIN, origin.parse().unwrap());
            request.headers_mut().insert("access-control-request-method", "POST".parse().unwrap());
            let login = fixture.login("alice");
            if let Authorize::Respond(response) = fixture.server.authorize(&request, Some(&login)).await {
                assert!(!response.headers().keys().any(|name| name.as_str().starts_with("access-control")));
            }
            *request.uri_mut() = "/token".parse().unwrap();
            let answer = fixture.send(request).await;
            assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control")));
        }
    }
}

#[tokio::test]
async fn response_modes() {
    let fixture = Fixture::new();
    for (mode, start) in [(None, "?code="), (Some("query"), "?code="), (Some("fragment"), "#code=")] {
        let response = approval(&fixture, &changed(&code_request("sec"), "response_mode", mode)).await;
        assert!(location(&response).starts_with(&format!("{CALLBACK}{start}")), "{}", location(&response));
    }
    let refused = changed(&code_request("sec"), "response_type", Some("foo"));
    let response = refusal(&fixture, &changed(&refused, "response_mode", Some("fragment"))).await;
    assert!(location(&response).starts_with(&format!("{CALLBACK}#error=")), "{}", location(&response));
    for unknown in ["foo", "Query", "form_post.jwt", "query fragment"] {
        let request = code_request("sec");
        let response = refusal(&fixture, &changed(&request, "response_mode", Some(unknown))).await;
        is_error_redirect(&response, "invalid_request", Some("xyz"));
        assert!(location(&response).starts_with(&format!("{CALLBACK}?error=")));
    }
}

#[tokio::test]
async fn form_post_is_a_page_that_posts_and_nothing_else() {
    let fixture = Fixture::new();
    let state = r#"'"><script>alert(1)</script>&amp;"#;
    let request = changed(&code_request("sec"), "state", Some(state));
    let request = changed(&request, "response_mode", Some("form_post"));
    for (request, name) in [(request.clone(), "code"), (changed(&request, "prompt", Some("foo")), "error")] {
        let response = approval(&fixture, &request).await;
        let page = std::str::from_utf8(response.body()).unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(page.contains(&format!("<form method=\"post\" action=\"{CALLBACK}\">")), "{page}");
        assert_eq!(response_param(&response, "state").as_deref(), Some(state));
        assert!(response_param(&response, name).is_some());
        assert_eq!(page.matches("<script").count(), 1, "{page}");
        let headers = response.headers();
        assert!(!headers.contains_key(LOCATION));
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("form-action"), "{policy}");
    }
}

#[tokio::test]
async fn errors_echo_nothing() {
    let fixture = Fixture::new();
    let names = [
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "response_mode",
        "prompt",
        "max_age",
        "code_challenge",
        "code_challenge_method",
    ];
    for name in names {
        for value in ["<kilroy>", "\"kilroy", "\\kilroy", "\r\nkilroy", "ékilroy"] {
            let request = code_request("sec");
            let response = refusal(&fixture, &changed(&request, name, Some(value))).await;
            has_clean_headers(response.headers());
            assert_eq!(response.headers()["x-content-type-options"], "nosniff");
            match response.headers().get(LOCATION) {
                Some(location) => assert!(!location.to_str().unwrap().contains("kilroy"), "{location:?}"),
                None => is_error_page(&response),
            }
            assert!(!String::from_utf8_lossy(response.body()).contains("kilroy"));
            for text in ["error", "error_description"].iter().filter_map(|name| redirect_param(&response, name)) {
                let is_allowed = |byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
                assert!(text.bytes().all(is_allowed), "{text}");
            }
        }
    }
}

#[tokio::test]
async fn too_much_is_refused() {
    let fixture = Fixture::new();
    let mut request = code_request("sec");
    let names: Vec<String> = (request.len()..=256).map(|number| format!("p{number}")).collect();
    request.extend(names.iter().map(|name| (name.as_str(), "x")));
    assert_eq!(request.len(), 257);
    is_error_page(&refusal(&fixture, &request).await);
    fixture.consent(&request[..256], &fixture.login("alice")).await;
    let long = "x".repeat(8 * 1024 + 1);
    is_error_page(&refusal(&fixture, &changed(&code_request("sec"), "unknown", Some(&long))).await);
    let (name, value) = (long.as_str(), "x");
    is_error_page(&refusal(&fixture, &changed(&code_request("sec"), name, Some(value))).await);
}

#[tokio::test]
async fn a_broken_encoding_is_told_to_the_user() {
    let fixture = Fixture::new();
    for broken in ["%", "%4", "%zz", "%ff", "%c0%80", "%ed%a0%80"] {
        let query = format!("{}&x={broken}", encode(&code_request("sec")));
        is_error_page(&answer(&fixture, get(&format!("/authorize?{query}"))).await);
        let mut request = post("/authorize", &[]);
        *request.body_mut() = query.into();
        is_error_page(&answer(&fixture, request).await);
    }
    let ampersands = format!("/authorize?{}{}", encode(&code_request("sec")), "&".repeat(60_000));
    let login = fixture.login("alice");
    assert!(matches!(fixture.server.authorize(&get(&ampersands), Some(&login)).await, Authorize::Consent(_)));
}
