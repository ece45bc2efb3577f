//! An `HttpClient` whose other side the test plays.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use async_trait::async_trait;
use bytes::Bytes;
use grantwell::outbound::{HttpClient, HttpError};
use http::header::CACHE_CONTROL;
use http::{Request, Response, StatusCode, Uri};

/// Answers every URL alike, as it was told last.
#[derive(Clone)]
pub struct Endpoint(Arc<Mutex<State>>);

struct State {
    requests: Vec<Request<Bytes>>,
    then: Then,
    cache_control: String,
    /// Whether requests wait, and which of them do not.
    held: bool,
    released: HashSet<Uri>,
}

enum Then {
    Answer(StatusCode, Bytes),
    Fail,
    Panic,
}

impl Endpoint {
    pub fn new() -> Self {
        let then = Then::Answer(StatusCode::OK, Bytes::new());
        let (requests, cache_control, released) = (Vec::new(), String::new(), HashSet::new());
        Self(Arc::new(Mutex::new(State { requests, then, cache_control, held: false, released })))
    }

    /// Answers 200 with this body.
    pub fn answer(&self, body: impl Into<Bytes>) {
        self.state().then = Then::Answer(StatusCode::OK, body.into());
    }

    /// Answers with this status.
    pub fn status(&self, status: u16) {
        self.state().then = Then::Answer(StatusCode::from_u16(status).unwrap(), Bytes::from_static(b"{}"));
    }

    pub fn cache_control(&self, value: &str) {
        self.state().cache_control = value.to_owned();
    }

    /// Does not answer, but fails.
    pub fn fail(&self) {
        self.state().then = Then::Fail;
    }

    pub fn panic(&self) {
        self.state().then = Then::Panic;
    }

    /// Lets requests wait.
    pub fn hold(&self) {
        self.state().held = true;
    }

    /// Lets no request wait any more.
    pub fn release(&self) {
        self.state().held = false;
    }

    /// Lets requests for this URL wait no more.
    pub fn release_for(&self, url: &str) {
        self.state().released.insert(url.parse().unwrap());
    }

    /// How many requests there were.
    pub fn asked(&self) -> usize {
        self.state().requests.len()
    }

    pub fn last_request(&self) -> Request<Bytes> {
        self.state().requests.last().unwrap().clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn holds(&self, url: &Uri) -> bool {
        let state = self.state();
        state.held && !state.released.contains(url)
    }
}

#[async_trait]
impl HttpClient for Endpoint {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let url = request.uri().clone();
        self.state().requests.push(request);
        // It asks to be polled again, so that whoever polls sees at once that it is released.
        std::future::poll_fn(|context| {
            context.waker().wake_by_ref();
            if self.holds(&url) { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        let state = self.state();
        match &state.then {
            Then::Answer(status, body) => {
                let response = Response::builder().status(*status);
                let response = match state.cache_control.as_str() {
                    "" => response,
                    value => response.header(CACHE_CONTROL, value),
                };
                Ok(response.body(body.clone()).unwrap())
            }
            Then::Fail => Err(HttpError::new("nobody answers")),
            Then::Panic => panic!("as it was told"),
        }
    }
}
