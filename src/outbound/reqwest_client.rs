use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderValue};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Limited};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder};
use url::{Host, Url};

use super::{HttpClient, HttpError, is_public};

type Cause = Box<dyn Error + Send + Sync>;

/// An [`HttpClient`] over reqwest and rustls that sends nothing but https, and only to public addresses ([`is_public`]).
///
/// A name is looked up once for each connection, which goes to no other addresses than those. It is refused if one of them
/// is not public: no public server has such an address, so the answer is meant to lead elsewhere.
///
/// It follows no redirects, uses no proxy (not the environment's either), keeps no cookies and refuses compressed
/// responses. Within 5 seconds it must have the whole response, of at most 256 KiB, 100 header fields and some 400 KiB of
/// header. Certificates are verified by the platform's authorities. It needs a tokio runtime.
#[derive(Clone, Debug)]
pub struct ReqwestClient {
    https: Route,
    /// For plain http, where that is allowed.
    http: Option<Route>,
    max_body: usize,
    timeout: Duration,
}

impl ReqwestClient {
    /// The client as it is described above.
    ///
    /// # Errors
    /// The platform has no certificate authorities.
    pub fn new() -> Result<Self, HttpError> {
        Self::builder().build()
    }

    /// A client with other limits, or for development.
    #[must_use]
    pub const fn builder() -> ReqwestClientBuilder {
        ReqwestClientBuilder { max_body: 256 * 1024, timeout: 5, allow_loopback: false, extra_roots: Vec::new() }
    }

    /// The way to the URL, if it may be gone.
    fn route(&self, uri: &Uri) -> Result<(&Client, Url), Refused> {
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(Refused::Credentials);
        }
        let url = Url::parse(&uri.to_string()).map_err(|_| Refused::NotAbsolute)?;
        let route = match url.scheme() {
            "https" => Some(&self.https),
            "http" => self.http.as_ref(),
            _ => None,
        };
        let Route { client, reach } = route.ok_or(Refused::Scheme)?;
        // An address is connected to without the resolver.
        match url.host().ok_or(Refused::NotAbsolute)? {
            Host::Ipv4(address) => reach.check(address.into())?,
            Host::Ipv6(address) => reach.check(address.into())?,
            Host::Domain(_) => (),
        }
        Ok((client, url))
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Cause> {
        let (parts, body) = request.into_parts();
        let (client, url) = self.route(&parts.uri)?;
        let sent = client.request(parts.method, url).headers(parts.headers).body(body).send();
        let response = sent.await.map_err(reqwest::Error::without_url)?;
        let (parts, body) = Response::from(response).into_parts();
        if parts.headers.contains_key(CONTENT_ENCODING) {
            return Err(Refused::Compressed.into());
        }
        let body = Limited::new(body, self.max_body).collect().await?.to_bytes();
        Ok(Response::from_parts(parts, body))
    }
}

#[async_trait]
impl HttpClient for ReqwestClient {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let client = self.clone();
        // A task of its own, which goes on when this future is dropped.
        let exchange =
            tokio::spawn(async move { tokio::time::timeout(client.timeout, client.exchange(request)).await? });
        let response = exchange.await.unwrap_or_else(|panic| Err(panic.into()));
        response.map_err(|cause| HttpError::new(With { host, cause }))
    }
}

/// Settings of a [`ReqwestClient`].
#[derive(Clone, Debug)]
pub struct ReqwestClientBuilder {
    max_body: usize,
    timeout: u64,
    allow_loopback: bool,
    extra_roots: Vec<Vec<u8>>,
}

impl ReqwestClientBuilder {
    /// The largest body that is read, in bytes.
    #[must_use]
    pub const fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// The seconds until the whole response must be there; half of them for the connection.
    #[must_use]
    pub const fn timeout(mut self, seconds: u64) -> Self {
        self.timeout = seconds;
        self
    }

    /// Allows this machine's loopback addresses, and plain http to them: for tests and development.
    #[must_use]
    pub const fn allow_loopback(mut self) -> Self {
        self.allow_loopback = true;
        self
    }

    /// Trusts the certificate authorities in `pem` too.
    #[must_use]
    pub fn extra_root(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.extra_roots.push(pem.into());
        self
    }

