mod host;

fn main() {
    let _ = host::over(host::MyStore).remember_consent();
}
