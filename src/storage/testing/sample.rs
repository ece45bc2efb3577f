use std::fmt::Display;

use serde_json::Value;

use crate::clock::{SystemRandomness, Timestamp, random};
use crate::model::{
    AccessToken, Authorization, AuthorizationCode, AuthorizationId, ClientId, Consent, Issued, Issuer, Kept, KeyId,
    RefreshHandle, RefreshToken, Scope, SessionDigest, SigningKey, Subject,
};
use crate::secret::Digest;

/// 2100-01-01: no store's own clock gets there.
const START: Timestamp = Timestamp::from_unix(4_102_444_800);

/// Records of one check, under names that no other check or run has. What may be left out of them is.
///
/// An authorization ends 1,000 seconds after the start, its code must be kept for 900, a family of refresh tokens ends
/// after 600 and an access token after 300.
#[derive(Clone, Copy)]
pub(super) struct Sample {
    seed: Digest,
    start: Timestamp,
}

impl Sample {
    pub(super) fn new() -> Self {
        Self::from(START)
    }

    /// Records that begin at `start`.
    pub(super) fn from(start: Timestamp) -> Self {
        Self { seed: Digest::from_bytes(random(&SystemRandomness)), start }
    }

    /// The moment `seconds` after the start.
    pub(super) const fn at(&self, seconds: u64) -> Timestamp {
        self.start.plus(seconds)
    }

    /// A name of that kind.
    pub(super) fn name(&self, name: &str) -> String {
        let seed = self.seed.to_string();
        format!("{name}-{seed:.16}")
    }

    pub(super) fn subject(&self, name: &str) -> Subject {
        self.name(name).into()
    }

    pub(super) fn client_id(&self, name: &str) -> ClientId {
        self.name(name).into()
    }

    pub(super) fn issuer(&self) -> Issuer {
        "https://as.example".into()
    }

    pub(super) fn digest(&self, name: impl Display) -> Digest {
        Digest::of(&format!("{name} {}", self.seed))
    }

    fn bytes<const N: usize>(&self, name: impl Display) -> [u8; N] {
        self.digest(name).as_bytes().first_chunk().copied().unwrap_or([0; N])
    }

    pub(super) fn session(&self, name: impl Display) -> SessionDigest {
        SessionDigest::from_bytes(self.bytes(format_args!("session {name}")))
    }

    pub(super) fn authorization_id(&self, n: usize) -> AuthorizationId {
        AuthorizationId::from_bytes(self.bytes(format_args!("authorization {n}")))
    }

    pub(super) fn handle(&self, n: usize) -> RefreshHandle {
        RefreshHandle::from_bytes(self.bytes(format_args!("family {n}")))
    }

    /// The authorization number `n`, of alice at `app`, in a session of its own.
    pub(super) fn authorization(&self, n: usize) -> Authorization {
        Authorization {
            id: self.authorization_id(n),
            issuer: self.issuer(),
            client_id: self.client_id("app"),
            subject: self.subject("alice"),
            scope: scope("profile"),
            resources: Vec::new(),
            session: Some(self.session(n)),
            auth_time: self.at(0),
            acr: None,
            amr: Vec::new(),
            created_at: self.at(0),
            expires_at: self.at(1_000),
        }
    }

    /// The code of authorization number `n`.
    pub(super) fn code(&self, n: usize) -> AuthorizationCode {
        self.code_of(format_args!("code {n}"), self.authorization(n))
    }

    /// The code of that name.
    pub(super) fn code_of(&self, name: impl Display, authorization: Authorization) -> AuthorizationCode {
        AuthorizationCode {
            code: self.digest(name),
            authorization,
            redirect_uri: None,
            extensions: Kept::new(),
            expires_at: self.at(60),
            retain_until: self.at(900),
        }
    }

    /// The access token of that name, issued under authorization number `n`.
    pub(super) fn access_token(&self, n: usize, name: impl Display) -> AccessToken {
        AccessToken {
            token: self.digest(name),
            issuer: self.issuer(),
            authorization: Some(self.authorization_id(n)),
            client_id: self.client_id("app"),
            scope: scope("profile"),
            audience: Vec::new(),
            issued_at: self.at(0),
            expires_at: self.at(300),
        }
    }

    /// The family of authorization number `n`, at that generation.
    pub(super) fn family(&self, n: usize, generation: u64) -> RefreshToken {
        RefreshToken {
            handle: self.handle(n),
            issuer: self.issuer(),
            authorization: self.authorization_id(n),
            client_id: self.client_id("app"),
            key: KeyId::from_bytes([1; 8]),
            salt: self.digest("salt"),
            generation,
            rotated_at: self.at(generation),
            made_by: None,
            idle_until: self.at(500),
            expires_at: self.at(600),
        }
    }

    /// An access token of that name under authorization number `n`, which comes with it.
    pub(super) fn issued(&self, n: usize, name: impl Display) -> Issued {
        let authorization = Some(self.authorization(n));
        Issued { authorization, access_token: self.access_token(n, name), refresh_token: None }
    }

    /// The same with the first generation of family `n`.
    pub(super) fn issued_with_family(&self, n: usize, name: impl Display) -> Issued {
        Issued { refresh_token: Some(self.family(n, 0)), ..self.issued(n, name) }
    }

    /// An access token under the authorization of `family`, which no other call answers.
    pub(super) fn next_token(family: &RefreshToken) -> AccessToken {
        AccessToken {
            issuer: family.issuer.clone(),
            authorization: Some(family.authorization),
            client_id: family.client_id.clone(),
            ..Self::new().access_token(0, "next")
        }
    }

    /// An access token of that name, of a client for itself.
    pub(super) fn for_itself(&self, client_id: &ClientId, name: impl Display) -> Issued {
        let access_token =
            AccessToken { authorization: None, client_id: client_id.clone(), ..self.access_token(0, name) };
        Issued { authorization: None, access_token, refresh_token: None }
    }

    pub(super) fn consent(&self, subject: Subject, client_id: ClientId, redirect_uri: String) -> Consent {
        Consent {
            issuer: self.issuer(),
            subject,
            client_id,
            redirect_uri,
            scope: scope("profile"),
            resources: Vec::new(),
            given_at: self.at(0),
        }
    }

    /// The key of that generation that signs by RS256, of an issuer that no other check has.
    pub(super) fn signing_key(&self, generation: u64) -> SigningKey {
        SigningKey {
            issuer: self.name("https://as.example/").into(),
            algorithm: "RS256".to_owned(),
            generation,
            jwk: Value::Null,
            private_key: String::new(),
            created_at: self.at(generation),
            signs_from: self.at(generation),
            signs_until: self.at(generation + 1),
            longest_token: 1,
        }
    }
}

/// The scope that this constant says.
#[expect(clippy::expect_used, reason = "the text is a constant of the kit")]
pub(super) fn scope(text: &str) -> Scope {
    text.parse().expect("a well-formed scope")
}
