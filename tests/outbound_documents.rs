//! The cache of documents behind URLs: how long it keeps one, how often it asks, and what it does while nobody answers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use common::endpoint::Endpoint;
use common::*;
use futures::future::join_all;
use grantwell::outbound::{Documents, HttpError};
use http::{HeaderValue, Uri};

const HOUR: u64 = 3600;

/// A cache of texts in front of an endpoint.
struct Fixture {
    endpoint: Endpoint,
    documents: Documents<String>,
    clock: ManualClock,
}

impl Fixture {
    fn new() -> Self {
        let (endpoint, clock) = (Endpoint::new(), ManualClock::new());
        let documents =
            Documents::new(Arc::new(endpoint.clone()), HeaderValue::from_static("text/plain"), |response| {
                Ok(String::from_utf8(response.into_body().to_vec())?)
            });
        endpoint.answer("one");
        Self { endpoint, documents: documents.clock(clock.clone()), clock }
    }

    fn capacity(mut self, capacity: usize) -> Self {
        self.documents = self.documents.capacity(capacity);
        self
    }

    async fn get(&self) -> Result<String, HttpError> {
        self.get_at("https://a.example/doc").await
    }

    async fn get_at(&self, url: &str) -> Result<String, HttpError> {
        self.documents.get(&uri(url)).await.map(|text| text.as_str().to_owned())
    }

    async fn refetch(&self) -> Result<String, HttpError> {
        self.documents.refetch(&uri("https://a.example/doc")).await.map(|text| text.as_str().to_owned())
    }

    /// Gets the document, and how often that asked the endpoint.
    async fn asking(&self, times: usize) -> Result<String, HttpError> {
        let before = self.endpoint.asked();
        let got = self.get().await;
        assert_eq!(self.endpoint.asked() - before, times);
        got
    }
}

fn uri(url: &str) -> Uri {
    url.parse().unwrap()
}

