use async_trait::async_trait;

use super::ResourceUri;
use crate::error::StorageError;
use crate::model::{AccessTokenFormat, Client, ClientId, Scope, Subject};

/// A host's own rule: which resources there are, and who may have tokens for them.
///
/// It is asked for each resource an authorization or token request names, and again at each redemption and refresh for
/// those that were approved, under the names it gave them. It must answer the same to a name of its own. Where no
/// resource is named, it is asked about the default audience of the token's form, if that has one, as `JwtAccessTokens` do:
/// it must know that one too.
#[async_trait]
pub trait ResourcePolicy: Send + Sync + 'static {
    /// The terms on which the client may have a token for the resource; `None`: it may not, which is the default.
    ///
    /// # Errors
    /// The host cannot tell now; answered as `temporarily_unavailable`.
    async fn review(&self, _request: &ResourceRequest<'_>) -> Result<Option<ResourceTerms>, StorageError> {
        Ok(None)
    }
}

/// What a [`ResourcePolicy`] is asked.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ResourceRequest<'a> {
    /// Who wants a token.
    pub client: &'a Client,
    /// For whom; `None` at the authorization endpoint, where nobody need be logged in yet, and where the client acts for
    /// itself. For what the implicit grant issues the answer without a subject is final: nobody asks again.
    pub subject: Option<&'a Subject>,
    /// For which resource, as the request names it or as it was approved.
    pub resource: &'a ResourceUri,
    /// With what scope.
    pub scope: &'a Scope,
}

/// How a client may have a token for a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourceTerms {
    /// What stands in `aud`. Where a resource goes by several names, it is one of them.
    pub resource: ResourceUri,
    /// The most such a token may do; `None`: whatever else the client may. `openid` and `offline_access` are no
    /// resource's and left alone. One token is for several resources only if it may do the same at each.
    pub scope: Option<Scope>,
    /// The form of token the resource takes; `None`: the client's or the server's.
    pub token_format: Option<AccessTokenFormat>,
}

impl ResourceTerms {
    /// A token for `resource`, which nothing else is said about.
    pub const fn new(resource: ResourceUri) -> Self {
        Self { resource, scope: None, token_format: None }
    }
}

/// A resource that is always there; see [`ResourceIndicators::of`](super::ResourceIndicators::of).
#[derive(Clone, Debug)]
pub struct Resource {
    terms: ResourceTerms,
    clients: Option<Vec<ClientId>>,
}

impl Resource {
    /// The resource `uri`, for every client and with every scope. That text stands in `aud`. `https://host` and
    /// `https://host/` ask for the same resource; apart from that, names are compared to the byte.
    pub const fn new(uri: ResourceUri) -> Self {
        Self { terms: ResourceTerms::new(uri), clients: None }
    }

    /// Its tokens may do no more than `scope`.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.terms.scope = Some(scope);
        self
    }

    /// Its tokens have this form.
    #[must_use]
    pub const fn token_format(mut self, format: AccessTokenFormat) -> Self {
        self.terms.token_format = Some(format);
        self
    }

    /// Only these clients may have tokens for it.
    #[must_use]
    pub fn clients<C: Into<ClientId>>(mut self, clients: impl IntoIterator<Item = C>) -> Self {
        self.clients = Some(clients.into_iter().map(Into::into).collect());
        self
    }

    fn is_open_to(&self, client: &Client) -> bool {
        self.clients.as_ref().is_none_or(|clients| clients.contains(client.id()))
    }
}

#[async_trait]
impl ResourcePolicy for Vec<Resource> {
    async fn review(&self, request: &ResourceRequest<'_>) -> Result<Option<ResourceTerms>, StorageError> {
        let named = self.iter().find(|own| own.terms.resource.names_the_same_as(request.resource));
        Ok(named.filter(|own| own.is_open_to(request.client)).map(|own| own.terms.clone()))
    }
}
