mod host;

use grantwell::grants::{AuthorizationCode, ClientCredentials};

fn main() {
    let _ = host::over(host::MyStore).grant(AuthorizationCode::new()).grant(ClientCredentials::new());
}
