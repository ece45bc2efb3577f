//! What a request may use: configuration, stores, keys, clock, randomness, the host's hooks.

use std::fmt;
use std::sync::Arc;

use crate::clock::{Clock, Randomness, SystemClock, SystemRandomness, Timestamp, random};
use crate::config::Config;
use crate::error::Error;
use crate::events::{Event, EventSink, trace};
use crate::hooks::{RateLimiter, SubjectPolicy, Verdict};
use crate::interaction::Login;
use crate::model::{Authorization, AuthorizationId, Client, ClientId, Issuer, RefreshPolicy, Rotation, Scope};
use crate::secret_keys::KeyRing;
#[cfg(feature = "jose")]
use crate::signing::SigningKeys;
use crate::storage::{ClientStore, ConsentStore, RefreshTokenStore, RevocationStore};
use crate::wire::{ErrorPage, PlainErrorPage};

/// What registered parts found the store able to do. A part uses another's ability only if it is there.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Abilities {
    /// Finding and rotating refresh tokens; there when the `refresh_token` grant is registered.
    pub refresh_tokens: Option<Arc<dyn RefreshTokenStore>>,
    /// Revoking tokens and authorizations.
    pub revocation: Option<Arc<dyn RevocationStore>>,
    /// Remembering consent.
    pub consents: Option<Arc<dyn ConsentStore>>,
}

/// The surroundings of a request, shared by all of them.
pub struct Context {
    pub(crate) config: Config,
    pub(crate) clients: Arc<dyn ClientStore>,
    pub(crate) abilities: Abilities,
    pub(crate) keys: KeyRing,
    #[cfg(feature = "jose")]
    pub(crate) signing_keys: Option<SigningKeys>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) randomness: Arc<dyn Randomness>,
    pub(crate) events: Option<Arc<dyn EventSink>>,
    pub(crate) rate_limiter: Option<Arc<dyn RateLimiter>>,
    pub(crate) subject_policy: Option<Arc<dyn SubjectPolicy>>,
    pub(crate) error_page: Arc<dyn ErrorPage>,
}

impl Context {
    pub(crate) fn new(config: Config, clients: Arc<dyn ClientStore>) -> Self {
        Self {
            config,
            clients,
            abilities: Abilities::default(),
            keys: KeyRing::new(&[]),
            #[cfg(feature = "jose")]
            signing_keys: None,
            clock: Arc::new(SystemClock),
            randomness: Arc::new(SystemRandomness),
            events: None,
            rate_limiter: None,
            subject_policy: None,
            error_page: Arc::new(PlainErrorPage),
        }
    }

    /// The server's configuration.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// What the store can do, as far as a registered part needed it.
    pub const fn abilities(&self) -> &Abilities {
        &self.abilities
    }

    /// The keys that sign tokens, if the server has such.
    #[cfg(feature = "jose")]
    pub const fn signing_keys(&self) -> Option<&SigningKeys> {
        self.signing_keys.as_ref()
    }

    /// The time, by the server's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// `N` random bytes, by the server's source.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        random(&*self.randomness)
    }

    /// The client of exactly that identifier, whatever spellings the host's database takes for equal.
    ///
    /// # Errors
    /// A store's fault.
    pub async fn client(&self, client_id: &ClientId) -> Result<Option<Arc<Client>>, Error> {
        // No client has such an identifier, and not every database takes it for a question.
        if client_id.as_str().chars().any(char::is_control) {
            return Ok(None);
        }
        Ok(self.clients.query_client(client_id).await?.filter(|client| client.id() == client_id))
    }

    /// Tells the host and the log.
    pub fn event(&self, event: &Event<'_>) {
        trace(event);
        if let Some(sink) = &self.events {
            sink.event(event);
        }
    }

    /// Whether a record is this server's own; one that is not is reported and must count as unknown.
    pub(crate) fn is_own(&self, kind: &'static str, issuer: &Issuer) -> bool {
        let is_own = *issuer == self.config.issuer;
        if !is_own {
            self.event(&Event::ForeignRecord { kind });
        }
        is_own
    }

    /// The policy for the client's refresh tokens; `None` when it gets none.
    ///
    /// A public client's tokens are rotated whatever the server does for others (RFC 9700 section 2.2.2).
    pub fn refresh_policy(&self, client: &Client) -> Option<RefreshPolicy> {
        let server = self.config.refresh_policy.filter(|_| client.may_use("refresh_token"))?;
        let mut policy = client.policy().refresh_token.unwrap_or(server);
        if client.is_public() && policy.rotation == Rotation::Keep {
            policy.rotation = Rotation::default();
        }
        Some(policy)
    }

    /// An authorization that the user of `login` gives the client at `now`. It ends when nothing that can be issued
    /// under it by the client's policy is left.
    pub fn new_authorization(&self, client: &Client, login: &Login, scope: Scope, now: Timestamp) -> Authorization {
        let (policy, lifetimes) = (client.policy(), self.config.lifetimes);
        let code = policy.authorization_code_lifetime.unwrap_or(lifetimes.authorization_code);
        let access = policy.access_token_lifetime.unwrap_or(lifetimes.access_token);
        let refresh = self.refresh_policy(client).map_or(0, |policy| policy.absolute_lifetime);
        Authorization {
            id: AuthorizationId::from_bytes(self.random()),
            issuer: self.config.issuer.clone(),
            client_id: client.id().clone(),
            subject: login.subject.clone(),
            scope,
            resources: Vec::new(),
            session: self.keys.session_digest(login.session.as_deref()),
            auth_time: login.auth_time,
            acr: login.acr.clone(),
            amr: login.amr.clone(),
            created_at: now,
            expires_at: now.plus(code).plus(access.max(refresh)),
        }
    }

    /// The scope an authorization still has: what was approved, as far as the client and the host still allow it.
    ///
    /// # Errors
    /// `invalid_grant` when the host refuses the subject, or nothing is left.
    pub async fn standing_scope(&self, authorization: &Authorization, client: &Client) -> Result<Scope, Error> {
        let scope = authorization.scope.intersection(&client.metadata().scope);
        let verdict = match &self.subject_policy {
            Some(policy) => policy.review(authorization, client).await?,
            None => Verdict::Allow,
        };
        let scope = match verdict {
            Verdict::Allow => scope,
            Verdict::Narrow(narrower) => scope.intersection(&narrower),
            Verdict::Refuse => return Err(Error::invalid_grant("the resource owner can no longer authorize")),
        };
        if scope.is_empty() && !authorization.scope.is_empty() {
            return Err(Error::invalid_grant("nothing of what was approved is still allowed"));
        }
        Ok(scope)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("config", &self.config).field("keys", &self.keys).finish_non_exhaustive()
    }
}
