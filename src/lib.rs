//! grantwell
