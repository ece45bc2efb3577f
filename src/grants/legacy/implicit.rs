use std::sync::Arc;

use async_trait::async_trait;

use crate::config::Config;
use crate::context::{Abilities, Context};
use crate::error::{Error, ErrorCode};
use crate::events::Event;
use crate::grants::{Approval, BoundGrant, Grant, Responded, ResponseType, SaveToken};
use crate::issue::Approved;
use crate::model::{Authorization, AuthorizationId};
use crate::storage::TokenStore;
use crate::wire::ResponseMode;

/// The implicit grant (RFC 6749 section 4.2): the access token stands in the fragment of the redirect, where scripts,
/// histories and open redirects find it, and nothing ties it to the client. Needs [`TokenStore`] and secret keys.
///
/// It issues no refresh token. A client has it by the grant type `implicit` and the response type `token`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Implicit(());

impl Implicit {
    /// The grant.
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S: TokenStore> Grant<S> for Implicit {
    fn bind(self, store: &Arc<S>, _: &mut Config, _: &mut Abilities) -> BoundGrant {
        BoundGrant { token: None, response_type: Some(Box::new(IssueToken { tokens: store.clone() })) }
    }
}

/// `response_type=token` (RFC 6749 section 4.2.2).
struct IssueToken {
    tokens: Arc<dyn TokenStore>,
}

#[async_trait]
impl ResponseType for IssueToken {
    fn response_type(&self) -> &str {
        "token"
    }

    fn grant_type(&self) -> &str {
        "implicit"
    }

    fn response_mode(&self) -> ResponseMode {
        ResponseMode::Fragment
    }

    async fn respond(&self, context: &Context, approval: &Approval<'_>) -> Result<Responded, Error> {
        let client = &approval.request.target.client;
        // Nothing in the store tells a second click from the first: each is an approval of its own.
        let id = AuthorizationId::from_bytes(context.random());
        let authorization = Authorization { id, ..approval.authorization.clone() };
        let now = authorization.created_at;
        let scope = context.standing_scope(&authorization, client).await.map_err(denied)?;
        let approved = Approved {
            token_format: approval.request.token_format,
            extensions: Some(approval.request.extensions.clone()),
            ..Approved::under(authorization, scope.clone(), Box::new(SaveToken(self.tokens.clone())))
        };
        let answer = approval.issuer.issue_directly(context, client, approved, now).await?;
        let grant_type = self.grant_type();
        context.event(&Event::Issued { client_id: client.id(), grant_type, authorization: Some(id), scope: &scope });
        let mut params = vec![
            ("access_token", answer.access_token.expose().to_owned()),
            ("token_type", answer.token_type.to_owned()),
            ("expires_in", answer.expires_in.to_string()),
        ];
        if !answer.scope.is_empty() {
            params.push(("scope", answer.scope.as_str().to_owned()));
        }
        Ok(Responded::Parameters(params))
    }
}

/// What the token endpoint calls `invalid_grant` is `access_denied` here (RFC 6749 section 4.2.2.1).
fn denied(error: Error) -> Error {
    match error.code() {
        ErrorCode::InvalidGrant => Error::new(ErrorCode::AccessDenied, "the resource owner can no longer authorize"),
        _ => error,
    }
}
