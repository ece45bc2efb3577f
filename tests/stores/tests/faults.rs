//! The way to a database fails at any request: the answer is right or "not now", what is used up works once, what was
//! acknowledged is there, and what failed can be done again.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use grantwell::{Clock as _, SystemClock};
use grantwell_store_tests::flows::Answer;
use grantwell_store_tests::outcome::{Host, NotNow, Outcome, REPLYING, again};
use grantwell_store_tests::place;
use grantwell_store_tests::proxy::{Fault, Proxy};

/// One run of a flow, whose `k`-th request to the database fails.
struct Run<'a> {
    host: &'a Host,
    proxy: &'a Proxy,
    fault: Fault,
    k: usize,
    subject: String,
}

/// What became of a flow at whose `k`-th request the way failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Became {
    /// It was answered all the same, or could be done again.
    Done,
    /// It was done, but nobody learnt it, and it cannot be done again.
    Lost,
}

impl Run<'_> {
    /// What it answered in spite of the fault; `None` if it makes fewer requests.
    async fn faulted<T>(&self, ask: impl Future<Output = Outcome<T>>) -> Option<Option<T>> {
        let answer = self.proxy.during(self.fault, self.k, ask).await?;
        Some(answer.and_then(Result::ok))
    }

    async fn ticket(&self) -> String {
        again(async || self.host.authorize(&self.subject).await).await.ticket()
    }

    async fn decide(&self, ticket: &str) -> String {
        again(async || self.host.decide(&self.subject, ticket).await).await
    }

    async fn code(&self) -> String {
        again(async || self.host.code(&self.subject).await).await
    }

    async fn redeem(&self, code: &str) -> Answer {
        again(async || self.host.redeem(code).await).await
    }

    async fn refresh(&self, token: &str) -> Answer {
        again(async || self.host.refresh(token).await).await
    }

    async fn tokens(&self) -> Answer {
        self.redeem(&self.code().await).await
    }

    async fn is_active(&self, token: &str) -> bool {
        again(async || self.host.is_active(token).await).await
    }

    /// The tokens work, and what came before them does not.
    async fn are_good(&self, tokens: &Answer, code: &str) {
        assert!(self.is_active(&tokens.text("access_token")).await);
        let next = self.refresh(&tokens.text("refresh_token")).await;
        assert!(self.is_active(&next.text("access_token")).await);
        assert_eq!(self.redeem(code).await.error(), (400, "invalid_grant"));
    }

    /// Nothing the subject approved works.
    async fn is_undone(&self) {
        let list = async || {
            let list = self.host.store.list_authorizations(&self.subject.as_str().into(), SystemClock.now()).await;
            list.map_err(|_| NotNow)
        };
        assert_eq!(again(list).await, []);
    }

    async fn authorizing(&self) -> Option<Became> {
        if let Some(answer) = self.faulted(self.host.authorize(&self.subject)).await? {
            answer.ticket();
        }
        let code = self.decide(&self.ticket().await).await;
        self.are_good(&self.redeem(&code).await, &code).await;
        Some(Became::Done)
    }

    async fn deciding(&self) -> Option<Became> {
        let ticket = self.ticket().await;
        let first = self.faulted(self.host.decide(&self.subject, &ticket)).await?;
        let code = self.decide(&ticket).await;
        assert!(first.is_none_or(|first| first == code));
        self.are_good(&self.redeem(&code).await, &code).await;
        Some(Became::Done)
    }

    async fn authorizing_silently(&self) -> Option<Became> {
        self.decide(&self.ticket().await).await;
        let code = match self.faulted(self.host.authorize(&self.subject)).await? {
            Some(authorized) => authorized.code(),
            None => self.code().await,
        };
        self.are_good(&self.redeem(&code).await, &code).await;
        Some(Became::Done)
    }

    async fn redeeming(&self) -> Option<Became> {
        let code = self.code().await;
        if let Some(tokens) = self.faulted(self.host.redeem(&code)).await? {
            self.are_good(&tokens, &code).await;
            return Some(Became::Done);
        }
        let answer = self.redeem(&code).await;
        if answer.status == 200 {
            self.are_good(&answer, &code).await;
            return Some(Became::Done);
        }
        // It was a replay, which revokes.
        self.is_undone().await;
        Some(Became::Lost)
    }

    async fn replaying(&self) -> Option<Became> {
        let code = self.code().await;
        let tokens = self.redeem(&code).await;
        let answer = self.faulted(self.host.redeem(&code)).await?;
        assert!(answer.is_none_or(|answer| answer.status == 400));
        assert_eq!(self.redeem(&code).await.error(), (400, "invalid_grant"));
        assert!(!self.is_active(&tokens.text("access_token")).await);
        self.is_undone().await;
        Some(Became::Done)
    }

    async fn refreshing(&self) -> Option<Became> {
        let first = self.tokens().await.text("refresh_token");
        let answer = self.faulted(self.host.refresh(&first)).await?;
        let second = self.refresh(&first).await;
        for answer in answer.iter().chain([&second]) {
            assert_eq!(answer.text("refresh_token"), second.text("refresh_token"), "one successor");
            assert!(self.is_active(&answer.text("access_token")).await);
        }
        let third = self.refresh(&second.text("refresh_token")).await;
        assert!(self.is_active(&third.text("access_token")).await);
        assert_eq!(self.refresh(&first).await.error(), (400, "invalid_grant"));
        Some(Became::Done)
    }

    async fn repeating_a_refresh(&self) -> Option<Became> {
        let first = self.tokens().await.text("refresh_token");
        let second = self.refresh(&first).await;
        let answer = self.faulted(self.host.refresh(&first)).await?;
        for answer in answer.iter().chain([&self.refresh(&first).await]) {
            assert_eq!(answer.text("refresh_token"), second.text("refresh_token"), "one successor");
            assert!(self.is_active(&answer.text("access_token")).await);
        }
        Some(Became::Done)
    }

    async fn using_client_credentials(&self) -> Option<Became> {
        let answer = self.faulted(self.host.client_credentials()).await?;
        for answer in answer.iter().chain([&again(async || self.host.client_credentials().await).await]) {
            assert!(self.is_active(&answer.text("access_token")).await);
        }
        Some(Became::Done)
    }

    async fn introspecting(&self, name: &str) -> Option<Became> {
        let token = self.tokens().await.text(name);
        assert!(self.faulted(self.host.is_active(&token)).await?.unwrap_or(true));
        assert!(self.is_active(&token).await);
        Some(Became::Done)
    }

    async fn revoking(&self, name: &str) -> Option<Became> {
        let tokens = self.tokens().await;
        let token = tokens.text(name);
        if self.faulted(self.host.revoke(&token)).await?.is_none() {
            assert_eq!(again(async || self.host.revoke(&token).await).await.status, 200);
        }
        assert!(!self.is_active(&tokens.text("access_token")).await);
        if name == "refresh_token" {
            self.is_undone().await;
        }
        Some(Became::Done)
    }

    async fn disconnecting(&self) -> Option<Became> {
        let tokens = self.tokens().await;
        if self.faulted(self.host.disconnect(&self.subject)).await?.is_none() {
            again(async || self.host.disconnect(&self.subject).await).await;
        }
        assert!(!self.is_active(&tokens.text("access_token")).await);
        self.is_undone().await;
        self.ticket().await;
        Some(Became::Done)
    }

    async fn flow(&self, name: &str) -> Option<Became> {
        match name {
            "authorize" => self.authorizing().await,
            "decide" => self.deciding().await,
            "authorize silently" => self.authorizing_silently().await,
            "redeem" => self.redeeming().await,
            "replay" => self.replaying().await,
            "refresh" => self.refreshing().await,
            "refresh again" => self.repeating_a_refresh().await,
            "client credentials" => self.using_client_credentials().await,
            "introspect" => self.introspecting("access_token").await,
            "introspect a refresh token" => self.introspecting("refresh_token").await,
            "revoke" => self.revoking("access_token").await,
            "revoke a refresh token" => self.revoking("refresh_token").await,
            "disconnect" => self.disconnecting().await,
            other => panic!("{other}?"),
        }
    }
}