    /// The client.
    ///
    /// # Errors
    /// There are no certificate authorities, or an extra one cannot be read.
    pub fn build(self) -> Result<ReqwestClient, HttpError> {
        let timeout = Duration::from_secs(self.timeout);
        let mut roots = Vec::new();
        for pem in &self.extra_roots {
            let certificates = Certificate::from_pem_bundle(pem).map_err(HttpError::new)?;
            if certificates.is_empty() {
                return Err(HttpError::new("there is no certificate in the PEM of an extra root"));
            }
            roots.extend(certificates);
        }
        let reach = if self.allow_loopback { Reach::PublicOrLoopback } else { Reach::Public };
        let https = Route::new(reach, timeout, |client| client.https_only(true).tls_certs_merge(roots))?;
        let http =
            self.allow_loopback.then(|| Route::new(Reach::Loopback, timeout, |client| client.tls_certs_only([])));
        Ok(ReqwestClient { https, http: http.transpose()?, max_body: self.max_body, timeout })
    }
}

/// A client, and the addresses that it may connect to.
#[derive(Clone, Debug)]
struct Route {
    client: Client,
    reach: Reach,
}

impl Route {
    fn new(
        reach: Reach,
        timeout: Duration,
        tls: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Result<Self, HttpError> {
        let identity = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
        // Also what is off by default is turned off: another crate may have switched reqwest's features on.
        let client = Client::builder()
            .tls_backend_rustls()
            .http1_only()
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .default_headers(identity)
            .user_agent("grantwell")
            .dns_resolver(Resolver(reach))
            .connect_timeout(timeout / 2)
            .pool_idle_timeout(Duration::from_secs(30));
        Ok(Self { client: tls(client).build().map_err(HttpError::new)?, reach })
    }
}

#[derive(Clone, Copy, Debug)]
enum Reach {
    Public,
    PublicOrLoopback,
    Loopback,
}

impl Reach {
    fn check(self, address: IpAddr) -> Result<(), Refused> {
        let is_allowed = match self {
            Self::Public => is_public(address),
            Self::PublicOrLoopback => is_public(address) || address.to_canonical().is_loopback(),
            Self::Loopback => address.to_canonical().is_loopback(),
        };
        is_allowed.then_some(()).ok_or(Refused::Address(address))
    }

    /// All the addresses of a name, or none.
    fn check_all(self, addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Refused> {
        addresses.iter().try_for_each(|address| self.check(address.ip()))?;
        Ok(addresses)
    }
}

struct Resolver(Reach);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let addresses: Addrs = Box::new(reach.check_all(addresses)?.into_iter());
            Ok(addresses)
        })
    }
}

/// Why nothing was sent, or what came back is not used.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("this is no absolute URL")]
    NotAbsolute,
    #[error("the URL has credentials in it")]
    Credentials,
    #[error("the URL's scheme is not allowed")]
    Scheme,
    #[error("the address {0} is not allowed")]
    Address(IpAddr),
    #[error("the response is compressed")]
    Compressed,
}

/// What failed, and with whom.
#[derive(Debug, thiserror::Error)]
#[error("{host}")]
struct With {
    host: String,
    #[source]
    cause: Cause,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(of_a_name: &[&str]) -> Vec<SocketAddr> {
        of_a_name.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0)).collect()
    }

    #[test]
    fn one_address_that_is_not_allowed_refuses_the_name() {
        let [public, also_public] = ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"];
        let table: &[(Reach, &[&str], bool)] = &[
            (Reach::Public, &[public, also_public], true),
            (Reach::Public, &[public, "10.0.0.1"], false),
            (Reach::Public, &["::1", public], false),
            (Reach::Public, &[public, "::ffff:169.254.169.254"], false),
            (Reach::PublicOrLoopback, &[public, "127.0.0.1", "::1", "::ffff:127.0.0.1"], true),
            (Reach::PublicOrLoopback, &["127.0.0.1", "10.0.0.1"], false),
            (Reach::PublicOrLoopback, &["0.0.0.0"], false),
            (Reach::PublicOrLoopback, &["::"], false),
            (Reach::Loopback, &["127.0.0.1", "127.1.2.3", "::1"], true),
            (Reach::Loopback, &["127.0.0.1", public], false),
        ];
        for (reach, names, allowed) in table {
            assert_eq!(reach.check_all(addresses(names)).is_ok(), *allowed, "{reach:?} {names:?}");
        }
    }
}
