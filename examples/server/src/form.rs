//! The forms of the server's own pages: a field that proves where they come from, and how they are read.

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantwell::{Params, Randomness as _, SystemRandomness};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::cookie::{CookieJar, SessionId};
use crate::failure::Failure;

const FORM: &[u8] = b"application/x-www-form-urlencoded";

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

/// A form that was sent to this server.
pub(crate) struct Sent {
    pub(crate) fields: Params,
    /// The session it belongs to, if a page of this server was shown there and its form was sent.
    pub(crate) session: Option<SessionId>,
}

/// The one field that a form has more than once: a checkbox for each scope.
const REPEATED: &str = "scope";

/// Reads the form in `request`, by the limits of the protocol's own forms.
pub(crate) async fn read(
    request: Request,
    purpose: Purpose,
    key: &FormKey,
    cookies: CookieJar,
) -> Result<Sent, Failure> {
    let request = buffer(request).await?;
    let is_form = request.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(FORM));
    let fields = Params::parse(request.body()).ok().filter(|_| is_form).ok_or(Failure::Malformed)?;
    if fields.iter().any(|(name, _)| name != REPEATED && fields.is_repeated(name)) {
        return Err(Failure::Malformed);
    }
    let session = cookies.read(request.headers()).filter(|_| !is_from_elsewhere(request.headers()));
    let session = session.filter(|id| key.is_right(id, purpose, fields.get("csrf").unwrap_or_default()));
    Ok(Sent { fields, session })
}

/// The request with its body, which is bounded.
pub(crate) async fn buffer(request: Request) -> Result<axum::http::Request<Bytes>, Failure> {
    grantwell::buffer(request).await.map_err(|refused| match refused.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Failure::TooLarge,
        _ => Failure::Malformed,
    })
}

/// Whether the browser says that another site sent the form. `SameSite` lets other ports of the host through.
fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none")
}
