use serde_json::{Value, json};

use super::broken::Broken;
use super::sample::{Sample, scope};
use crate::clock::Timestamp;
use crate::model::{
    AccessToken, AuthMethod, Authorization, AuthorizationCode, Client, ClientMetadata, ClientPolicy, ClientSecret,
    Consent, Issued, Kept, KeyId, RefreshPolicy, RefreshToken, Rotation, Scope, SigningKey,
};
use crate::secret::Digest;

/// What a store may trip over: quotes, backslashes, wildcards, placeholders, other alphabets.
const AWKWARD: &str = r#"' '' " \ \\ \u0041 %s %_ $1 ?1 :x @x {}[] ; -- /* # <é e\u{301} İı ß 漢字 🦀 "#;

/// A number beyond 32 bits.
const LARGE: u64 = 1 << 40;

/// Awkward text that is not the same twice.
fn awkward(name: &str) -> String {
    format!("{AWKWARD}e\u{301} \u{200d} {name}")
}

/// The same with line breaks, for what is no identifier.
fn awkward_lines(name: &str) -> String {
    format!("{}\r\n\t{}\u{7f}", awkward(name), awkward(name))
}

/// More than 2 KiB.
fn long_scope() -> Scope {
    let tokens: Vec<String> = (0..200).map(|n| format!("https://api.example/'%_;--/{n}")).collect();
    scope(&tokens.join(" "))
}

fn kept() -> Kept {
    let nested = json!({
        "": null,
        "a.b": [[], {}, [null, true, [false, { "x": [1, -1, 1.5, LARGE, "1"] }]]],
        "text": awkward_lines("text"),
        awkward_lines("name"): "",
    });
    [("pkce".to_owned(), nested), (awkward("key"), json!("")), ("null".to_owned(), Value::Null)].into()
}

/// Records with every field full.
///
/// No `..` here: the compiler asks about a field that is new.
impl Sample {
    pub(super) fn full_authorization(&self, n: usize) -> Authorization {
        Authorization {
            id: self.authorization_id(n),
            issuer: awkward("https://other-as.example/").into(),
            client_id: self.client_id(&awkward("app")),
            subject: self.subject(&awkward("alice")),
            scope: long_scope(),
            resources: vec!["https://api.example/".to_owned(), awkward_lines("urn:x"), String::new()],
            session: Some(self.session(n)),
            auth_time: self.at(1),
            acr: Some(awkward_lines("acr")),
            amr: vec!["pwd".to_owned(), awkward_lines("amr")],
            created_at: self.at(2),
            expires_at: self.at(LARGE),
        }
    }

    pub(super) fn full_code(&self, n: usize) -> AuthorizationCode {
        AuthorizationCode {
            code: self.digest(format_args!("full code {n}")),
            authorization: self.full_authorization(n),
            redirect_uri: Some(awkward_lines("https://app.example/cb?")),
            extensions: kept(),
            expires_at: self.at(61),
            retain_until: self.at(901),
        }
    }

    pub(super) fn full_issued(&self, n: usize) -> Issued {
        let authorization = self.full_authorization(n);
        let access_token = AccessToken {
            token: self.digest(format_args!("full token {n}")),
            issuer: authorization.issuer.clone(),
            authorization: Some(authorization.id),
            client_id: authorization.client_id.clone(),
            scope: long_scope(),
            audience: vec![awkward_lines("aud"), "https://api.example".to_owned()],
            issued_at: self.at(3),
            expires_at: self.at(301),
        };
        Issued { authorization: Some(authorization), access_token, refresh_token: None }
    }

    /// A family of a full authorization.
    pub(super) fn full_family(&self, n: usize) -> RefreshToken {
        let authorization = self.full_authorization(n);
        RefreshToken {
            handle: self.handle(n),
            issuer: authorization.issuer,
            authorization: authorization.id,
            client_id: authorization.client_id,
            key: KeyId::from_bytes([0xff; 8]),
            salt: self.digest("full salt"),
            generation: LARGE,
            rotated_at: self.at(4),
            made_by: Some(self.digest("full request")),
            idle_until: self.at(501),
            expires_at: self.at(601),
        }
    }

