//! The authorization server speaks the types of `http` 1, actix-web those of `http` 0.2: their texts are the same.

use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use http::{Request, Response};

pub(crate) fn from_actix(request: &HttpRequest, body: Bytes) -> Result<Request<Bytes>, http::Error> {
    let own = Request::builder().method(request.method().as_str()).uri(request.uri().to_string());
    let headers = request.headers().iter();
    headers.fold(own, |own, (name, value)| own.header(name.as_str(), value.as_bytes())).body(body)
}

pub(crate) fn into_actix(response: Response<Bytes>) -> HttpResponse {
    let status = StatusCode::from_u16(response.status().as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut own = HttpResponse::build(status);
    for (name, value) in response.headers() {
        own.append_header((name.as_str(), value.as_bytes()));
    }
    own.body(response.into_body())
}
