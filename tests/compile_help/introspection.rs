mod host;

use grantwell::Introspection;

fn main() {
    let _ = host::over(host::MyStore).endpoint(Introspection::new());
}
