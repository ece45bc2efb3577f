mod policy;
mod uri;

use async_trait::async_trait;
use serde_json::Value;

pub use policy::{Resource, ResourcePolicy, ResourceRequest, ResourceTerms};
pub use uri::{InvalidResourceUri, ResourceUri};

use crate::authorization_request::AuthorizationRequest;
use crate::context::Context;
use crate::error::{Error, ErrorCode};
use crate::issue::{Approved, Extension, TokenRequest};
use crate::model::{AccessTokenFormat, Scope};
use crate::wire::Params;

/// Resource indicators (RFC 8707): a request names by `resource`, at most eight times, whom its tokens are for.
///
/// Every server has it, without a policy: `resource` is then refused. What an authorization request named bounds the
/// tokens under it; a token request may name some of that, and gets all of it where it names none. A resource that the
/// policy no longer knows is left out. Where resources take different forms of token or different parts of the scope, the
/// token request names one. A token for no named resource is for the default audience of its form, if that has one; the
/// policy is asked about it too.
#[derive(Default)]
pub struct ResourceIndicators(Option<Box<dyn ResourcePolicy>>);

impl ResourceIndicators {
    /// Asks `policy` for each resource. Register it by [`Builder::extension`](crate::Builder::extension).
    pub fn new(policy: impl ResourcePolicy) -> Self {
        Self(Some(Box::new(policy)))
    }

    /// Knows these resources and no others.
    pub fn of(resources: impl IntoIterator<Item = Resource>) -> Self {
        Self::new(resources.into_iter().collect::<Vec<_>>())
    }
}

/// The most resources one request may name.
const MAX_RESOURCES: usize = 8;

#[async_trait]
impl Extension for ResourceIndicators {
    fn name(&self) -> &'static str {
        "resource_indicators"
    }

    fn parameters(&self) -> &'static [&'static str] {
        &["resource"]
    }

    async fn authorize(&self, _: &Context, request: &mut AuthorizationRequest) -> Result<Option<Value>, Error> {
        let named = named(&request.params)?;
        if named.is_empty() {
            return Ok(None);
        }
        let (client, scope) = (&request.target.client, &request.scope);
        let mut terms = Terms::default();
        for resource in &named {
            let asked = ResourceRequest { client, subject: None, resource, scope };
            terms.add(self.ask(&asked).await?.ok_or(invalid_target(REFUSED))?);
        }
        let issues_token = request.response_type.split(' ').any(|name| name == "token");
        request.scope = if issues_token { terms.scope_of_each(scope)? } else { terms.scope_of_any(scope)? };
        if issues_token {
            request.token_format = terms.token_format()?;
        }
        request.resources = terms.resources();
        Ok(None)
    }

    async fn check(&self, _: &Context, request: &TokenRequest<'_>, approved: &mut Approved) -> Result<(), Error> {
        let named = named(request.params)?;
        let makes_bounds = approved.makes_authorization && !named.is_empty();
        let terms = self.review(request, approved, named).await?;
        if terms.0.is_empty() {
            return Ok(());
        }
        approved.scope = terms.scope_of_each(&approved.scope)?;
        approved.token_format = terms.token_format()?.or(approved.token_format);
        approved.audience = terms.resources();
        if let Some(authorization) = approved.authorization.as_mut().filter(|_| makes_bounds) {
            authorization.resources.clone_from(&approved.audience);
        }
        Ok(())
    }
}

impl ResourceIndicators {
    /// What the policy says; without one, no resource is known.
    async fn ask(&self, asked: &ResourceRequest<'_>) -> Result<Option<ResourceTerms>, Error> {
        match &self.0 {
            Some(policy) => Ok(policy.review(asked).await?),
            None => Ok(None),
        }
    }

    /// The terms of what a token request names; where it names nothing, of what its authorization still has, or else of
    /// the default audience.
    async fn review(
        &self,
        request: &TokenRequest<'_>,
        approved: &Approved,
        named: Vec<ResourceUri>,
    ) -> Result<Terms, Error> {
        let authorization = approved.authorization.as_ref();
        let bounds = authorization.filter(|_| !approved.makes_authorization).map(|own| &own.resources);
        let names_none = named.is_empty();
        if names_none && bounds.is_none_or(Vec::is_empty) {
            return self.review_default(request, approved).await;
        }
        let standing = || bounds.into_iter().flatten().filter_map(|uri| uri.parse().ok()).collect();
        let mut terms = Terms::default();
        for resource in &if names_none { standing() } else { named } {
            match self.ask(&asked_for(resource, request, approved)).await? {
                Some(own) if bounds.is_none_or(|bounds| own.resource.is_in(bounds)) => terms.add(own),
                _ if names_none => {}
                Some(_) => return Err(invalid_target("the authorization request did not name this resource")),
                None => return Err(invalid_target(REFUSED)),
            }
        }
        if terms.0.is_empty() && bounds.is_some_and(|bounds| !bounds.is_empty()) {
            return Err(invalid_target(REFUSED));
        }
        Ok(terms)
    }

