//! The authorization endpoint (RFC 6749 section 3.1). It is the host's own route, because it needs the host's session.

mod consent;
mod login;
mod parse;

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};

use self::consent::{AtConsent, shown};
use self::login::{pending_login, resume_url, usable_login};
use self::parse::{Refusal, read};
use crate::authorization_request::{AuthorizationRequest, Prompt};
use crate::client_auth::address;
use crate::clock::Timestamp;
use crate::context::Context;
use crate::error::{Error, ErrorCode};
use crate::events::Event;
use crate::grants::{Approval, Responded, ResponseType};
use crate::interaction::{Authorize, Decision, Login};
use crate::issue::{Extension, TokenIssuer};
use crate::model::Scope;
use crate::ticket::{ConsentTicket, LoginTicket, Sealed, Seed};
use crate::wire::{error_page, see_other};

/// The parameter that leads back from a login the request demanded.
const LOGIN_TICKET: &str = "login_ticket";

pub(crate) struct AuthorizationEndpoint {
    pub(crate) response_types: Vec<Box<dyn ResponseType>>,
    pub(crate) extensions: Arc<[Box<dyn Extension>]>,
    pub(crate) issuer: Arc<TokenIssuer>,
}

impl AuthorizationEndpoint {
    /// What the request needs now.
    pub(crate) async fn authorize(
        &self,
        context: &Context,
        request: &Request<Bytes>,
        login: Option<&Login>,
    ) -> Authorize {
        let outcome = self.answer(context, request, login).await;
        outcome.unwrap_or_else(|refusal| Authorize::Respond(refuse(context, &refusal, Some(request))))
    }

    async fn answer(
        &self,
        context: &Context,
        request: &Request<Bytes>,
        login: Option<&Login>,
    ) -> Result<Authorize, Refusal> {
        let params = read(request)?;
        let request = self.parse(context, &params).await?;
        let ticket = params.get(LOGIN_TICKET).and_then(|ticket| LoginTicket::open(context, ticket));
        let next = self.next_step(context, &request, login, ticket).await;
        next.map_err(|error| Refusal::Redirect(Box::new(request.target), error))
    }

    async fn next_step(
        &self,
        context: &Context,
        request: &AuthorizationRequest,
        login: Option<&Login>,
        ticket: Option<LoginTicket>,
    ) -> Result<Authorize, Error> {
        let is_silent = request.prompts.contains(&Prompt::None);
        let Some(user) = usable_login(context, request, login, ticket)? else {
            if is_silent {
                return Err(Error::new(ErrorCode::LoginRequired, "the user must log in"));
            }
            return Ok(Authorize::Login(pending_login(context, request, login)?));
        };
        let at = AtConsent { context, request, login: user };
        if at.was_given().await? {
            let responded = self.approve(&at, request.scope.clone(), &Seed::draw(context), request.received_at).await?;
            return Ok(Authorize::Respond(at.answer(responded)));
        }
        if is_silent {
            return Err(Error::new(ErrorCode::ConsentRequired, "the user must consent"));
        }
        Ok(Authorize::Consent(Box::new(at.pending()?)))
    }

    /// What the user said about a request.
    pub(crate) async fn decide(
        &self,
        context: &Context,
        ticket: &str,
        login: Option<&Login>,
        decision: Decision,
    ) -> Response<Bytes> {
        let outcome = match ConsentTicket::open(context, ticket) {
            Some(ticket) => self.with_ticket(context, &ticket, login, decision).await,
            None => {
                let unknown = "this page can no longer be used; go back to the application and start again";
                Err(Refusal::Page(Error::new(ErrorCode::InvalidRequest, unknown)))
            }
        };
        outcome.unwrap_or_else(|refusal| refuse(context, &refusal, None))
    }

    async fn with_ticket(
        &self,
        context: &Context,
        ticket: &ConsentTicket,
        login: Option<&Login>,
        decision: Decision,
    ) -> Result<Response<Bytes>, Refusal> {
        let request = self.parse(context, &ticket.params.iter().cloned().collect()).await?;
        let login = login.filter(|login| ticket.is_for(context, login) && context.now() < ticket.expires_at);
        let Some(login) = login.filter(|_| ticket.shown == shown(&request)) else {
            // Under another login, or about something else, the ticket decides nothing: the request starts again.
            return Ok(see_other(&resume_url(context, &request.params, None)));
        };
        let at = AtConsent { context, request: &request, login };
        let outcome = match decision {
            Decision::Approve { scope, remember } => self.with_consent(&at, scope, remember, ticket).await,
            Decision::Deny => {
                at.report(None);
                Err(Error::new(ErrorCode::AccessDenied, "the user denied the request"))
            }
        };
        outcome.map_err(|error| Refusal::Redirect(Box::new(request.target), error))
    }

    async fn with_consent(
        &self,
        at: &AtConsent<'_>,
        narrowed: Option<Scope>,
        remember: bool,
        ticket: &ConsentTicket,
    ) -> Result<Response<Bytes>, Error> {
        let asked = &at.request.scope;
        let scope = narrowed.map_or_else(|| asked.clone(), |narrowed| asked.intersection(&narrowed));
        if scope.is_empty() && !asked.is_empty() {
            if remember {
                at.remember(&scope).await?;
            }
            at.report(None);
            return Err(Error::new(ErrorCode::AccessDenied, "the user allowed nothing of what was asked"));
        }
        let responded = self.approve(at, scope.clone(), &ticket.seed, ticket.expires_at).await?;
        if matches!(responded, Responded::Parameters(_)) {
            if remember {
                at.remember(&scope).await?;
            }
            at.report(Some(&scope));
        }
        Ok(at.answer(responded))
    }

    /// Saves what was approved.
    async fn approve(
        &self,
        at: &AtConsent<'_>,
        scope: Scope,
        seed: &Seed,
        repeatable_until: Timestamp,
    ) -> Result<Responded, Error> {
        let response_type = self.response_type(&at.request.response_type);
        let response_type = response_type.ok_or(Error::new(ErrorCode::UnsupportedResponseType, "not offered"))?;
        let authorization = at.authorization(scope, seed);
        let approval = Approval { request: at.request, authorization, seed, issuer: &self.issuer, repeatable_until };
        response_type.respond(at.context, &approval).await
    }

    fn response_type(&self, name: &str) -> Option<&dyn ResponseType> {
        self.response_types.iter().find(|own| own.response_type() == name).map(|own| &**own)
    }
}

/// Tells the user or the client, and the host.
fn refuse(context: &Context, refusal: &Refusal, request: Option<&Request<Bytes>>) -> Response<Bytes> {
    let (client_id, error) = match refusal {
        Refusal::Page(error) => (None, error),
        Refusal::Redirect(target, error) => (Some(target.client.id()), error),
    };
    let address = request.and_then(address);
    context.event(&Event::Refused { endpoint: "authorization", client_id, error, address });
    match refusal {
        Refusal::Page(error) => error_page(&*context.error_page, error),
        Refusal::Redirect(target, error) => target.refuse(&context.config, error),
    }
}
