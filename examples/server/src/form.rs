//! The forms of the server's own pages: a field that proves where they come from, and how they are read.

use axum::Form;
use axum::extract::{FromRequest as _, Request};
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantwell::{Randomness as _, SystemRandomness};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::cookie::{CookieJar, SessionId};
use crate::failure::Failure;

/// What a form is for; a token of one kind is no good in another.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Login,
    Consent,
    Logout,
}

/// Makes and checks the `csrf` field: a MAC over the cookie's id and the form's purpose, so nothing need be kept.
pub(crate) struct FormKey(Hmac<Sha256>);

impl FormKey {
    pub(crate) fn random() -> Self {
        let mut key = [0; 64];
        SystemRandomness.fill(&mut key);
        Self(Hmac::new(&key.into()))
    }

    pub(crate) fn token(&self, id: &SessionId, purpose: Purpose) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(id, purpose).finalize().into_bytes())
    }

    fn is_right(&self, id: &SessionId, purpose: Purpose, token: &str) -> bool {
        let token = URL_SAFE_NO_PAD.decode(token).unwrap_or_default();
        self.mac(id, purpose).verify_slice(&token).is_ok()
    }

    fn mac(&self, id: &SessionId, purpose: Purpose) -> Hmac<Sha256> {
        let purpose = match purpose {
            Purpose::Login => "login",
            Purpose::Consent => "consent",
            Purpose::Logout => "logout",
        };
        let mut mac = self.0.clone();
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(id.as_str().as_bytes());
        mac
    }
}

/// The fields of a form that came from a page of this server, in this browser.
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The value of the field; of one that is repeated, the first.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of a field that may be repeated.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// Reads the form in `request`, which must come from a page of this server that was shown in the same browser.
pub(crate) async fn read(
    request: Request,
    purpose: Purpose,
    key: &FormKey,
    cookies: CookieJar,
) -> Result<(SessionId, Fields), Failure> {
    if is_from_elsewhere(request.headers()) {
        return Err(Failure::Forged);
    }
    let id = cookies.read(request.headers());
    let form = Form::<Vec<(String, String)>>::from_request(request, &()).await;
    let fields = match form {
        Ok(Form(fields)) => Fields(fields),
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => return Err(Failure::TooLarge),
        Err(_) => return Err(Failure::Malformed),
    };
    let id = id.filter(|id| key.is_right(id, purpose, fields.get("csrf").unwrap_or_default()));
    Ok((id.ok_or(Failure::Forged)?, fields))
}

/// Whether the browser says that another site sent the form. `SameSite` lets other ports of the host through.
fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none")
}
