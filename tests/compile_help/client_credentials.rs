mod host;

use grantwell::grants::ClientCredentials;

fn main() {
    let _ = host::over(host::BareStore).grant(ClientCredentials::new());
}
