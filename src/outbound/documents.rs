use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::{ACCEPT, HeaderValue};
use http::{Request, Response, StatusCode, Uri};

use super::freshness::lifetime;
use super::{HttpClient, HttpError};
use crate::clock::{Clock, SystemClock, Timestamp};

/// How many seconds a document may be used past its time while no new one can be had. An outage of the other side does not
/// stop this one; and a key that was withdrawn is not used for longer by keeping its server from answering.
const STALE: u64 = 3600;

/// For how many seconds after a failure the URL is left alone.
const PAUSE: u64 = 10;

/// Seconds between two demands for a newer document.
const DEMANDS: u64 = 30;

/// After how many seconds a request that nobody waits for any more is begun anew.
const ABANDONED: u64 = 30;

/// A cache of documents behind URLs, each fetched when it is needed, read once, and kept as long as its server allows.
///
/// * A document is fresh as long as `Cache-Control`, `Age`, `Expires` and `Date` say (RFC 9111 section 4.2), but at least 5
///   seconds (also with `no-store` and `no-cache`) and at most 24 hours; 5 minutes if they do not say.
/// * An answer other than 200, or one that cannot be read, is a failure. For 10 seconds after one nothing is asked of that
///   URL. While it fails, its document is used for an hour past its time, whatever `Cache-Control` says of that.
/// * A URL has one request at a time. Meanwhile others use a document past its time, or wait if there is none. When the
///   future that waits for the response is dropped, the next one waits on in its place.
/// * A fixed number of URLs is remembered. Those without a document are forgotten first, then those not used for longest.
///
/// How long a response may take, and how large it may be, is up to the [`HttpClient`].
pub struct Documents<T> {
    client: Arc<dyn HttpClient>,
    accept: HeaderValue,
    read: Box<Read<T>>,
    clock: Box<dyn Clock>,
    capacity: usize,
    entries: Mutex<Entries<T>>,
}

type Read<T> = dyn Fn(Response<Bytes>) -> Result<T, Box<dyn Error + Send + Sync>> + Send + Sync;

impl<T: Send + Sync + 'static> Documents<T> {
    /// Asks for documents of the media types `accept`, through `client`, and makes of each response with the status 200
    /// what `read` makes of it; 256 URLs are remembered.
    pub fn new(
        client: Arc<dyn HttpClient>,
        accept: HeaderValue,
        read: impl Fn(Response<Bytes>) -> Result<T, Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
    ) -> Self {
        let entries = Mutex::new(Entries { by_url: HashMap::new(), uses: 0 });
        Self { client, accept, read: Box::new(read), clock: Box::new(SystemClock), capacity: 256, entries }
    }

    /// Remembers this many URLs, at least one.
    #[must_use]
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity.max(1);
        self
    }

    /// Reads the time elsewhere than from the system.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// The document at `url`.
    ///
    /// # Errors
    /// It cannot be had, and the last one is more than an hour past its time.
    pub async fn get(&self, url: &Uri) -> Result<Arc<T>, HttpError> {
        let entry = self.entry(url);
        let now = self.clock.now();
        if let Some(answer) = entry.state().answer(now) {
            return answer;
        }
        let stale = entry.state().document(STALE, now);
        let mut flight = match (entry.flight.try_lock(), stale) {
            (Ok(flight), _) => flight,
            (Err(_), Some(stale)) => return Ok(stale),
            (Err(_), None) => entry.flight.lock().await,
        };
        // Whoever had the lock may have been answered.
        let answer = entry.state().answer(self.clock.now());
        match answer {
            Some(answer) => answer,
            None => self.fetch(url, &entry, &mut flight).await,
        }
    }

    /// The document at `url`, asked for anew although it is fresh, unless that was done within the last 30 seconds: for
    /// when something is looked for in it that it does not have.
    ///
    /// # Errors
    /// See [`Self::get`].
    pub async fn refetch(&self, url: &Uri) -> Result<Arc<T>, HttpError> {
        let entry = self.entry(url);
        let mut flight = entry.flight.lock().await;
        let now = self.clock.now();
        if !entry.state().may_demand(now) {
            drop(flight);
            return self.get(url).await;
        }
        let answer = self.fetch(url, &entry, &mut flight).await;
        entry.state().demanded = Some(now);
        answer
    }

    /// Waits for the response to the request under way, or to a new one.
    async fn fetch(&self, url: &Uri, entry: &Entry<T>, flight: &mut Option<Flight>) -> Result<Arc<T>, HttpError> {
        let now = self.clock.now();
        flight.take_if(|flight| !now.is_within(ABANDONED, flight.began));
        let (asked, response) = poll_fn(|context| {
            // Not put back if it panics: such a future must not be polled again.
            let mut current = flight.take().unwrap_or_else(|| Flight { began: now, response: self.send(url) });
            let polled = current.response.as_mut().poll(context);
            let began = current.began;
            if polled.is_pending() {
                *flight = Some(current);
            }
            polled.map(|response| (began, response))
        })
        .await;
        let document = response.and_then(|response| self.read(response, asked));
        if let Err(error) = &document {
            tracing::warn!(host = url.host(), cause = error.source(), "a document cannot be fetched");
        }
        entry.state().learn(document, self.clock.now())
    }

    fn send(&self, url: &Uri) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send>> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = url.clone();
        request.headers_mut().insert(ACCEPT, self.accept.clone());
        let client = self.client.clone();
        Box::pin(async move { client.send(request).await })
    }

    fn read(&self, response: Response<Bytes>, asked: Timestamp) -> Result<Document<T>, HttpError> {
        if response.status() != StatusCode::OK {
            return Err(HttpError::new(format!("the status is {}", response.status().as_u16())));
        }
        let lifetime = lifetime(response.headers(), asked);
        let value = Arc::new((self.read)(response).map_err(HttpError::new)?);
        Ok(Document { value, asked, lifetime })
    }

    fn entry(&self, url: &Uri) -> Arc<Entry<T>> {
        let mut entries = lock(&self.entries);
        if entries.by_url.len() >= self.capacity && !entries.by_url.contains_key(url) {
            entries.forget_one();
        }
        entries.uses += 1;
        let uses = entries.uses;
        let (used, entry) = entries.by_url.entry(url.clone()).or_default();
        *used = uses;
        entry.clone()
    }
}

