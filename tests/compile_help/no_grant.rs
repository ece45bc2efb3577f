mod host;

struct MyGrant;

fn main() {
    let _ = host::over(host::MyStore).grant(MyGrant);
}
