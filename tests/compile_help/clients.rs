mod host;

use std::sync::Arc;

use grantwell::AuthorizationServer;

fn main() {
    let _ = AuthorizationServer::builder("https://as.example", Arc::new(host::BareStore), Arc::new(host::MyStore));
}