    /// The terms of the audience that nobody named. Without a policy nothing is said of it.
    async fn review_default(&self, request: &TokenRequest<'_>, approved: &Approved) -> Result<Terms, Error> {
        let mut terms = Terms::default();
        for uri in approved.audience.iter().filter(|_| self.0.is_some()) {
            let own = match uri.parse() {
                Ok(resource) => self.ask(&asked_for(&resource, request, approved)).await?,
                Err(_) => None,
            };
            terms.add(own.ok_or(invalid_target("this client has no token without a resource: name one"))?);
        }
        Ok(terms)
    }
}

/// What the policy is asked of a token request.
fn asked_for<'a>(
    resource: &'a ResourceUri,
    request: &'a TokenRequest<'_>,
    approved: &'a Approved,
) -> ResourceRequest<'a> {
    let subject = approved.authorization.as_ref().map(|own| &own.subject);
    ResourceRequest { client: &request.client, subject, resource, scope: &approved.scope }
}

const REFUSED: &str = "this server protects no resource of that name, or not for this client";

const fn invalid_target(description: &'static str) -> Error {
    Error::new(ErrorCode::InvalidTarget, description)
}

/// What a request names.
fn named(params: &Params) -> Result<Vec<ResourceUri>, Error> {
    if params.all("resource").nth(MAX_RESOURCES).is_some() {
        return Err(invalid_target("too many resources are named"));
    }
    let named: Result<_, InvalidResourceUri> = params.all("resource").map(str::parse).collect();
    named.map_err(|_| invalid_target("a resource is named by an absolute URI without a fragment"))
}

/// The terms of all resources that one token is for; none: nothing is said of it.
#[derive(Default)]
struct Terms(Vec<ResourceTerms>);

impl Terms {
    /// Adds a resource, unless it is there by another name.
    fn add(&mut self, terms: ResourceTerms) {
        if self.0.iter().all(|own| own.resource != terms.resource) {
            self.0.push(terms);
        }
    }

    fn resources(self) -> Vec<String> {
        self.0.into_iter().map(|own| own.resource.into()).collect()
    }

    /// What of `scope` at least one of them takes: the scope of the authorization.
    fn scope_of_any(&self, scope: &Scope) -> Result<Scope, Error> {
        let any = self.0.iter().fold(Scope::empty(), |any, own| any.union(&taken(own, scope)));
        if any.is_empty() && !scope.is_empty() {
            return Err(Error::new(ErrorCode::InvalidScope, "the resource takes nothing of this scope"));
        }
        Ok(scope.intersection(&any))
    }

    /// What of `scope` each of them takes: the scope of a token, which none of them takes for more than its terms say.
    fn scope_of_each(&self, scope: &Scope) -> Result<Scope, Error> {
        let any = self.scope_of_any(scope)?;
        if self.0.iter().all(|own| taken(own, scope) == any) {
            return Ok(any);
        }
        Err(invalid_target("these resources take different scopes: name one of them"))
    }

    /// The form of token that all of them take.
    fn token_format(&self) -> Result<Option<AccessTokenFormat>, Error> {
        let mut formats = self.0.iter().filter_map(|own| own.token_format);
        let first = formats.next();
        if formats.all(|format| Some(format) == first) {
            return Ok(first);
        }
        Err(invalid_target("these resources take different forms of token: name one of them"))
    }
}

/// What of `scope` the resource takes.
fn taken(terms: &ResourceTerms, scope: &Scope) -> Scope {
    // These two speak of the authorization and the login, whatever resource the token is for.
    let of_no_resource: Scope = "openid offline_access".parse().unwrap_or_default();
    terms.scope.as_ref().map_or_else(|| scope.clone(), |own| scope.intersection(&own.union(&of_no_resource)))
}