impl<T> fmt::Debug for Documents<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Documents").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

struct Entries<T> {
    /// With the number of the use that was the last.
    by_url: HashMap<Uri, (u64, Arc<Entry<T>>)>,
    uses: u64,
}

impl<T> Entries<T> {
    fn forget_one(&mut self) {
        let rank = |(used, entry): &(u64, Arc<Entry<T>>)| {
            let is_in_use = Arc::strong_count(entry) > 1;
            (is_in_use, entry.state().document.is_some(), *used)
        };
        let least = self.by_url.iter().min_by_key(|(_, entry)| rank(entry)).map(|(url, _)| url.clone());
        if let Some(url) = least {
            self.by_url.remove(&url);
        }
    }
}

/// What is known of one URL.
struct Entry<T> {
    state: Mutex<State<T>>,
    /// The request under way; whoever has the lock waits for the response.
    flight: tokio::sync::Mutex<Option<Flight>>,
}

struct Flight {
    began: Timestamp,
    response: Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send>>,
}

impl<T> Entry<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        lock(&self.state)
    }
}

impl<T> Default for Entry<T> {
    fn default() -> Self {
        let state = State { document: None, failed: None, demanded: None };
        Self { state: Mutex::new(state), flight: tokio::sync::Mutex::new(None) }
    }
}

struct State<T> {
    document: Option<Document<T>>,
    /// The last failure since there was a document.
    failed: Option<(Timestamp, HttpError)>,
    demanded: Option<Timestamp>,
}

struct Document<T> {
    value: Arc<T>,
    asked: Timestamp,
    /// In seconds.
    lifetime: u64,
}

impl<T> State<T> {
    /// The document, if it is not more than `grace` seconds past its time.
    fn document(&self, grace: u64, now: Timestamp) -> Option<Arc<T>> {
        let document = self.document.as_ref()?;
        now.is_within(document.lifetime + grace, document.asked).then(|| document.value.clone())
    }

    /// The failure, if the URL is to be left alone because of it.
    fn pausing(&self, now: Timestamp) -> Option<&HttpError> {
        self.failed.as_ref().filter(|(at, _)| now.is_within(PAUSE, *at)).map(|(_, error)| error)
    }

    /// What is answered without a request, if nothing calls for one.
    fn answer(&self, now: Timestamp) -> Option<Result<Arc<T>, HttpError>> {
        let fresh = self.document(0, now).map(Ok);
        fresh.or_else(|| self.pausing(now).map(|error| self.document(STALE, now).ok_or_else(|| error.clone())))
    }

    fn may_demand(&self, now: Timestamp) -> bool {
        self.pausing(now).is_none() && !self.demanded.is_some_and(|at| now.is_within(DEMANDS, at))
    }

    /// Keeps what a request has led to, and answers it.
    fn learn(&mut self, document: Result<Document<T>, HttpError>, now: Timestamp) -> Result<Arc<T>, HttpError> {
        match document {
            Ok(document) => {
                self.failed = None;
                Ok(self.document.insert(document).value.clone())
            }
            Err(error) => {
                self.failed = Some((now, error.clone()));
                self.document(STALE, now).ok_or(error)
            }
        }
    }
}

/// What the mutexes guard is whole at every moment, so a panic elsewhere does no harm to it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
