mod host;

use grantwell::jose::Algorithm;
use grantwell::signing::RotatingKeys;

fn main() {
    let _ = host::over(host::MyStore).signing_keys(RotatingKeys::new([Algorithm::RS256]));
}
