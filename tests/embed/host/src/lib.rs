//! What both services had before they embedded an authorization server: a database with users and sessions, and pages.
//! Nothing here knows OAuth.

mod db;
pub mod pages;
mod sessions;

pub use db::{Db, Unavailable};
pub use sessions::{COOKIE, Session, Sessions};
