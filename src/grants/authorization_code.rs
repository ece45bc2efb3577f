use std::sync::Arc;

use async_trait::async_trait;

use super::{Approval, BoundGrant, Grant, Responded, ResponseType, TokenGrant};
use crate::config::Config;
use crate::context::{Abilities, Context};
use crate::error::Error;
use crate::events::Event;
use crate::issue::{Approved, Commit, RefreshTokenAnswer, TokenRequest, TokenResponse};
use crate::model::{AuthorizationCode as Code, Issued};
use crate::secret::Digest;
use crate::storage::{AuthorizationCodeStore, CodeState, Redeemed, Selector};
use crate::wire::ResponseMode;

/// The authorization code grant (RFC 6749 section 4.1). Needs [`AuthorizationCodeStore`] and secret keys.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuthorizationCode(());

impl AuthorizationCode {
    /// The grant.
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S: AuthorizationCodeStore> Grant<S> for AuthorizationCode {
    fn bind(self, store: &Arc<S>, _: &mut Config, _: &mut Abilities) -> BoundGrant {
        let codes: Arc<dyn AuthorizationCodeStore> = store.clone();
        BoundGrant {
            token: Some(Box::new(Redeem { codes: codes.clone() })),
            response_type: Some(Box::new(IssueCode { codes })),
        }
    }
}

/// Seconds by which the clocks of replicas may differ: none may forget a used code that another could make again.
const CLOCK_SKEW: u64 = 300;

/// `response_type=code` (RFC 6749 section 4.1.2).
struct IssueCode {
    codes: Arc<dyn AuthorizationCodeStore>,
}

#[async_trait]
impl ResponseType for IssueCode {
    fn response_type(&self) -> &str {
        "code"
    }

    fn grant_type(&self) -> &str {
        "authorization_code"
    }

    fn response_mode(&self) -> ResponseMode {
        ResponseMode::Query
    }

    async fn respond(&self, context: &Context, approval: &Approval<'_>) -> Result<Responded, Error> {
        let code = approval.seed.code();
        let now = approval.authorization.created_at;
        let target = &approval.request.target;
        let lifetime = target.client.policy().authorization_code_lifetime;
        let expires_at = now.plus(lifetime.unwrap_or(context.config.lifetimes.authorization_code));
        let record = Code {
            code: code.digest(),
            authorization: approval.authorization.clone(),
            redirect_uri: approval.request.has_redirect_uri.then(|| target.redirect_uri.to_string()),
            extensions: approval.request.extensions.clone(),
            expires_at,
            retain_until: expires_at.max(approval.repeatable_until).plus(CLOCK_SKEW),
        };
        if !self.codes.save_authorization_code(&record).await? && !self.is_still_good(&record).await? {
            return Ok(Responded::AlreadyUsed);
        }
        Ok(Responded::Parameters(vec![("code", code.expose().to_owned())]))
    }
}

impl IssueCode {
    /// Whether the code that was there already says the same and can still be redeemed.
    async fn is_still_good(&self, record: &Code) -> Result<bool, Error> {
        let now = record.authorization.created_at;
        let Some(CodeState::Active(earlier)) = self.codes.query_authorization_code(&record.code).await? else {
            return Ok(false);
        };
        Ok(now < earlier.expires_at && earlier.authorization.scope == record.authorization.scope)
    }
}

/// `grant_type=authorization_code` (RFC 6749 section 4.1.3).
struct Redeem {
    codes: Arc<dyn AuthorizationCodeStore>,
}

const REFUSED: &str = "the code is unknown, expired, used, or not this client's";

#[async_trait]
impl TokenGrant for Redeem {
    fn grant_type(&self) -> &str {
        "authorization_code"
    }

    async fn approve(&self, context: &Context, request: &TokenRequest<'_>) -> Result<Approved, Error> {
        let digest = Digest::of(request.params.require("code")?);
        let state = self.codes.query_authorization_code(&digest).await?;
        let (code, is_consumed) = match state.ok_or(Error::invalid_grant(REFUSED))? {
            CodeState::Active(code) => (code, false),
            CodeState::Consumed(code) => (code, true),
        };
        if !is_consumed && request.now >= code.expires_at {
            return Err(Error::invalid_grant(REFUSED));
        }
        check(context, request, &code)?;
        let scope = context.standing_scope(&code.authorization, &request.client).await?;
        let commit: Box<dyn Commit> = if is_consumed {
            Box::new(RevokeReplayed)
        } else {
            Box::new(RedeemOnce { codes: self.codes.clone(), code: digest })
        };
        Ok(Approved {
            extensions: Some(code.extensions),
            refresh_token: RefreshTokenAnswer::New,
            ..Approved::under(code.authorization, scope, commit)
        })
    }
}

fn check(context: &Context, request: &TokenRequest<'_>, code: &Code) -> Result<(), Error> {
    let is_valid = code.authorization.client_id == *request.client.id()
        && context.is_own("authorization code", &code.authorization.issuer);
    if !is_valid {
        return Err(Error::invalid_grant(REFUSED));
    }
    let repeated = request.params.get("redirect_uri");
    if repeated != code.redirect_uri.as_deref() {
        return Err(Error::invalid_grant("redirect_uri is not the one of the authorization request"));
    }
    Ok(())
}

/// The first use: consumes the code and saves the tokens.
struct RedeemOnce {
    codes: Arc<dyn AuthorizationCodeStore>,
    code: Digest,
}

#[async_trait]
impl Commit for RedeemOnce {
    async fn commit(self: Box<Self>, _: &Context, issued: &mut Issued, _: &mut TokenResponse) -> Result<(), Error> {
        match self.codes.redeem_authorization_code(&self.code, issued).await? {
            Redeemed::Saved => Ok(()),
            // Two requests at once are no replay: whoever lost the race revokes nothing.
            Redeemed::Lost => Err(Error::invalid_grant(REFUSED)),
        }
    }
}

/// A later use, right in everything else: what the first one bought is revoked (RFC 6749 section 4.1.2).
struct RevokeReplayed;

#[async_trait]
impl Commit for RevokeReplayed {
    async fn commit(
        self: Box<Self>,
        context: &Context,
        issued: &mut Issued,
        _: &mut TokenResponse,
    ) -> Result<(), Error> {
        if let Some(authorization) = &issued.authorization {
            if let Some(store) = &context.abilities.revocation {
                store.revoke_authorizations(&Selector::Authorization(authorization.id)).await?;
            }
            let (client_id, authorization) = (&authorization.client_id, authorization.id);
            context.event(&Event::CodeReplayed { client_id, authorization });
        }
        Err(Error::invalid_grant(REFUSED))
    }
}
