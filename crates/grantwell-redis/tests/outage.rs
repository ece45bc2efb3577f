//! A Redis that is killed, started again, full, or does not answer in time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use grantwell::storage::{AccessTokenStore as _, AuthorizationCodeStore as _, CodeState, Redeemed, ReplayStore as _};
use grantwell_redis::{Connection, RedisStore};
use redis::aio::ConnectionManagerConfig;
use redis::{Client, cmd};
use support::{authorization, code, digest, issued, later};
use tokio::time::{sleep, timeout};

/// A `redis-server` of this test alone, which ends with it.
struct Server {
    port: u16,
    process: Child,
}

impl Server {
    fn start(port: u16) -> Self {
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.current_dir(std::env::temp_dir()).stdout(Stdio::null());
        Self { port, process: command.spawn().expect("redis-server starts") }
    }

    fn start_anywhere() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::start(port)
    }

    fn client(&self) -> Client {
        Client::open(("127.0.0.1", self.port)).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Waits until the store answers.
async fn recovers<C: Connection>(store: &RedisStore<C>) {
    let answers = async {
        while store.claim(&digest(), later(60)).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), answers).await.expect("the store works again without being made anew");
}

#[tokio::test]
#[ignore = "needs the program redis-server"]
async fn a_redis_that_is_down_is_a_fault_and_what_comes_after_it_works() {
    let server = Server::start_anywhere();
    let config = ConnectionManagerConfig::new().set_max_delay(Duration::from_millis(100));
    let manager = server.client().get_connection_manager_lazy(config).unwrap();
    let store = RedisStore::new(manager);
    recovers(&store).await;
    let code = code(&authorization());
    assert!(store.save_authorization_code(&code).await.unwrap());

    let port = server.port;
    drop(server);
    assert!(store.query_authorization_code(&code.code).await.is_err());
    assert!(store.save_authorization_code(&code).await.is_err());

    let server = Server::start(port);
    recovers(&store).await;
    assert_eq!(store.query_authorization_code(&code.code).await.unwrap(), None, "this Redis keeps nothing");
    assert!(store.save_authorization_code(&code).await.unwrap());
    drop(server);
}

#[tokio::test]
#[ignore = "needs the program redis-server"]
async fn a_redis_that_does_not_answer_in_time_is_a_fault() {
    let server = Server::start_anywhere();
    let config = ConnectionManagerConfig::new().set_response_timeout(Some(Duration::from_millis(100)));
    let store = RedisStore::new(server.client().get_connection_manager_lazy(config).unwrap());
    recovers(&store).await;
    let mut other = server.client().get_multiplexed_async_connection().await.unwrap();
    cmd("CLIENT").arg("PAUSE").arg(1000).arg("ALL").exec_async(&mut other).await.unwrap();
    let error = store.claim(&digest(), later(60)).await.unwrap_err();
    assert!(error.cause().downcast_ref::<redis::RedisError>().unwrap().is_timeout(), "{error}");
    recovers(&store).await;
}

#[tokio::test]
#[ignore = "needs the program redis-server"]
async fn a_redis_that_is_full_refuses_a_step_as_a_whole() {
    let server = Server::start_anywhere();
    let manager = server.client().get_connection_manager_lazy(ConnectionManagerConfig::new()).unwrap();
    let store = RedisStore::new(manager.clone());
    recovers(&store).await;
    let limit = async |bytes: u64| {
        cmd("CONFIG").arg("SET").arg("maxmemory").arg(bytes).exec_async(&mut manager.clone()).await.unwrap();
    };
    let code = code(&authorization());
    let issued = issued(&code.authorization);
    store.save_authorization_code(&code).await.unwrap();

    limit(1).await;
    assert!(store.redeem_authorization_code(&code.code, &issued).await.is_err());
    assert_eq!(store.query_authorization_code(&code.code).await.unwrap(), Some(CodeState::Active(code.clone())));
    assert_eq!(store.query_token(&issued.access_token.token).await.unwrap(), None);
    limit(0).await;
    assert_eq!(store.redeem_authorization_code(&code.code, &issued).await.unwrap(), Redeemed::Saved);
}
