mod host;

use grantwell::grants::legacy::Implicit;

fn main() {
    let _ = host::over(host::BareStore).grant(Implicit::new());
}
