mod host;

use grantwell::Revocation;

fn main() {
    let _ = host::over(host::MyStore).endpoint(Revocation::new());
}
