mod host;

use std::sync::Arc;

use grantwell::grants::{AuthorizationCode, RefreshToken};
use grantwell::resource::BearerCheck;
use grantwell::stores::MemoryStore;
use grantwell::{Introspection, Revocation};

fn main() {
    let _ = (
        host::over(MemoryStore::new())
            .grant(AuthorizationCode::new())
            .grant(RefreshToken::rotating())
            .endpoint(Introspection::new())
            .endpoint(Revocation::new())
            .with_revocation()
            .remember_consent(),
        BearerCheck::new("https://as.example", Arc::new(MemoryStore::new())),
    );
}
