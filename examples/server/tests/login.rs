//! The login and logout pages, and the session between them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may panic")]

mod support;

use reqwest::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::{Method, StatusCode};
use support::{AUTHORIZE, Form, Page, Server, USER, start, start_with};
use tokio::task::JoinSet;

/// The cookie's id, and how it is guarded.
fn set_cookie(headers: &HeaderMap) -> (String, String) {
    let cookie = headers[SET_COOKIE].to_str().unwrap();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    (pair.to_owned(), attributes.to_owned())
}

/// Who the home page says is logged in, where this cookie is sent.
async fn is_logged_in(server: &Server, cookie: &str) -> bool {
    let page = Page::of(server.browser().request(Method::GET, "/").header(COOKIE, cookie)).await;
    page.text.contains("Signed in as")
}

/// Case 150.
#[tokio::test]
async fn next_is_a_path_of_this_origin_or_the_home_page() {
    let server = start().await;
    let evil =
        ["//evil", "/\\evil", "/\t/evil", "/\r/evil", "http:evil", "https:///evil", "", "/\\/evil", "evil", "/é"];
    for next in evil.into_iter().chain(["https://evil.example/", "javascript:alert(1)", "/\u{0}//evil"]) {
        let browser = server.browser();
        assert_eq!(browser.log_in(next, USER).await.location(), "/", "{next:?}");
        // The field is checked again: it need not be the one that the page showed.
        let form = browser.get("/login").await.form().set("user_id", USER.0).set("password", USER.1);
        assert_eq!(browser.submit(&form.set("next", next)).await.location(), "/", "{next:?}");
    }
    for path in ["/logout", AUTHORIZE, "/?a=//b"] {
        assert_eq!(server.browser().log_in(path, USER).await.location(), path);
    }
    let twice = server.browser().get("/login?next=/a&next=/b").await.form();
    assert_eq!(twice.get("next"), "/");
}

#[tokio::test]
async fn a_form_from_elsewhere_does_nothing() {
    let server = start().await;
    let browser = server.browser();
    let form = browser.get("/login").await.form().set("user_id", USER.0).set("password", USER.1);
    let stranger = server.browser().get("/login").await.form();
    let other_purpose = browser.get("/logout").await.form();
    let forged = [
        form.without("csrf"),
        form.set("csrf", ""),
        form.set("csrf", stranger.get("csrf")),
        form.set("csrf", other_purpose.get("csrf")),
    ];
    for form in &forged {
        assert_eq!(browser.submit(form).await.status, StatusCode::FORBIDDEN, "{:?}", form.fields);
    }
    assert_eq!(server.browser().submit(&form).await.status, StatusCode::FORBIDDEN, "without the cookie");
    assert_eq!(from_site(&browser, &form, "cross-site").await, StatusCode::FORBIDDEN);
    assert_eq!(from_site(&browser, &form, "same-site").await, StatusCode::FORBIDDEN);
    assert_eq!(from_site(&browser, &form, "same-origin").await, StatusCode::SEE_OTHER);

    let logout = Form { action: "/logout".to_owned(), fields: Vec::new() };
    assert_eq!(browser.submit(&logout).await.status, StatusCode::FORBIDDEN);
    let consent = browser.consent_page(AUTHORIZE).await.form().set("confirm", "yes");
    // The request only starts again: nothing is decided.
    assert_eq!(browser.submit(&consent.without("csrf")).await.location(), AUTHORIZE);
    assert_eq!(from_site(&browser, &consent, "cross-site").await, StatusCode::SEE_OTHER);
    assert_eq!(browser.get(AUTHORIZE).await.status, StatusCode::OK, "consent is still to be given");
}

async fn from_site(browser: &support::Browser, form: &Form, site: &str) -> StatusCode {
    let request = browser.request(Method::POST, &form.action).form(&form.fields);
    Page::of(request.header("sec-fetch-site", site)).await.status
}

/// Case 046.
#[tokio::test]
async fn the_session_id_changes_at_each_login() {
    let server = start().await;
    let browser = server.browser();
    let (before, _) = set_cookie(&browser.get("/login").await.headers);
    let (first, _) = set_cookie(&browser.log_in("/", USER).await.headers);
    assert!(is_logged_in(&server, &first).await);
    assert!(!is_logged_in(&server, &before).await);
    assert_eq!(browser.get("/login").await.headers.get(SET_COOKIE), None, "a good cookie is kept");

    let (second, _) = set_cookie(&browser.log_in("/", USER).await.headers);
    assert_ne!(first, second);
    assert!(is_logged_in(&server, &second).await);
    assert!(!is_logged_in(&server, &first).await);
}

