//! The stores that the tests run against.
