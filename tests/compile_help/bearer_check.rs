mod host;

use std::sync::Arc;

use grantwell::resource::BearerCheck;

fn main() {
    let _ = BearerCheck::new("https://as.example", Arc::new(host::MyStore));
}
