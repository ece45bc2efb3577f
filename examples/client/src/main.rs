//! The example client.
fn main() {}
