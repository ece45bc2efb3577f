use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::{Value, json};

use super::server::Inner;
use crate::error::Error;
use crate::wire::{document, error_json, not_found};

/// Seconds for which others may keep the metadata.
const MAX_AGE: u64 = 300;

/// The service of an API's metadata (RFC 9728 section 3); see
/// [`ResourceServer::well_known`](super::ResourceServer::well_known).
#[derive(Clone, Debug)]
pub struct WellKnown {
    /// `None`: the API has no name, and so nothing is served.
    place: Option<Place>,
    document: Bytes,
}

#[derive(Clone, Debug)]
struct Place {
    path: String,
    query: Option<String>,
}

impl WellKnown {
    pub(super) fn of(api: &Inner) -> Self {
        let place = api.resource.as_ref().map(|resource| {
            let place = resource.metadata_path();
            let (path, query) =
                place.split_once('?').map_or((place.as_str(), None), |(path, query)| (path, Some(query)));
            Place { path: path.to_owned(), query: query.map(str::to_owned) }
        });
        Self { place, document: metadata(api).to_string().into() }
    }

    /// The path to mount the service at; `None`: the API has no name, and the service answers nothing but 404.
    pub fn path(&self) -> Option<&str> {
        self.place.as_ref().map(|place| place.path.as_str())
    }

    /// The metadata document (RFC 9728 section 2), as JSON.
    pub const fn document(&self) -> &Bytes {
        &self.document
    }

    /// Answers a request, whose path may come without `/.well-known`.
    pub async fn call(&self, request: Request<Bytes>) -> Response<Bytes> {
        let uri = request.uri();
        let is_here = self.place.as_ref().is_some_and(|own| {
            let is_path = uri.path() == own.path || own.path.strip_prefix("/.well-known") == Some(uri.path());
            is_path && own.query.as_ref().is_none_or(|query| uri.query() == Some(query))
        });
        if !is_here {
            not_found()
        } else if !matches!(*request.method(), Method::GET | Method::HEAD) {
            error_json(&Error::method_not_allowed("GET, HEAD"))
        } else {
            document(self.document.clone(), MAX_AGE)
        }
    }
}

/// The members of RFC 9728 section 2: the host's own, then those that follow from how the API is set up.
fn metadata(api: &Inner) -> Value {
    let mut members = api.members.clone();
    let mut issuers: Vec<&str> = api.sources.iter().map(|source| source.issuer().as_str()).collect();
    let mut seen = std::collections::HashSet::new();
    issuers.retain(|issuer| seen.insert(*issuer));
    let methods = [("header", true), ("body", api.takes_body), ("query", api.takes_query)];
    let methods: Vec<&str> = methods.iter().filter(|(_, is_taken)| *is_taken).map(|(name, _)| *name).collect();
    members.insert("resource".to_owned(), json!(api.resource.as_ref().map(|resource| resource.as_str())));
    members.insert("authorization_servers".to_owned(), json!(issuers));
    members.insert("bearer_methods_supported".to_owned(), json!(methods));
    // RFC 9728 section 3.2: what has no elements is left out.
    members.retain(|_, value| !matches!(value, Value::Array(elements) if elements.is_empty()));
    Value::Object(members)
}