const FLOWS: [&str; 13] = [
    "authorize",
    "decide",
    "authorize silently",
    "redeem",
    "replay",
    "refresh",
    "refresh again",
    "client credentials",
    "introspect",
    "introspect a refresh token",
    "revoke",
    "revoke a refresh token",
    "disconnect",
];

/// `silence`: after what time a request is dropped to which the database does not reply.
async fn every_flow_at_every_request(host: &Host, proxy: &Proxy, silence: Duration) {
    static SUBJECTS: AtomicUsize = AtomicUsize::new(0);
    for name in FLOWS {
        for fault in [Fault::NotSent, Fault::ReplyLost, Fault::Silence(silence)] {
            let mut outcomes = Vec::new();
            loop {
                let k = outcomes.len();
                // The last such line says where a flow failed.
                println!("{name}: {fault:?} {k}");
                let subject = format!("subject {}", SUBJECTS.fetch_add(1, Ordering::Relaxed));
                match (Run { host, proxy, fault, k, subject }).flow(name).await {
                    Some(became) => outcomes.push(became),
                    None => break,
                }
            }
            let lost = outcomes.iter().filter(|became| **became == Became::Lost).count();
            assert_eq!(lost, usize::from(name == "redeem" && fault != Fault::NotSent), "{outcomes:?}");
            assert!(outcomes.len() >= 2, "the client and what is asked for");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a PostgreSQL: GRANTWELL_POSTGRES"]
async fn every_flow_survives_a_fault_at_every_request_to_postgres() {
    let (url, prefix) = place::postgres();
    let proxy = Proxy::before(&url);
    // By one connection the requests come in one order, every time.
    let host = Host::over_postgres(&proxy.url(), &prefix, 1).await;
    // There is no time limit of the pool's own.
    every_flow_at_every_request(&host, &proxy, Duration::from_millis(100)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Redis: GRANTWELL_REDIS"]
async fn every_flow_survives_a_fault_at_every_request_to_redis() {
    let (url, prefix) = place::redis();
    let proxy = Proxy::before(&url);
    let host = Host::over_redis(&proxy.url(), &prefix).await;
    every_flow_at_every_request(&host, &proxy, 2 * REPLYING).await;
}