    pub(super) fn full_consent(&self) -> Consent {
        Consent {
            issuer: awkward("https://other-as.example/").into(),
            subject: self.subject(&awkward("alice")),
            client_id: self.client_id(&awkward("app")),
            redirect_uri: self.name(&awkward("https://app.example/cb?")),
            scope: long_scope(),
            resources: vec![awkward_lines("urn:x"), "https://api.example".to_owned()],
            given_at: self.at(5),
        }
    }

    pub(super) fn full_signing_key(&self) -> SigningKey {
        SigningKey {
            issuer: self.name(&awkward("https://other-as.example/")).into(),
            algorithm: awkward("alg"),
            generation: LARGE,
            jwk: json!({ "kty": "RSA", "n": awkward_lines("n"), "x5c": kept() }),
            private_key: awkward_lines("key"),
            created_at: self.at(6),
            signs_from: self.at(LARGE),
            signs_until: self.at(LARGE + 1),
            longest_token: LARGE + 2,
        }
    }

    /// A confidential client with all that it may say about itself.
    pub(super) fn full_client(&self) -> Result<Client, Broken> {
        let text = |name: &str| Some(awkward_lines(name));
        let metadata = ClientMetadata {
            redirect_uris: vec!["https://app.example/cb?x='%25_%22".parse()?, "com.example.app:/cb".parse()?],
            token_endpoint_auth_method: AuthMethod::CLIENT_SECRET_POST,
            grant_types: ["authorization_code", "refresh_token", "client_credentials"].map(str::to_owned).into(),
            response_types: vec!["code".to_owned()],
            client_name: text("name"),
            client_uri: text("client"),
            logo_uri: text("logo"),
            scope: long_scope(),
            contacts: vec![awkward_lines("contact"), "a@app.example".to_owned()],
            tos_uri: text("tos"),
            policy_uri: text("policy"),
            jwks_uri: None,
            jwks: Some(json!({ "keys": [{ "kty": "OKP", "x": awkward("x") }] })),
            software_id: text("id"),
            software_version: text("version"),
            other: [("client_name#de".to_owned(), json!(awkward("ü"))), ("nested".to_owned(), json!(kept()))].into(),
        };
        let policy = ClientPolicy {
            require_pkce: false,
            localhost_is_loopback: false,
            authorization_code_lifetime: Some(599),
            access_token_lifetime: Some(LARGE),
            access_token_format: Some(crate::model::AccessTokenFormat::Jwt),
            refresh_token: Some(RefreshPolicy {
                rotation: Rotation::Keep,
                idle_lifetime: LARGE,
                absolute_lifetime: LARGE + 1,
            }),
        };
        let secret = ClientSecret::Digest(Digest::of("secret"));
        let client = Client::new(self.client_id(&awkward("app")), Some(secret), metadata)?;
        Ok(client.with_policy(policy)?.with_secret_until(self.at(LARGE)))
    }
}

/// Records with nothing that may be left out or empty.
impl Sample {
    pub(super) fn bare_authorization(&self, n: usize) -> Authorization {
        let auth_time = Timestamp::from_unix(0);
        Authorization { scope: Scope::empty(), session: None, auth_time, ..self.authorization(n) }
    }

    pub(super) fn bare_issued(&self, n: usize) -> Issued {
        let authorization = Some(self.bare_authorization(n));
        let access_token =
            AccessToken { scope: Scope::empty(), ..self.access_token(n, format_args!("bare token {n}")) };
        Issued { authorization, access_token, refresh_token: None }
    }

    /// A public client that says as little as it can.
    pub(super) fn bare_client(&self, client_id: &str) -> Result<Client, Broken> {
        let metadata = ClientMetadata {
            token_endpoint_auth_method: AuthMethod::NONE,
            redirect_uris: vec!["https://app.example/cb".parse()?],
            ..ClientMetadata::default()
        };
        Ok(Client::new(self.client_id(client_id), None, metadata)?)
    }
}
