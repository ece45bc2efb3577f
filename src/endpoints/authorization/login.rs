use super::LOGIN_TICKET;
use crate::authorization_request::{AuthorizationRequest, Prompt};
use crate::context::Context;
use crate::error::{Error, ErrorCode};
use crate::interaction::{Login, PendingLogin};
use crate::ticket::{LoginTicket, Sealed, request_digest};
use crate::wire::{Params, encode};

/// The login that the request can go on with; `None` when the user must log in first (OpenID Connect Core section
/// 3.1.2.3). `ticket` is what the request came back with from a login.
///
/// # Errors
/// `login_required`: the user came back from a demanded login without a fresh one. `unmet_authentication_requirements`:
/// or with one that is not of the demanded class.
pub(super) fn usable_login<'a>(
    context: &Context,
    request: &AuthorizationRequest,
    login: Option<&'a Login>,
    ticket: Option<LoginTicket>,
) -> Result<Option<&'a Login>, Error> {
    let Some(login) = login else { return Ok(None) };
    let ticket = ticket
        .filter(|ticket| ticket.request == request_digest(&request.params) && request.received_at < ticket.expires_at);
    let is_too_old = request.max_age.is_some_and(|max| max == 0 || request.received_at.since(login.auth_time) > max);
    let needs_fresh = is_too_old || request.prompts.contains(&Prompt::Login);
    let meets = |acr: &String| request.acr_values.contains(acr);
    let lacks_acr = !request.acr_values.is_empty() && !login.acr.as_ref().is_some_and(meets);
    let needs_choice = request.prompts.contains(&Prompt::SelectAccount);
    match ticket {
        None if needs_fresh || needs_choice || lacks_acr => Ok(None),
        // Asking once more could go on for ever: a login page that is a single sign-on answers by itself.
        Some(ticket) if needs_fresh && !ticket.is_met_by(context, login) => {
            Err(Error::new(ErrorCode::LoginRequired, "the user did not log in again"))
        }
        Some(_) if lacks_acr => {
            let unmet = "the user did not log in by any of the acr_values";
            Err(Error::new(ErrorCode::UnmetAuthenticationRequirements, unmet))
        }
        _ => Ok(Some(login)),
    }
}

/// The request while its user logs in.
pub(super) fn pending_login(
    context: &Context,
    request: &AuthorizationRequest,
    before: Option<&Login>,
) -> Result<PendingLogin, Error> {
    let demands = [Prompt::Login, Prompt::SelectAccount].iter().any(|prompt| request.prompts.contains(prompt))
        || request.max_age.is_some()
        || !request.acr_values.is_empty();
    let ticket = if demands { Some(login_ticket(context, request, before).seal(context)?) } else { None };
    Ok(PendingLogin {
        client: request.target.client.clone(),
        request_url: resume_url(context, &request.params, None),
        resume_url: resume_url(context, &request.params, ticket),
        prompts: request.prompts.iter().copied().collect(),
        acr_values: request.acr_values.clone(),
        login_hint: request.params.get("login_hint").map(str::to_owned),
    })
}

fn login_ticket(context: &Context, request: &AuthorizationRequest, before: Option<&Login>) -> LoginTicket {
    LoginTicket {
        issuer: context.config.issuer.clone(),
        request: request_digest(&request.params),
        issued_at: request.received_at,
        expires_at: request.received_at.plus(context.config.lifetimes.ticket),
        before: before.map(|login| (context.keys.session_digest(login.session.as_deref()), login.auth_time)),
    }
}

/// The same request again, as a path with a query.
pub(super) fn resume_url(context: &Context, params: &Params, ticket: Option<String>) -> String {
    let mut params: Vec<(&str, &str)> = params.iter().collect();
    if let Some(ticket) = &ticket {
        params.push((LOGIN_TICKET, ticket));
    }
    format!("{}{}?{}", context.config.base_path(), context.config.authorization_path, encode(&params))
}
