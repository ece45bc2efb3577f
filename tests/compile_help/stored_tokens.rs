mod host;

use std::sync::Arc;

use grantwell::resource::StoredTokens;

fn main() {
    let _ = StoredTokens::new("https://as.example", Arc::new(host::MyStore));
}
