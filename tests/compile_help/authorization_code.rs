mod host;

use grantwell::grants::AuthorizationCode;

fn main() {
    let _ = host::over(host::BareStore).grant(AuthorizationCode::new());
}
