//! Between bytes and parameters: requests parsed once and strictly, answers built in one place.

mod authorization_response;
mod params;
mod request;
mod response;

pub use authorization_response::ResponseMode;
pub(crate) use authorization_response::{authorization_response, encode};
pub use params::Params;
use params::decode;
pub(crate) use params::parse_form;
pub use request::ClientAddress;
pub(crate) use request::{basic_credentials, bearer_token, form, form_body};
pub use response::{ErrorPage, PlainErrorPage};
pub(crate) use response::{document, error_json, error_page, json, not_found, see_other};
use response::{escape, html};

/// The largest request body, in bytes.
pub const MAX_BODY: usize = 64 * 1024;
/// The most parameters of one request.
pub const MAX_PARAMS: usize = 256;
/// The longest parameter value, in bytes, decoded.
pub const MAX_VALUE: usize = 8 * 1024;
