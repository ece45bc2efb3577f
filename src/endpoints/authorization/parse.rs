use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request};

use super::AuthorizationEndpoint;
use crate::authorization_request::{AuthorizationRequest, Prompt, ResponseTarget};
use crate::context::Context;
use crate::error::{Error, ErrorCode};
use crate::grants::ResponseType;
use crate::model::{Client, ClientId, Kept, RedirectUri, Scope};
use crate::wire::{Params, ResponseMode, form_body, parse_form};

/// Who is told that a request is refused.
pub(super) enum Refusal {
    /// The user: client and redirect URI are not proven to belong together (RFC 6749 section 4.1.2.1).
    Page(Error),
    /// The client.
    Redirect(Box<ResponseTarget>, Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Page(error)
    }
}

/// The parameters the endpoint itself knows; extensions name their own.
const KNOWN: [&str; 10] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "response_mode",
    "prompt",
    "max_age",
    "acr_values",
    "login_hint",
];

/// The most bytes of parameters that a pending request may carry along.
const MAX_KEPT: usize = 4 * 1024;

/// The request's parameters: of the query, and of the body of a POST.
pub(super) fn read(request: &Request<Bytes>) -> Result<Params, Error> {
    let query = request.uri().query().unwrap_or_default().as_bytes();
    match *request.method() {
        Method::GET => parse_form([query]),
        Method::POST => parse_form([query, form_body(request)?]),
        _ => Err(Error::method_not_allowed("GET, POST")),
    }
}

impl AuthorizationEndpoint {
    /// Checks an authorization request, first what proves where the answer may go.
    pub(super) async fn parse(&self, context: &Context, params: &Params) -> Result<AuthorizationRequest, Refusal> {
        let client = client(context, params).await?;
        let redirect_uri = redirect_uri(&client, params)?;
        let response_type = self.response_type(params.get("response_type").unwrap_or_default());
        let (response_mode, mode_error) = response_mode(params, response_type);
        let (state, state_error) = state(params);
        let target = ResponseTarget { client, redirect_uri, response_mode, state };
        let checked = match mode_error.or(state_error) {
            Some(error) => Err(error),
            None => self.check(context, params, &target, response_type).await,
        };
        checked.map_err(|error| Refusal::Redirect(Box::new(target), error))
    }

    async fn check(
        &self,
        context: &Context,
        params: &Params,
        target: &ResponseTarget,
        response_type: Option<&dyn ResponseType>,
    ) -> Result<AuthorizationRequest, Error> {
        params.refuse_repeated()?;
        params.require("response_type")?;
        let unsupported = Error::new(ErrorCode::UnsupportedResponseType, "this response type is not offered");
        let response_type = response_type.ok_or(unsupported)?;
        may_use(&target.client, response_type)?;
        let scope = Scope::requested(params.get("scope"), &target.client.metadata().scope)?;
        // The extensions see what will be there too when the user comes back.
        let params = self.kept(params)?;
        let mut request = AuthorizationRequest {
            target: target.clone(),
            has_redirect_uri: params.get("redirect_uri").is_some(),
            response_type: response_type.response_type().to_owned(),
            scope,
            resources: Vec::new(),
            token_format: None,
            prompts: prompts(&params)?,
            max_age: max_age(&params)?,
            acr_values: acr_values(context, &params),
            extensions: Kept::new(),
            params,
            received_at: context.now(),
        };
        for extension in self.extensions.iter() {
            if let Some(kept) = extension.authorize(context, &mut request).await? {
                request.extensions.insert(extension.name().to_owned(), kept);
            }
        }
        Ok(request)
    }

    /// The parameters that somebody knows; the others are ignored (RFC 6749 section 3.1).
    fn kept(&self, params: &Params) -> Result<Params, Error> {
        let is_known = |name: &str| {
            KNOWN.contains(&name) || self.extensions.iter().any(|extension| extension.parameters().contains(&name))
        };
        let kept: Params = params.iter().filter(|(name, value)| is_known(name) && !value.is_empty()).collect();
        if kept.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > MAX_KEPT {
            return Err(Error::new(ErrorCode::InvalidRequest, "the request is too long"));
        }
        Ok(kept)
    }
}

