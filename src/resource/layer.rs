use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::{Requirement, ResourceServer};

impl ResourceServer {
    /// A layer around the services that only such a token opens. Their requests have the [`Access`](super::Access) in
    /// their extensions. A token in a form body is not seen.
    pub fn layer(&self, required: Requirement) -> RequireAccessLayer {
        RequireAccessLayer { api: self.clone(), required }
    }
}

/// The layer that [`ResourceServer::layer`] makes.
#[derive(Clone, Debug)]
pub struct RequireAccessLayer {
    api: ResourceServer,
    required: Requirement,
}

impl<S> Layer<S> for RequireAccessLayer {
    type Service = RequireAccess<S>;

    fn layer(&self, inner: S) -> RequireAccess<S> {
        RequireAccess { inner, own: self.clone() }
    }
}

/// A service behind a [`RequireAccessLayer`].
#[derive(Clone, Debug)]
pub struct RequireAccess<S> {
    inner: S,
    own: RequireAccessLayer,
}

impl<S, B, R> Service<Request<B>> for RequireAccess<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<Bytes>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let RequireAccessLayer { api, required } = self.own.clone();
        // The one that was ready is called; the clone need not be.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            match api.check_head(&head, &required).await {
                Ok(access) => {
                    head.extensions.insert(access);
                    inner.call(Request::from_parts(head, body)).await
                }
                Err(refused) => Ok(refused.response().map(R::from)),
            }
        })
    }
}
