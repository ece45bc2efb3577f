//! How the server starts and stops.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may panic")]

mod support;

use grantwell_server::{Config, StartError};
use support::{USER, start};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn a_taken_port_is_told_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = Config::parse("store = 'memory'").unwrap();
    config.listen = Some(taken.local_addr().unwrap());
    let error = grantwell_server::start(config).await.err().unwrap();
    assert!(matches!(error, StartError::Listen { address, .. } if address == taken.local_addr().unwrap()));
    assert!(error.to_string().starts_with("cannot listen on 127.0.0.1:"), "{error}");
}

#[tokio::test]
async fn an_issuer_that_clients_would_refuse_is_refused() {
    for issuer in [
        "as.example",
        "http://as.example",
        "https://as.example/?a",
        "https://as.example/a b",
        "https://u:hunter2@as.example",
        "https://u:hunter2@as.example:port",
        "https://u:hunter2/@as.example",
    ] {
        let mut config = Config::parse("listen = '127.0.0.1:0'\nstore = 'memory'").unwrap();
        config.issuer = Some(issuer.to_owned());
        let error = grantwell_server::start(config).await.err().unwrap();
        assert!(error.to_string().contains("issuer"), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn stopping_finishes_what_is_under_way() {
    let server = start().await;
    let address = server.running.addresses()[0];
    let mut request = TcpStream::connect(address).await.unwrap();
    let head = "POST /token HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n";
    request.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    request.read_exact(&mut interim).await.unwrap();
    assert!(interim.starts_with(b"HTTP/1.1 100 Continue"), "the request is under way");

    let rest = async {
        request.write_all(b"a=b").await.unwrap();
        let mut answer = String::new();
        request.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let ((), answer) = tokio::join!(server.running.stop(), rest);
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn the_built_in_user_is_the_one_that_is_printed() {
    assert_eq!(Config::BUILT_IN_USER, USER);
}
