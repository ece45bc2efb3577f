//! The bundled server.
fn main() {}