async fn client(context: &Context, params: &Params) -> Result<Arc<Client>, Error> {
    if params.is_repeated("client_id") || params.is_repeated("redirect_uri") {
        return Err(Error::new(ErrorCode::InvalidRequest, "client_id or redirect_uri is repeated"));
    }
    let client_id = ClientId::from(params.require("client_id")?);
    context
        .client(&client_id)
        .await?
        .ok_or(Error::new(ErrorCode::InvalidRequest, "the client is not known here").about("client_id"))
}

fn redirect_uri(client: &Client, params: &Params) -> Result<RedirectUri, Error> {
    match (params.get("redirect_uri"), client.metadata().redirect_uris.as_slice()) {
        (Some(requested), _) => client.redirect_uri(requested).ok_or(
            Error::new(ErrorCode::InvalidRequest, "the URI is not registered for this client").about("redirect_uri"),
        ),
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(Error::missing("redirect_uri")),
    }
}

/// The mode to answer by, also to answer with an error about the mode itself.
fn response_mode(params: &Params, response_type: Option<&dyn ResponseType>) -> (ResponseMode, Option<Error>) {
    let default = response_type.map_or(ResponseMode::Query, ResponseType::response_mode);
    let refused = |description| Some(Error::new(ErrorCode::InvalidRequest, description).about("response_mode"));
    match params.get("response_mode").map(ResponseMode::parse) {
        None => (default, None),
        _ if params.is_repeated("response_mode") => (default, refused("a parameter is repeated")),
        Some(None) => (default, refused("the value is not known")),
        Some(Some(ResponseMode::Query)) if default == ResponseMode::Fragment => {
            (default, refused("a token does not travel in a query"))
        }
        Some(Some(mode)) => (mode, None),
    }
}

/// The state to return, unless it is repeated or has other characters than RFC 6749 appendix A.5 allows.
fn state(params: &Params) -> (Option<String>, Option<Error>) {
    if params.is_repeated("state") {
        return (None, Some(Error::new(ErrorCode::InvalidRequest, "a parameter is repeated").about("state")));
    }
    match params.get("state") {
        Some(state) if !state.bytes().all(|byte| matches!(byte, 0x20..=0x7e)) => {
            (None, Some(Error::new(ErrorCode::InvalidRequest, "the value is not well-formed").about("state")))
        }
        state => (state.map(str::to_owned), None),
    }
}

fn may_use(client: &Client, response_type: &dyn ResponseType) -> Result<(), Error> {
    let registered = &client.metadata().response_types;
    if registered.iter().any(|own| own == response_type.response_type()) && client.may_use(response_type.grant_type()) {
        return Ok(());
    }
    Err(Error::new(ErrorCode::UnauthorizedClient, "the client is not registered for this response type"))
}

fn prompts(params: &Params) -> Result<BTreeSet<Prompt>, Error> {
    let names = params.get("prompt").unwrap_or_default().split(' ').filter(|name| !name.is_empty());
    let prompts: Option<BTreeSet<Prompt>> = names.map(Prompt::parse).collect();
    match prompts {
        Some(prompts) if prompts.len() < 2 || !prompts.contains(&Prompt::None) => Ok(prompts),
        _ => Err(Error::new(ErrorCode::InvalidRequest, "the value is not allowed").about("prompt")),
    }
}

/// Those the host can bring about; the others are no more than a wish (OpenID Connect Core section 3.1.2.1).
fn acr_values(context: &Context, params: &Params) -> Vec<String> {
    let values = params.get("acr_values").unwrap_or_default().split(' ').map(str::to_owned);
    values.filter(|value| context.config.acr_values_supported.contains(value)).collect()
}

fn max_age(params: &Params) -> Result<Option<u64>, Error> {
    let refused = Error::new(ErrorCode::InvalidRequest, "the value is not a number of seconds").about("max_age");
    let Some(text) = params.get("max_age") else { return Ok(None) };
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refused);
    }
    text.parse().map(Some).map_err(|_| refused)
}
