use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Claims, Extension, Opaque, TokenFormat, TokenRequest, refresh_token};
use crate::clock::Timestamp;
use crate::context::Context;
use crate::error::{Error, ErrorCode};
use crate::events::Event;
use crate::model::{AccessToken, AccessTokenFormat, Authorization, Client, Issued, Kept, RefreshToken, Scope};
use crate::secret::Secret;
use crate::wire::MAX_VALUE;

/// What a grant found that the client may have. Nothing has changed in the store yet.
#[non_exhaustive]
pub struct Approved {
    /// The authorization behind it; `None` when the client acts for itself.
    pub authorization: Option<Authorization>,
    /// The scope of the access token.
    pub scope: Scope,
    /// Whom the access token is for (RFC 8707). Where the grant names nobody, an extension's check finds the default of the
    /// token's form here. A [`ResourcePolicy`](crate::extensions::ResourcePolicy) is asked about it unless the request or
    /// the authorization names resources.
    pub audience: Vec<String>,
    /// The form of the access token, where the resources it is for say; otherwise it is the client's or the server's.
    pub token_format: Option<AccessTokenFormat>,
    /// Whether this request makes the authorization, and so may say which resources it is for; otherwise it is bound to
    /// those the authorization has.
    pub makes_authorization: bool,
    /// What extensions kept with the authorization request; `None` where there was none.
    pub extensions: Option<Kept>,
    /// Members to add to the answer.
    pub extras: Map<String, Value>,
    /// The refresh token to answer with; the grant decides.
    pub refresh_token: RefreshTokenAnswer,
    /// Consumes what was presented and saves what is issued, as one.
    pub commit: Box<dyn Commit>,
}

impl Approved {
    /// Access under an authorization, to its resources, without a refresh token.
    pub fn under(authorization: Authorization, scope: Scope, commit: Box<dyn Commit>) -> Self {
        let audience = authorization.resources.clone();
        Self { audience, authorization: Some(authorization), ..Self::for_itself(scope, commit) }
    }

    /// If nobody is named whom the token is for, its form says so.
    fn name_audience(&mut self, format: &dyn TokenFormat) {
        if self.audience.is_empty() {
            self.audience.extend(format.default_audience().map(str::to_owned));
        }
    }

    /// Access that the client has for itself.
    pub fn for_itself(scope: Scope, commit: Box<dyn Commit>) -> Self {
        Self {
            authorization: None,
            scope,
            audience: Vec::new(),
            token_format: None,
            makes_authorization: false,
            extensions: None,
            extras: Map::new(),
            refresh_token: RefreshTokenAnswer::Absent,
            commit,
        }
    }
}

/// Which refresh token an answer carries.
#[derive(Debug)]
pub enum RefreshTokenAnswer {
    /// None.
    Absent,
    /// The first of a new family, if the `refresh_token` grant is registered and the client may use it.
    New,
    /// One that the library's own refresh token grant made: the family's new state to commit, if it changes, and the
    /// token.
    Given(Option<RefreshToken>, Secret),
}

/// The end of a grant: the one write to the store.
#[async_trait]
pub trait Commit: Send + Sync {
    /// Consumes and saves, as one. It may replace the answer's refresh token when another request was faster.
    ///
    /// # Errors
    /// `invalid_grant` when another request consumed what was presented; a store's fault.
    async fn commit(
        self: Box<Self>,
        context: &Context,
        issued: &mut Issued,
        answer: &mut TokenResponse,
    ) -> Result<(), Error>;
}

/// The answer of the token endpoint (RFC 6749 section 5.1).
#[derive(Serialize)]
#[non_exhaustive]
pub struct TokenResponse {
    /// The access token.
    #[serde(serialize_with = "expose")]
    pub access_token: Secret,
    /// How it is presented: `Bearer` (RFC 6750) unless an extension binds it.
    pub token_type: &'static str,
    /// Seconds it lives.
    pub expires_in: u64,
    /// The refresh token.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "expose_some")]
    pub refresh_token: Option<Secret>,
    /// What the access token may do.
    #[serde(skip_serializing_if = "Scope::is_empty")]
    pub scope: Scope,
    /// What grants and extensions add.
    #[serde(flatten)]
    pub extras: Map<String, Value>,
}

fn expose<S: serde::Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

fn expose_some<S: serde::Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(Secret::expose).serialize(serializer)
}

/// The forms of access tokens that a server has.
#[derive(Default)]
pub(crate) struct Formats {
    /// Where nobody asks for a form; `None`: [`Opaque`].
    pub(crate) default: Option<Box<dyn TokenFormat>>,
    pub(crate) jwt: Option<Box<dyn TokenFormat>>,
}

impl Formats {
    fn of(&self, asked: Option<AccessTokenFormat>) -> Result<&dyn TokenFormat, Error> {
        match (asked, &self.default, &self.jwt) {
            (Some(AccessTokenFormat::Jwt), _, None) => {
                Err(Error::new(ErrorCode::ServerError, "the access token is to be a JWT, but this server makes none"))
            }
            (Some(AccessTokenFormat::Jwt), _, Some(format)) | (None, Some(format), _) => Ok(&**format),
            (Some(AccessTokenFormat::Opaque), ..) | (None, None, _) => Ok(&Opaque),
        }
    }
}

