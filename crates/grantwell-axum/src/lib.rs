#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

use std::fmt;
use std::marker::PhantomData;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use grantwell::resource::{Access, Refused, Requirement, ResourceServer};

/// What a handler needs of whoever calls it; the `R` of [`Authorized`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what a request needs",
    note = "implement `grantwell_axum::Requires` for `{Self}`: `const REQUIREMENT: Requirement = Requirement::all_of(\"..\");`"
)]
pub trait Requires {
    /// What the request needs. Text that is no scope is an error of the compiler.
    const REQUIREMENT: Requirement;
}

/// Any active token of the API.
#[derive(Clone, Copy, Debug)]
pub enum AnyToken {}

impl Requires for AnyToken {
    const REQUIREMENT: Requirement = Requirement::any_token();
}

/// The request comes with an access token that is enough for `R`. As an `Option` it is `None` where no token came.
///
/// A token in a form body is not seen.
pub struct Authorized<R = AnyToken> {
    /// Who may do what.
    pub access: Access,
    requirement: PhantomData<fn() -> R>,
}

impl<R> fmt::Debug for Authorized<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorized").field("access", &self.access).finish_non_exhaustive()
    }
}

impl<S, R> FromRequestParts<S> for Authorized<R>
where
    S: Send + Sync,
    R: Requires,
    ResourceServer: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let access = ResourceServer::from_ref(state).check_head(parts, &R::REQUIREMENT).await;
        Ok(Self { access: access.map_err(Rejection)?, requirement: PhantomData })
    }
}

impl<S, R> OptionalFromRequestParts<S> for Authorized<R>
where
    S: Send + Sync,
    R: Requires,
    ResourceServer: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Rejection> {
        match <Self as FromRequestParts<S>>::from_request_parts(parts, state).await {
            Ok(authorized) => Ok(Some(authorized)),
            Err(Rejection(refused)) if refused.error().is_none() => Ok(None),
            Err(rejection) => Err(rejection),
        }
    }
}

/// The token is missing, wrong or not enough; rendered as RFC 6750 section 3 says.
#[derive(Debug)]
pub struct Rejection(pub Refused);

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        self.0.response().map(Body::from)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Rejection {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// The route of the API's metadata (RFC 9728 section 3), to be merged into the router of the origin's root. If a
/// segment of the API's path begins with `:` or `*`, that router has to be [`Router::without_v07_checks`] too.
pub fn metadata<S: Clone + Send + Sync + 'static>(api: &ResourceServer) -> Router<S> {
    let service = api.well_known();
    match service.path().map(str::to_owned) {
        Some(path) => Router::new().without_v07_checks().route_service(&path, service),
        None => Router::new(),
    }
}
