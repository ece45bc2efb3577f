mod host;

struct MyEndpoint;

fn main() {
    let _ = host::over(host::MyStore).endpoint(MyEndpoint);
}
