//! What can go wrong, and the page that tells it.

use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use oauth2::url::Url;

use crate::pages::{self, ErrorPage};

pub(crate) enum Failure {
    /// The request to this application makes no sense.
    Invalid(&'static str),
    /// The authorization server said no.
    Refused {
        error: String,
        description: Option<String>,
    },
    /// The server takes neither the access token nor the refresh token any more.
    Ended,
    NotFound,
    /// Nobody answers at this issuer's address.
    Unreachable(String),
    /// The server answered with another status than 200.
    Status(Url, StatusCode),
    /// The server's answer cannot be used.
    Unexpected(String),
}

impl From<QueryRejection> for Failure {
    fn from(_: QueryRejection) -> Self {
        Self::Invalid("The address has a query that this application does not know.")
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut start_server = false;
        let (status, title, detail) = match self {
            Self::Invalid(why) => (StatusCode::BAD_REQUEST, "That did not work", why.to_owned()),
            Self::Refused { error, description } => {
                let detail = match description {
                    Some(description) => format!("{error}: {description}"),
                    None => error,
                };
                (StatusCode::BAD_REQUEST, "The authorization server said no", detail)
            }
            Self::Ended => {
                let why = "The authorization server no longer takes this application's tokens.";
                (StatusCode::FORBIDDEN, "Please log in again", why.to_owned())
            }
            Self::NotFound => (StatusCode::NOT_FOUND, "There is no such page", "Check the address.".to_owned()),
            Self::Unreachable(issuer) => {
                start_server = true;
                let why = format!("The authorization server at {issuer} cannot be reached.");
                (StatusCode::BAD_GATEWAY, "Nobody is answering", why)
            }
            Self::Status(url, status) => {
                let why = format!("{url} answered {status}.");
                (StatusCode::BAD_GATEWAY, "The authorization server failed", why)
            }
            Self::Unexpected(why) => (StatusCode::BAD_GATEWAY, "The authorization server failed", why),
        };
        (status, pages::show(ErrorPage { title, detail, start_server })).into_response()
    }
}
