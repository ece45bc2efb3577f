//! The other side: protecting an API.

mod bearer;

pub use bearer::{Access, BearerCheck, Refused, RequiredScope};