/// Turns what a grant approved into tokens.
pub struct TokenIssuer {
    formats: Formats,
    extensions: Arc<[Box<dyn Extension>]>,
}

impl TokenIssuer {
    pub(crate) fn new(formats: Formats, extensions: Arc<[Box<dyn Extension>]>) -> Self {
        Self { formats, extensions }
    }

    /// Checks, mints, decorates, commits; in this order, so that whatever fails leaves the store as it was.
    ///
    /// # Errors
    /// What an extension, the token format or the commit says.
    pub(crate) async fn issue(
        &self,
        context: &Context,
        request: &TokenRequest<'_>,
        mut approved: Approved,
    ) -> Result<TokenResponse, Error> {
        // A form that the server does not have is no error yet: a resource may take another.
        if let Ok(format) = self.format(&request.client, &approved) {
            approved.name_audience(format);
        }
        for extension in self.extensions.iter() {
            extension.check(context, request, &mut approved).await?;
        }
        let (mut issued, mut answer) = self.mint(context, &request.client, &mut approved, request.now).await?;
        for extension in self.extensions.iter() {
            extension.decorate(context, request, &issued, &mut answer).await?;
        }
        approved.commit.commit(context, &mut issued, &mut answer).await?;
        context.event(&Event::Issued {
            client_id: request.client.id(),
            grant_type: request.params.get("grant_type").unwrap_or_default(),
            authorization: issued.access_token.authorization,
            scope: &issued.access_token.scope,
        });
        Ok(answer)
    }

    /// Mints and commits what was approved at the authorization endpoint, where no extension has a token request to
    /// check. It tells nobody: [`Event::Issued`] is the caller's to send.
    ///
    /// # Errors
    /// What the token format or the commit says.
    pub async fn issue_directly(
        &self,
        context: &Context,
        client: &Client,
        mut approved: Approved,
        now: Timestamp,
    ) -> Result<TokenResponse, Error> {
        let (mut issued, mut answer) = self.mint(context, client, &mut approved, now).await?;
        approved.commit.commit(context, &mut issued, &mut answer).await?;
        Ok(answer)
    }

    fn format(&self, client: &Client, approved: &Approved) -> Result<&dyn TokenFormat, Error> {
        self.formats.of(approved.token_format.or(client.policy().access_token_format))
    }

    /// Mints what was approved for `client`; nothing is saved yet.
    ///
    /// # Errors
    /// The token format cannot make the token; `invalid_scope` when no server would read a token of its length.
    async fn mint(
        &self,
        context: &Context,
        client: &Client,
        approved: &mut Approved,
        now: Timestamp,
    ) -> Result<(Issued, TokenResponse), Error> {
        let format = self.format(client, approved)?;
        approved.name_audience(format);
        let longest = format.longest_lifetime(context).map_or(Timestamp::END, |longest| now.plus(longest));
        let expires_at = access_token_end(context, client, approved, now).min(longest).min(Timestamp::END);
        let claims = Claims { client, approved, issued_at: now, expires_at };
        let token = format.mint(context, &claims).await?;
        if token.expose().len() > MAX_VALUE {
            let description = "the access token would be too long: ask for a narrower scope";
            return Err(Error::new(ErrorCode::InvalidScope, description));
        }
        let authorization = approved.authorization.take();
        let refresh_token = std::mem::replace(&mut approved.refresh_token, RefreshTokenAnswer::Absent);
        let (family, refresh_token) = match (refresh_token, &authorization) {
            (RefreshTokenAnswer::Given(family, token), _) => (family, Some(token)),
            (RefreshTokenAnswer::New, Some(authorization)) => first_refresh_token(context, client, authorization, now)?,
            _ => (None, None),
        };
        let access_token = AccessToken {
            token: token.digest(),
            issuer: context.config.issuer.clone(),
            authorization: authorization.as_ref().map(|authorization| authorization.id),
            client_id: client.id().clone(),
            scope: approved.scope.clone(),
            audience: std::mem::take(&mut approved.audience),
            issued_at: now,
            expires_at,
        };
        let answer = TokenResponse {
            access_token: token,
            token_type: "Bearer",
            expires_in: expires_at.since(now),
            refresh_token,
            scope: approved.scope.clone(),
            extras: std::mem::take(&mut approved.extras),
        };
        Ok((Issued { authorization, access_token, refresh_token: family }, answer))
    }
}

/// By the client's lifetime or the server's, but never beyond the authorization.
fn access_token_end(context: &Context, client: &Client, approved: &Approved, now: Timestamp) -> Timestamp {
    let lifetime = client.policy().access_token_lifetime.unwrap_or(context.config.lifetimes.access_token);
    let end = now.plus(lifetime);
    approved.authorization.as_ref().map_or(end, |authorization| end.min(authorization.expires_at))
}

fn first_refresh_token(
    context: &Context,
    client: &Client,
    authorization: &Authorization,
    now: Timestamp,
) -> Result<(Option<RefreshToken>, Option<Secret>), Error> {
    let Some(policy) = context.refresh_policy(client) else { return Ok((None, None)) };
    let family = refresh_token::first(context, authorization, &policy, now);
    let token = family.as_ref().and_then(|family| refresh_token::current(&context.keys, family));
    let token = token.ok_or(Error::new(ErrorCode::ServerError, "no refresh token can be made"))?;
    Ok((family, Some(token)))
}
