//! The forms of the server's own pages: a field that proves where they come from, and how they are read.

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantwell::{Params, SecretKey};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::cookie::{CookieJar, SessionId};
use crate::failure::Failure;
use crate::keys::Keys;

const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// What a form is for; a token of one kind is no good in another.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Login,
    Consent,
    Logout,
}

/// Make and check the `csrf` field: a MAC over the cookie's id and the form's purpose, so nothing need be kept.
///
/// The keys follow from the server's secret keys, so that a page of one replica can be sent to another.
pub(crate) struct FormKeys {
    current: FormKey,
    previous: Vec<FormKey>,
}

struct FormKey(Hmac<Sha256>);

impl FormKeys {
    pub(crate) fn new(keys: &Keys) -> Self {
        let previous = keys.previous().iter().map(FormKey::derive).collect();
        Self { current: FormKey::derive(keys.current()), previous }
    }

    pub(crate) fn token(&self, id: &SessionId, purpose: Purpose) -> String {
        URL_SAFE_NO_PAD.encode(self.current.mac(id, purpose).finalize().into_bytes())
    }

    fn is_right(&self, id: &SessionId, purpose: Purpose, token: &str) -> bool {
        let token = URL_SAFE_NO_PAD.decode(token).unwrap_or_default();
        let is_right = |key: &FormKey| key.mac(id, purpose).verify_slice(&token).is_ok();
        is_right(&self.current) || self.previous.iter().any(is_right)
    }
}

impl FormKey {
    fn derive(secret: &SecretKey) -> Self {
        let mut key = [0; 64];
        #[expect(clippy::expect_used, reason = "HKDF-SHA256 yields up to 8,160 bytes")]
        Hkdf::<Sha256>::new(Some(b"grantwell-server"), secret.expose()).expand(b"forms", &mut key).expect("64 bytes");
        Self(Hmac::new(&key.into()))
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
    keys: &FormKeys,
    cookies: CookieJar,
) -> Result<Sent, Failure> {
    let request = buffer(request).await?;
    let is_form = request.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(FORM));
    let fields = Params::parse(request.body()).ok().filter(|_| is_form).ok_or(Failure::Malformed)?;
    if fields.iter().any(|(name, _)| name != REPEATED && fields.is_repeated(name)) {
        return Err(Failure::Malformed);
    }
    let session = cookies.read(request.headers()).filter(|_| !is_from_elsewhere(request.headers()));
    let session = session.filter(|id| keys.is_right(id, purpose, fields.get("csrf").unwrap_or_default()));
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
