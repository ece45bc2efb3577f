//! The service's pages.

use url::form_urlencoded;

/// The header that keeps other sites from showing a page in a frame and having it clicked (RFC 6749 section 10.13).
pub const NO_FRAMES: (&str, &str) = ("content-security-policy", "frame-ancestors 'none'");

/// The address of the login page, which leads on to `next`.
pub fn login_url(next: &str) -> String {
    format!("/login?{}", form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish())
}

/// Where a login leads: to `next` if it is a path here, so that a forged link does not lead elsewhere.
pub fn local(next: &str) -> &str {
    let is_path = next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\t', '\r', '\n']);
    if is_path { next } else { "/" }
}

/// The login page.
pub fn login(next: &str) -> String {
    let next = escape(next);
    page(&format!(
        r#"<form method="post" action="/login">
<input type="hidden" name="next" value="{next}">
<input name="user" autocomplete="username">
<input name="password" type="password" autocomplete="current-password">
<button>Log in</button>
</form>"#
    ))
}

/// The consent page, whose form goes to `action`.
pub fn consent(action: &str, client: &str, host: &str, scopes: &str, ticket: &str) -> String {
    let [action, client, host, scopes, ticket] = [action, client, host, scopes, ticket].map(escape);
    page(&format!(
        r#"<p>{client} (at {host}) asks for: {scopes}</p>
<form method="post" action="{action}">
<input type="hidden" name="ticket" value="{ticket}">
<button name="confirm" value="yes">Allow</button>
<button name="confirm" value="no">Deny</button>
</form>"#
    ))
}

fn page(body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Wonderland</title>\n{body}\n</html>\n"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn a_login_leads_nowhere_else() {
        assert_eq!(local("/authorize?a=b"), "/authorize?a=b");
        for elsewhere in ["https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example", "evil", ""] {
            assert_eq!(local(elsewhere), "/", "{elsewhere:?}");
        }
    }
}
