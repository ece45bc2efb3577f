use bytes::Bytes;
use http::Response;

use crate::authorization_request::{AuthorizationRequest, Prompt};
use crate::context::Context;
use crate::error::{Error, ErrorCode};
use crate::events::Event;
use crate::grants::Responded;
use crate::interaction::{Login, PendingConsent};
use crate::model::{Authorization, Consent, Scope};
use crate::secret::{Digest, Secret};
use crate::ticket::{ConsentTicket, Sealed, Seed, request_digest};
use crate::wire::error_page;

/// A checked request and the user who is at it.
pub(super) struct AtConsent<'a> {
    pub(super) context: &'a Context,
    pub(super) request: &'a AuthorizationRequest,
    pub(super) login: &'a Login,
}

impl AtConsent<'_> {
    /// Whether consent may be remembered: where nobody else can have the answer sent to themselves, that is, for a
    /// client that authenticates, or an https redirect URI (RFC 8252 section 8.6).
    fn may_be_silent(&self) -> bool {
        let target = &self.request.target;
        !target.client.is_public() || target.redirect_uri.is_https()
    }

    /// Whether the user allowed all of this before, and need not be asked again.
    pub(super) async fn was_given(&self) -> Result<bool, Error> {
        if !self.may_be_silent() || self.request.prompts.contains(&Prompt::Consent) {
            return Ok(false);
        }
        Ok(self.remembered().await?.is_some_and(|consent| {
            let (given, asked) = (&consent.resources, &self.request.resources);
            // Naming no resource asks for the server's default ones, which no other consent covers.
            let has_resources = contains_all(given, asked) && given.is_empty() == asked.is_empty();
            has_resources && consent.scope.covers(&self.request.scope)
        }))
    }

    async fn remembered(&self) -> Result<Option<Consent>, Error> {
        let Some(store) = &self.context.abilities.consents else { return Ok(None) };
        let target = &self.request.target;
        let redirect_uri = target.redirect_uri.without_loopback_port();
        let found = store.query_consent(&self.login.subject, target.client.id(), &redirect_uri).await?;
        Ok(found.filter(|consent| self.context.is_own("consent", &consent.issuer)))
    }

    /// Remembers that the user allows `scope` of what was asked, beside what they allowed before for the same resources
    /// and were not asked now.
    pub(super) async fn remember(&self, scope: &Scope) -> Result<(), Error> {
        let store = self.context.abilities.consents.as_ref().filter(|_| self.may_be_silent());
        let Some(store) = store else { return Ok(()) };
        let resources = &self.request.resources;
        let is_same =
            |own: &Consent| contains_all(&own.resources, resources) && contains_all(resources, &own.resources);
        let before = self.remembered().await?.filter(is_same).map(|consent| consent.scope).unwrap_or_default();
        let target = &self.request.target;
        let consent = Consent {
            issuer: self.context.config.issuer.clone(),
            subject: self.login.subject.clone(),
            client_id: target.client.id().clone(),
            redirect_uri: target.redirect_uri.without_loopback_port(),
            scope: before.without(&self.request.scope).union(scope),
            resources: resources.clone(),
            given_at: self.request.received_at,
        };
        Ok(store.save_consent(&consent).await?)
    }

    /// The request while its user decides.
    pub(super) fn pending(&self) -> Result<PendingConsent, Error> {
        let params = self.request.params.iter();
        let ticket = ConsentTicket {
            issuer: self.context.config.issuer.clone(),
            params: params.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            shown: shown(self.request),
            expires_at: self.request.received_at.plus(self.context.config.lifetimes.ticket),
            seed: Seed::draw(self.context),
            subject: self.login.subject.clone(),
            session: self.context.keys.session_digest(self.login.session.as_deref()),
        };
        Ok(PendingConsent { request: self.request.clone(), ticket: Secret::new(ticket.seal(self.context)?) })
    }

    /// The authorization that an approval of `scope` makes.
    pub(super) fn authorization(&self, scope: Scope, seed: &Seed) -> Authorization {
        let (client, now) = (&self.request.target.client, self.request.received_at);
        let authorization = self.context.new_authorization(client, self.login, scope, now);
        let resources = self.request.resources.clone();
        Authorization { id: seed.authorization_id(), resources, ..authorization }
    }

    /// Answers the client with what was saved.
    pub(super) fn answer(&self, responded: Responded) -> Response<Bytes> {
        match responded {
            Responded::Parameters(params) => self.request.target.respond(&self.context.config, params),
            Responded::AlreadyUsed => {
                let used = "this answer was given already; go back to the application";
                error_page(&*self.context.error_page, &Error::new(ErrorCode::InvalidRequest, used))
            }
        }
    }

    /// Tells the host what the user decided; `None`: denied.
    pub(super) fn report(&self, scope: Option<&Scope>) {
        let client_id = self.request.target.client.id();
        self.context.event(&Event::Decided { client_id, subject: &self.login.subject, scope });
    }
}

fn contains_all(these: &[String], those: &[String]) -> bool {
    those.iter().all(|one| these.contains(one))
}

/// The digest of what a consent page shows; parameters that were left out follow from the client's registration and
/// resources from the host's rule, which may change while the user reads.
pub(super) fn shown(request: &AuthorizationRequest) -> Digest {
    let params = [("redirect_uri", request.target.redirect_uri.as_str()), ("scope", request.scope.as_str())];
    let resources = request.resources.iter().map(|resource| ("resource", resource.as_str()));
    request_digest(&params.into_iter().chain(resources).collect())
}
