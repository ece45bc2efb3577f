use std::sync::Arc;

use grantwell::Digest;
use grantwell::model::{AuthorizationId, ClientId, Issuer, RefreshHandle, SessionDigest, Subject};

/// The names of the keys.
///
/// What stands in braces decides the slot in a cluster, so that all of one authorization is together. What a user or
/// client may choose gets into a key as its digest, so that it can neither bring braces nor be read there.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    prefix: Arc<str>,
}

impl Keys {
    pub(crate) const fn new(prefix: Arc<str>) -> Self {
        Self { prefix }
    }

    pub(crate) fn authorization(&self, id: &AuthorizationId) -> String {
        format!("{}authorization:{{{id}}}", self.prefix)
    }

    pub(crate) fn code(&self, id: &AuthorizationId, code: &Digest) -> String {
        format!("{}:code:{code}", self.authorization(id))
    }

    pub(crate) fn access_token(&self, id: &AuthorizationId, token: &Digest) -> String {
        format!("{}:token:{token}", self.authorization(id))
    }

    pub(crate) fn refresh_token(&self, id: &AuthorizationId, handle: &RefreshHandle) -> String {
        format!("{}:refresh:{handle}", self.authorization(id))
    }

    pub(crate) fn code_pointer(&self, code: &Digest) -> String {
        format!("{}code:{code}", self.prefix)
    }

    pub(crate) fn access_token_pointer(&self, token: &Digest) -> String {
        format!("{}token:{token}", self.prefix)
    }

    pub(crate) fn refresh_token_pointer(&self, handle: &RefreshHandle) -> String {
        format!("{}refresh:{handle}", self.prefix)
    }

    pub(crate) fn client(&self, client_id: &ClientId) -> String {
        format!("{}client:{{{}}}", self.prefix, digest(client_id))
    }

    /// Indexes the authorizations of a client.
    pub(crate) fn client_authorizations(&self, client_id: &ClientId) -> String {
        format!("{}:authorizations", self.client(client_id))
    }

    /// Indexes the tokens that a client has for itself.
    pub(crate) fn client_tokens(&self, client_id: &ClientId) -> String {
        format!("{}:tokens", self.client(client_id))
    }

    /// Indexes the authorizations of a subject.
    pub(crate) fn subject_authorizations(&self, subject: &Subject) -> String {
        format!("{}:authorizations", self.subject(subject))
    }

    /// Indexes the authorizations of a subject at one client.
    pub(crate) fn subject_authorizations_at(&self, subject: &Subject, client_id: &ClientId) -> String {
        format!("{}:authorizations:{}", self.subject(subject), digest(client_id))
    }

    pub(crate) fn consents(&self, subject: &Subject, client_id: &ClientId) -> String {
        format!("{}:consents:{}", self.subject(subject), digest(client_id))
    }

    /// Indexes the authorizations of a session.
    pub(crate) fn session_authorizations(&self, session: &SessionDigest) -> String {
        format!("{}session:{{{session}}}:authorizations", self.prefix)
    }

    pub(crate) fn claim(&self, id: &Digest) -> String {
        format!("{}claim:{id}", self.prefix)
    }

    pub(crate) fn signing_keys(&self, issuer: &Issuer) -> String {
        format!("{}issuer:{{{}}}:signing-keys", self.prefix, Digest::of(issuer.as_str()))
    }

    fn subject(&self, subject: &Subject) -> String {
        format!("{}subject:{{{}}}", self.prefix, Digest::of(subject.as_str()))
    }
}

/// What stands for a client in keys and rows.
pub(crate) fn digest(client_id: &ClientId) -> Digest {
    Digest::of(client_id.as_str())
}
