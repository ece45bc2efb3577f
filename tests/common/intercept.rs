//! The memory store, with something in the way of its calls.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use async_trait::async_trait;
use futures::FutureExt as _;
use grantwell::model::{
    AccessToken, ActiveAccessToken, ActiveRefreshToken, AuthorizationCode, Client, ClientId, Consent, Issued, Issuer,
    RefreshHandle, RefreshToken, SigningKey, Subject,
};
use grantwell::storage::{
    AccessTokenStore, AuthorizationCodeStore, ClientRegistry, ClientStore, CodeState, ConsentStore, KeyStore, Redeemed,
    RefreshTokenStore, RevocationStore, Rotated, Selector, TokenStore,
};
use grantwell::stores::MemoryStore;
use grantwell::{Digest, StorageError};

/// What is in the way.
#[async_trait]
pub trait Interceptor: Send + Sync + 'static {
    async fn before(&self, _call: &'static str) -> Result<(), StorageError> {
        Ok(())
    }

    /// The call succeeded; what fails here is a reply that is lost.
    async fn after(&self, _call: &'static str) -> Result<(), StorageError> {
        Ok(())
    }
}

#[async_trait]
impl<I: Interceptor> Interceptor for Arc<I> {
    async fn before(&self, call: &'static str) -> Result<(), StorageError> {
        I::before(self, call).await
    }

    async fn after(&self, call: &'static str) -> Result<(), StorageError> {
        I::after(self, call).await
    }
}

pub struct Intercepted<I> {
    store: Arc<MemoryStore>,
    interceptor: I,
    has_transactions: bool,
}

impl<I: Interceptor> Intercepted<I> {
    pub fn new(store: &Arc<MemoryStore>, interceptor: I) -> Arc<Self> {
        Arc::new(Self { store: store.clone(), interceptor, has_transactions: true })
    }

    /// Redeems a code by two calls, as the trait's default does.
    pub fn without_transactions(store: &Arc<MemoryStore>, interceptor: I) -> Arc<Self> {
        Arc::new(Self { store: store.clone(), interceptor, has_transactions: false })
    }

    async fn around<T>(
        &self,
        call: &'static str,
        answer: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        self.interceptor.before(call).await?;
        let answer = answer.await?;
        self.interceptor.after(call).await?;
        Ok(answer)
    }
}

#[async_trait]
impl<I: Interceptor> ClientStore for Intercepted<I> {
    async fn query_client(&self, client_id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        self.around("query_client", self.store.query_client(client_id)).await
    }
}

#[async_trait]
impl<I: Interceptor> ClientRegistry for Intercepted<I> {
    async fn save_client(&self, client: &Client) -> Result<(), StorageError> {
        self.around("save_client", self.store.save_client(client)).await
    }

    async fn delete_client(&self, client_id: &ClientId) -> Result<bool, StorageError> {
        self.around("delete_client", self.store.delete_client(client_id)).await
    }
}

#[async_trait]
impl<I: Interceptor> TokenStore for Intercepted<I> {
    async fn save_token(&self, issued: &Issued) -> Result<(), StorageError> {
        self.around("save_token", self.store.save_token(issued)).await
    }
}

#[async_trait]
impl<I: Interceptor> AuthorizationCodeStore for Intercepted<I> {
    async fn save_authorization_code(&self, code: &AuthorizationCode) -> Result<bool, StorageError> {
        self.around("save_authorization_code", self.store.save_authorization_code(code)).await
    }

    async fn query_authorization_code(&self, code: &Digest) -> Result<Option<CodeState>, StorageError> {
        self.around("query_authorization_code", self.store.query_authorization_code(code)).await
    }

    async fn delete_authorization_code(&self, code: &Digest) -> Result<bool, StorageError> {
        self.around("delete_authorization_code", self.store.delete_authorization_code(code)).await
    }

    async fn redeem_authorization_code(&self, code: &Digest, issued: &Issued) -> Result<Redeemed, StorageError> {
        if self.has_transactions {
            return self.around("redeem", self.store.redeem_authorization_code(code, issued)).await;
        }
        if !self.delete_authorization_code(code).await? {
            return Ok(Redeemed::Lost);
        }
        self.save_token(issued).await?;
        Ok(Redeemed::Saved)
    }
}

#[async_trait]
impl<I: Interceptor> AccessTokenStore for Intercepted<I> {
    async fn query_token(&self, token: &Digest) -> Result<Option<ActiveAccessToken>, StorageError> {
        self.around("query_token", self.store.query_token(token)).await
    }
}

#[async_trait]
impl<I: Interceptor> RevocationStore for Intercepted<I> {
    async fn revoke_token(&self, token: &Digest) -> Result<(), StorageError> {
        self.around("revoke_token", self.store.revoke_token(token)).await
    }

    async fn revoke_authorizations(&self, selector: &Selector) -> Result<usize, StorageError> {
        self.around("revoke_authorizations", self.store.revoke_authorizations(selector)).await
    }
}

#[async_trait]
impl<I: Interceptor> RefreshTokenStore for Intercepted<I> {
    async fn query_refresh_token(&self, handle: &RefreshHandle) -> Result<Option<ActiveRefreshToken>, StorageError> {
        self.around("query_refresh_token", self.store.query_refresh_token(handle)).await
    }

