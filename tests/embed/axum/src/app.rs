use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use embed_host::{Db, Sessions};
use grantwell::{AuthorizationServer, Login, Timestamp};

/// What every handler may use.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) db: Db,
    pub(crate) sessions: Sessions,
    pub(crate) oauth: AuthorizationServer,
}

impl App {
    /// Who is logged in.
    pub(crate) async fn login(&self, headers: &HeaderMap) -> Result<Option<Login>, Failure> {
        let cookies = headers.get(header::COOKIE).and_then(|value| value.to_str().ok());
        let session = self.sessions.current(cookies).await?;
        Ok(session.map(|own| Login::new(own.user, own.id, Timestamp::from_unix(own.logged_in_at))))
    }
}

/// Why a handler answers something else.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Not now.
    Unavailable,
    /// Not without a (better) access token: the status and `WWW-Authenticate`.
    Challenge(StatusCode, &'static str),
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        eprintln!("unavailable: {error}");
        Self::Unavailable
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            Self::Challenge(status, challenge) => (status, [(header::WWW_AUTHENTICATE, challenge)]).into_response(),
        }
    }
}
