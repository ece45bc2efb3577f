mod host;

use grantwell::grants::RefreshToken;

fn main() {
    let _ = host::over(host::MyStore).grant(RefreshToken::rotating());
}