    async fn rotate_refresh_token(
        &self,
        expected: u64,
        next: &RefreshToken,
        access_token: &AccessToken,
    ) -> Result<Rotated, StorageError> {
        self.around("rotate_refresh_token", self.store.rotate_refresh_token(expected, next, access_token)).await
    }
}

#[async_trait]
impl<I: Interceptor> ConsentStore for Intercepted<I> {
    async fn query_consent(
        &self,
        subject: &Subject,
        client_id: &ClientId,
        redirect_uri: &str,
    ) -> Result<Option<Consent>, StorageError> {
        self.around("query_consent", self.store.query_consent(subject, client_id, redirect_uri)).await
    }

    async fn save_consent(&self, consent: &Consent) -> Result<(), StorageError> {
        self.around("save_consent", self.store.save_consent(consent)).await
    }
}

#[async_trait]
impl<I: Interceptor> KeyStore for Intercepted<I> {
    async fn query_signing_keys(&self, issuer: &Issuer) -> Result<Vec<SigningKey>, StorageError> {
        self.around("query_signing_keys", self.store.query_signing_keys(issuer)).await
    }

    async fn save_signing_key(&self, key: &SigningKey) -> Result<bool, StorageError> {
        self.around("save_signing_key", self.store.save_signing_key(key)).await
    }

    async fn delete_signing_key(&self, key: &SigningKey) -> Result<(), StorageError> {
        self.around("delete_signing_key", self.store.delete_signing_key(key)).await
    }
}

/// Holds the first `wanted` replies of one call back until all of them are there: everyone has read before anyone
/// writes.
pub struct Rendezvous {
    call: &'static str,
    wanted: usize,
    arrived: AtomicUsize,
}

impl Rendezvous {
    pub fn new(call: &'static str, wanted: usize) -> Self {
        Self { call, wanted, arrived: AtomicUsize::new(0) }
    }
}

#[async_trait]
impl Interceptor for Rendezvous {
    async fn after(&self, call: &'static str) -> Result<(), StorageError> {
        if call == self.call && self.arrived.fetch_add(1, Ordering::SeqCst) < self.wanted {
            while self.arrived.load(Ordering::SeqCst) < self.wanted {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }
}

/// When a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// It does nothing.
    Before,
    /// It did everything, but the caller does not learn it.
    After,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// With an error.
    Error,
    /// It never answers.
    Hang,
    /// It panics.
    Panic,
}

/// Lets one call fail: the one that is `left` calls away.
pub struct Fault {
    left: AtomicUsize,
    when: When,
    how: How,
}

const NEVER: usize = usize::MAX;

impl Fault {
    /// With an error.
    pub fn new(when: When) -> Arc<Self> {
        Self::by(How::Error, when)
    }

    pub fn by(how: How, when: When) -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(NEVER), when, how })
    }

    /// The `k`-th call from now on fails, once; the first is 0.
    pub fn arm(&self, k: usize) {
        self.left.store(k, Ordering::SeqCst);
    }

    /// Whether the fault has not happened yet; from now on it does not.
    pub fn disarm(&self) -> bool {
        self.left.swap(NEVER, Ordering::SeqCst) != NEVER
    }

    /// What a request answers whose `k`-th call fails: `None` when it has fewer calls; `Some(None)` when it is unwound
    /// by the panic, or hangs and is dropped, as a host's time limit does it.
    pub async fn during<T>(&self, k: usize, request: impl Future<Output = T>) -> Option<Option<T>> {
        self.arm(k);
        let mut request = pin!(AssertUnwindSafe(request).catch_unwind());
        let answer = poll_fn(|context| match request.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(answer.ok()),
            Poll::Pending if self.is_hanging() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        let answer = answer.await;
        let has_happened = !self.disarm();
        assert!(!has_happened || answer.is_some() == (self.how == How::Error), "only the fault leaves no answer");
        has_happened.then_some(answer)
    }

    fn is_hanging(&self) -> bool {
        self.how == How::Hang && self.left.load(Ordering::SeqCst) == NEVER
    }

    async fn happens(&self, when: When) -> Result<(), StorageError> {
        let left = self.left.load(Ordering::SeqCst);
        if when != self.when || left == NEVER {
            return Ok(());
        }
        self.left.store(left.checked_sub(1).unwrap_or(NEVER), Ordering::SeqCst);
        match self.how {
            _ if left > 0 => Ok(()),
            How::Error => Err(StorageError::new("the database is away")),
            How::Hang => std::future::pending().await,
            How::Panic => panic!("the store panics"),
        }
    }
}

#[async_trait]
impl Interceptor for Fault {
    async fn before(&self, _: &'static str) -> Result<(), StorageError> {
        self.happens(When::Before).await
    }

    async fn after(&self, _: &'static str) -> Result<(), StorageError> {
        self.happens(When::After).await
    }
}

/// Gives way once before and once after each call, so that a request can be dropped at both.
pub struct Yielding;

#[async_trait]
impl Interceptor for Yielding {
    async fn before(&self, _: &'static str) -> Result<(), StorageError> {
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn after(&self, _: &'static str) -> Result<(), StorageError> {
        tokio::task::yield_now().await;
        Ok(())
    }
}
