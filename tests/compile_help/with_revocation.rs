mod host;

fn main() {
    let _ = host::over(host::MyStore).with_revocation();
}
