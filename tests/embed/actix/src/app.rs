use actix_web::http::StatusCode;
use actix_web::http::header::{COOKIE, HeaderMap, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
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
        let cookies = headers.get(COOKIE).and_then(|value| value.to_str().ok());
        let session = self.sessions.current(cookies).await?;
        Ok(session.map(|own| Login::new(own.user, own.id, Timestamp::from_unix(own.logged_in_at))))
    }
}

/// Why a handler answers something else.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the service cannot reach what it needs")]
    Database(#[from] embed_host::Unavailable),
    #[error("a stored record cannot be read")]
    Record(#[from] grantwell::model::CorruptRow),
    #[error("the request cannot be converted")]
    Http(#[from] http::Error),
    /// Not without an access token: `WWW-Authenticate`.
    #[error("no good access token")]
    Unauthorized(&'static str),
    /// Not with this access token: `WWW-Authenticate`.
    #[error("the access token is not for this")]
    Forbidden(&'static str),
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Database(_) | Self::Record(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Http(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        match self {
            Self::Unauthorized(challenge) | Self::Forbidden(challenge) => {
                response.insert_header((WWW_AUTHENTICATE, *challenge));
            }
            _ => eprintln!("{self}: {:?}", std::error::Error::source(self)),
        }
        response.finish()
    }
}
