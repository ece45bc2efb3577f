//! The services as `tower_service::Service`s: the body is read up to a limit, then it is the same call.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use tower_service::Service;

use crate::error::{Error, ErrorCode};
use crate::resource;
use crate::server::{Endpoints, WellKnown};
use crate::wire::{MAX_BODY, error_json};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Answer = Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send>>;

/// Reads a request's body into memory, at most 64 KiB of it.
///
/// # Errors
/// The answer to send: 413 when there is more, 400 when the body broke off.
pub async fn buffer<B>(request: Request<B>) -> Result<Request<Bytes>, Response<Bytes>>
where
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let (head, body) = request.into_parts();
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Ok(Request::from_parts(head, body.to_bytes())),
        Err(cause) => {
            let status =
                if cause.is::<LengthLimitError>() { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST };
            let error = Error::new(ErrorCode::InvalidRequest, "the body cannot be read").caused_by(cause);
            Err(error_json(&error.with_status(status)))
        }
    }
}

macro_rules! service {
    ($name:ty) => {
        impl<B> Service<Request<B>> for $name
        where
            B: Body + Send + 'static,
            B::Data: Send,
            B::Error: Into<BoxError>,
        {
            type Response = Response<Full<Bytes>>;
            type Error = Infallible;
            type Future = Answer;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: Request<B>) -> Answer {
                let service = self.clone();
                Box::pin(async move {
                    let response = match buffer(request).await {
                        Ok(request) => <$name>::call(&service, request).await,
                        Err(refused) => refused,
                    };
                    Ok(response.map(Full::new))
                })
            }
        }
    };
}

service!(WellKnown);
service!(Endpoints);
service!(resource::WellKnown);