#[tokio::test]
async fn the_cookie_is_guarded() {
    let server = start().await;
    let (pair, attributes) = set_cookie(&server.browser().get("/login").await.headers);
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax");
    assert_eq!(pair.strip_prefix("grantwell_as=").map(str::len), Some(43));
    let bad = server.browser().request(Method::GET, "/login").header(COOKIE, "grantwell_as=guess");
    assert_ne!(set_cookie(&Page::of(bad).await.headers).0, "grantwell_as=guess");

    let server = start_with("issuer = 'https://as.example'", "").await;
    let (pair, attributes) = set_cookie(&server.browser().get("/login").await.headers);
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax; Secure");
    assert!(pair.starts_with("__Host-grantwell_as="), "{pair}");
}

#[tokio::test]
async fn an_unknown_user_is_answered_like_a_wrong_password() {
    let server = start().await;
    let wrong = server.browser().log_in("/", (USER.0, "wrong")).await;
    let unknown = server.browser().log_in("/", ("id002", USER.1)).await;
    assert_eq!((wrong.status, unknown.status), (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED));
    let neutral = |page: &Page| page.text.replace(page.form().get("csrf"), "").replace("id002", USER.0);
    assert_eq!(neutral(&wrong), neutral(&unknown));
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let server = start().await;
    let browser = server.browser();
    let guess = browser.get("/login?next=/logout").await.form().set("user_id", USER.0).set("password", "wrong");
    // All at once: each could be looked at before the others are counted.
    let pages: JoinSet<Page> =
        (0..20).map(|_| Page::of(browser.request(Method::POST, "/login").form(&guess.fields))).collect();
    let pages = pages.join_all().await;
    let refused = pages.iter().filter(|page| page.status == StatusCode::TOO_MANY_REQUESTS).count();
    assert!((9..=10).contains(&refused), "{refused} of 20 were not looked at");

    let page = browser.submit(&guess.set("password", USER.1)).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert!((1..=60).contains(&page.header("retry-after").parse::<u64>().unwrap()));
    assert_eq!(page.form().get("next"), "/logout");
    assert_eq!(browser.submit(&guess.set("user_id", "id002")).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn logging_out_ends_the_session() {
    let server = start().await;
    let browser = server.browser();
    let (cookie, _) = set_cookie(&browser.log_in("/", USER).await.headers);
    let page = browser.submit(&browser.get("/logout").await.form()).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("logged out"), "{}", page.text);
    assert_eq!(page.header("set-cookie"), "grantwell_as=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    assert!(!is_logged_in(&server, &cookie).await);
    assert!(browser.get(AUTHORIZE).await.headers[LOCATION].to_str().unwrap().starts_with("/login?next="));
}

/// A consent page that was shown to one session decides nothing in the next.
#[tokio::test]
async fn a_consent_page_is_for_one_session() {
    let server = start().await;
    let browser = server.browser();
    let old = browser.consent_page(AUTHORIZE).await.form().set("confirm", "yes");
    browser.log_in("/", USER).await;
    assert_eq!(browser.submit(&old).await.location(), AUTHORIZE);
    let new = browser.get(AUTHORIZE).await.form();
    let restarted = browser.submit(&new.set("ticket", old.get("ticket")).set("confirm", "yes")).await;
    assert_eq!(restarted.location(), AUTHORIZE);
}

#[tokio::test]
async fn a_login_page_that_is_out_of_date_is_shown_again() {
    let server = start().await;
    let browser = server.browser();
    let old = browser.get("/login?next=%2Fapi%2Fme").await.form().set("user_id", USER.0).set("password", USER.1);
    browser.log_in("/", USER).await;
    let page = browser.submit(&old).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let again = page.form().set("password", USER.1);
    assert_eq!((again.get("user_id"), again.get("next")), (USER.0, "/api/me"));
    assert_eq!(browser.submit(&again).await.location(), "/api/me");
}
