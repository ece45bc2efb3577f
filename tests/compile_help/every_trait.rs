mod host;

use std::sync::Arc;

use grantwell::grants::{AuthorizationCode, RefreshToken};
use grantwell::jose::Algorithm;
use grantwell::resource::StoredTokens;
use grantwell::signing::RotatingKeys;
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
            .remember_consent()
            .signing_keys(RotatingKeys::new([Algorithm::RS256])),
        StoredTokens::new("https://as.example", Arc::new(MemoryStore::new())),
    );
}