/// Polls once, and leaves the future as it is.
fn begin<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// What the future has without waiting.
fn at_once<F: Future>(future: F) -> F::Output {
    match begin(&mut Box::pin(future)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

#[tokio::test]
async fn a_document_is_asked_for_by_get_with_its_media_types() {
    let host = Fixture::new();
    host.get().await.unwrap();
    let request = host.endpoint.last_request();
    assert_eq!((request.method().as_str(), request.uri()), ("GET", &uri("https://a.example/doc")));
    assert_eq!(request.headers()["accept"], "text/plain");
}

#[tokio::test]
async fn a_document_is_fresh_as_long_as_its_server_says_to_the_second() {
    for (cache_control, seconds) in
        [("max-age=600", 600), ("max-age=0", 5), ("no-store", 5), ("max-age=9999999", 24 * HOUR), ("", 300)]
    {
        let host = Fixture::new();
        host.endpoint.cache_control(cache_control);
        assert_eq!(host.asking(1).await.unwrap(), "one");
        host.endpoint.answer("two");
        host.clock.advance(seconds - 1);
        assert_eq!(host.asking(0).await.unwrap(), "one", "{cache_control}");
        host.clock.advance(1);
        assert_eq!(host.asking(1).await.unwrap(), "two", "{cache_control}");
        host.clock.advance(seconds - 1);
        assert_eq!(host.asking(0).await.unwrap(), "two", "the time begins anew");
    }
}

#[tokio::test]
async fn a_clock_that_is_put_back_lengthens_nothing() {
    let host = Fixture::new();
    host.get().await.unwrap();
    host.clock.set(START - 1);
    host.asking(1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_that_want_a_document_at_once_are_served_by_one_request() {
    for fails in [false, true] {
        let host = Fixture::new();
        host.endpoint.hold();
        if fails {
            host.endpoint.fail();
        }
        let mut waiting: Vec<_> = (0..50).map(|_| Box::pin(host.get())).collect();
        assert!(waiting.iter_mut().all(|get| begin(get).is_pending()));
        host.endpoint.release();
        let got = join_all(waiting).await;
        assert!(got.iter().all(|got| got.is_err() == fails));
        assert_eq!(host.endpoint.asked(), 1);
    }
}

#[tokio::test]
async fn urls_do_not_wait_for_each_other() {
    let host = Fixture::new();
    host.endpoint.hold();
    let mut waiting = Box::pin(host.get());
    assert!(begin(&mut waiting).is_pending());
    host.endpoint.release_for("https://b.example/doc");
    assert_eq!(host.get_at("https://b.example/doc").await.unwrap(), "one");
    assert!(begin(&mut waiting).is_pending());
}

#[tokio::test]
async fn when_the_one_who_waits_is_dropped_the_next_waits_in_its_place() {
    let host = Fixture::new();
    host.endpoint.hold();
    let mut first = Box::pin(host.get());
    let mut second = Box::pin(host.get());
    assert!(begin(&mut first).is_pending() && begin(&mut second).is_pending());
    drop(first);
    assert!(begin(&mut second).is_pending());
    drop(second);
    let third = host.get();
    host.endpoint.release();
    assert_eq!(third.await.unwrap(), "one");
    assert_eq!(host.endpoint.asked(), 1);
}

#[tokio::test]
async fn a_request_that_was_left_for_long_is_begun_anew() {
    let host = Fixture::new();
    host.endpoint.hold();
    assert!(begin(&mut Box::pin(host.get())).is_pending());
    host.clock.advance(29);
    assert!(begin(&mut Box::pin(host.get())).is_pending());
    assert_eq!(host.endpoint.asked(), 1);
    host.clock.advance(1);
    host.endpoint.release();
    host.asking(1).await.unwrap();
}

#[tokio::test]
async fn the_time_of_a_document_counts_from_the_request() {
    let host = Fixture::new();
    host.endpoint.cache_control("max-age=60");
    host.endpoint.hold();
    let mut waiting = Box::pin(host.get());
    assert!(begin(&mut waiting).is_pending());
    host.clock.advance(59);
    host.endpoint.release();
    waiting.await.unwrap();
    host.asking(0).await.unwrap();
    host.clock.advance(1);
    host.asking(1).await.unwrap();
}

#[tokio::test]
async fn a_client_that_panics_stops_nobody_else() {
    let host = Arc::new(Fixture::new());
    host.endpoint.panic();
    let panicked = tokio::spawn({
        let host = host.clone();
        async move { host.get().await }
    });
    assert!(panicked.await.unwrap_err().is_panic());
    host.endpoint.answer("one");
    assert_eq!(host.asking(1).await.unwrap(), "one");
}

#[tokio::test]
async fn after_a_failure_nothing_is_asked_for_ten_seconds() {
    let failures: [fn(&Endpoint); 6] = [
        |endpoint| endpoint.fail(),
        |endpoint| endpoint.answer(b"\xff".as_slice()),
        |endpoint| endpoint.status(203),
        |endpoint| endpoint.status(302),
        |endpoint| endpoint.status(404),
        |endpoint| endpoint.status(500),
    ];
    for failure in failures {
        let host = Fixture::new();
        failure(&host.endpoint);
        host.asking(1).await.unwrap_err();
        host.endpoint.answer("two");
        host.clock.advance(9);
        host.asking(0).await.unwrap_err();
        assert!(host.refetch().await.is_err());
        assert_eq!(host.endpoint.asked(), 1);
        host.clock.advance(1);
        assert_eq!(host.asking(1).await.unwrap(), "two");
    }
}

#[tokio::test]
async fn while_an_endpoint_is_down_its_document_is_used_for_an_hour() {
    let host = Fixture::new();
    host.endpoint.cache_control("max-age=600, must-revalidate");
    host.get().await.unwrap();
    host.endpoint.fail();
    host.clock.advance(600);
    assert_eq!(host.asking(1).await.unwrap(), "one");
    assert_eq!(host.asking(0).await.unwrap(), "one", "and the endpoint is left alone");
    host.clock.advance(HOUR - 1);
    assert_eq!(host.asking(1).await.unwrap(), "one");
    host.clock.advance(1);
    host.asking(0).await.unwrap_err();
    host.clock.advance(10);
    host.asking(1).await.unwrap_err();
    host.endpoint.answer("two");
    host.clock.advance(10);
    assert_eq!(host.asking(1).await.unwrap(), "two");
}

#[tokio::test]
async fn while_one_waits_for_a_slow_endpoint_the_others_use_what_there_is() {
    let host = Fixture::new();
    host.get().await.unwrap();
    host.clock.advance(300);
    host.endpoint.answer("two");
    host.endpoint.hold();
    let mut first = pin!(host.get());
    assert!(begin(&mut first).is_pending());
    for _ in 0..50 {
        assert_eq!(at_once(host.get()).unwrap(), "one");
    }
    host.endpoint.release();
    assert_eq!(first.await.unwrap(), "two");
    assert_eq!(host.asking(0).await.unwrap(), "two");
    assert_eq!(host.endpoint.asked(), 2);
}

#[tokio::test]
async fn a_newer_document_is_demanded_every_thirty_seconds_at_most() {
    let host = Fixture::new();
    host.get().await.unwrap();
    host.endpoint.answer("two");
    assert_eq!(host.refetch().await.unwrap(), "two");
    host.endpoint.answer("three");
    host.clock.advance(29);
    assert_eq!(host.refetch().await.unwrap(), "two");
    assert_eq!(host.endpoint.asked(), 2);
    host.clock.advance(1);
    assert_eq!(host.refetch().await.unwrap(), "three");
    assert_eq!(host.asking(0).await.unwrap(), "three");
    host.documents.refetch(&uri("https://b.example/doc")).await.unwrap();
    assert_eq!(host.endpoint.asked(), 4, "each URL has its own rate");
}

#[tokio::test]
async fn fifty_that_demand_a_newer_document_at_once_are_served_by_one_request() {
    let host = Fixture::new();
    host.get().await.unwrap();
    host.endpoint.answer("two");
    host.endpoint.hold();
    let mut waiting: Vec<_> = (0..50).map(|_| Box::pin(host.refetch())).collect();
    assert!(waiting.iter_mut().all(|refetch| begin(refetch).is_pending()));
    assert_eq!(at_once(host.get()).unwrap(), "one", "who does not demand it does not wait");
    host.endpoint.release();
    assert!(join_all(waiting).await.into_iter().all(|got| got.unwrap() == "two"));
    assert_eq!(host.endpoint.asked(), 2);
}

#[tokio::test]
async fn a_demand_that_is_dropped_leaves_its_request_to_the_next() {
    let host = Fixture::new();
    host.get().await.unwrap();
    host.endpoint.answer("two");
    host.endpoint.hold();
    for _ in 0..50 {
        assert!(begin(&mut Box::pin(host.refetch())).is_pending());
    }
    assert_eq!(host.endpoint.asked(), 2);
    host.endpoint.release();
    assert_eq!(host.refetch().await.unwrap(), "two");
    assert_eq!(host.endpoint.asked(), 2);
}

#[tokio::test]
async fn a_demand_that_fails_keeps_the_document_and_counts() {
    let host = Fixture::new();
    host.get().await.unwrap();
    host.endpoint.fail();
    assert_eq!(host.refetch().await.unwrap(), "one");
    host.endpoint.answer("two");
    host.clock.advance(29);
    assert_eq!(host.refetch().await.unwrap(), "one");
    assert_eq!(host.asking(0).await.unwrap(), "one", "it is still fresh");
    host.clock.advance(1);
    assert_eq!(host.refetch().await.unwrap(), "two");
}

#[tokio::test]
async fn as_many_urls_are_remembered_as_it_was_told_those_that_were_used_last() {
    let host = Fixture::new().capacity(2);
    let [a, b, c] = ["https://a.example/", "https://b.example/", "https://c.example/"];
    for url in [a, b, a, c] {
        host.get_at(url).await.unwrap();
    }
    assert_eq!(host.endpoint.asked(), 3);
    for url in [c, a] {
        host.get_at(url).await.unwrap();
    }
    assert_eq!(host.endpoint.asked(), 3);
    host.get_at(b).await.unwrap();
    assert_eq!(host.endpoint.asked(), 4);
}

#[tokio::test]
async fn urls_that_fail_do_not_drive_out_those_that_work() {
    let host = Fixture::new().capacity(2);
    host.get().await.unwrap();
    host.endpoint.fail();
    for number in 0..100 {
        host.get_at(&format!("https://{number}.example/")).await.unwrap_err();
    }
    host.asking(0).await.unwrap();
}

#[tokio::test]
async fn a_request_under_way_is_not_driven_out() {
    let host = Fixture::new().capacity(2);
    host.endpoint.hold();
    let mut waiting = Box::pin(host.get());
    assert!(begin(&mut waiting).is_pending());
    host.endpoint.release_for("https://b.example/");
    host.endpoint.release_for("https://c.example/");
    for url in ["https://b.example/", "https://c.example/"] {
        host.get_at(url).await.unwrap();
    }
    let mut second = Box::pin(host.get());
    assert!(begin(&mut second).is_pending());
    assert_eq!(host.endpoint.asked(), 3);
}
