//! The configuration file: read as TOML, then checked entry by entry, so that an error names the entry.

mod entry;
mod registered;
mod signing;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use grantwell::model::{Client, ClientId};
use serde::Deserialize;
use toml::Table;

use self::entry::entries;
pub(crate) use self::entry::parse as parse_entry;
pub(crate) use self::registered::{Entries, Registered};
pub(crate) use self::signing::Signing;
use crate::store::Store;
use crate::tls::TlsFiles;
use crate::users::{User, Users};

/// What the server is started with.
pub struct Config {
    /// The issuer; `None`: `http://localhost` and the port that is listened on, or `https://localhost` with TLS.
    pub issuer: Option<String>,
    /// The one address to listen on; `None`: port 9000 of the loopback addresses.
    pub listen: Option<SocketAddr>,
    /// What TLS is spoken with; `None`: it is not, or by a proxy in front.
    pub tls: Option<TlsFiles>,
    /// Where state is kept.
    pub store: Store,
    /// The file of secret keys, made where there is none; `None`: see [`Self::key_file`].
    pub keys: Option<PathBuf>,
    /// Whether to replace the keys that sign tokens before anything is served: for a key that leaked, or where the key
    /// file was lost. Tokens they signed no longer verify.
    pub replace_signing_keys: bool,
    /// Whether this is the built-in file.
    pub(crate) is_built_in: bool,
    pub(crate) entries: Entries,
    pub(crate) signing: Option<Signing>,
    pub(crate) users: Users,
    pub(crate) resource_servers: Vec<ClientId>,
    /// What each scope means, in a sentence.
    pub(crate) scopes: BTreeMap<String, String>,
}

/// What is wrong with the configuration, and where. One line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    issuer: Option<String>,
    listen: Option<SocketAddr>,
    tls: Option<TlsFiles>,
    store: Option<String>,
    keys: Option<PathBuf>,
    signing: Option<Table>,
    #[serde(default)]
    resource_servers: Vec<ClientId>,
    #[serde(default)]
    clients: Vec<Table>,
    #[serde(default)]
    resources: Vec<Table>,
    #[serde(default)]
    users: Vec<Table>,
    #[serde(default)]
    scopes: BTreeMap<String, String>,
}

/// Stands for an issuer that is known only once the server listens. No entry names it by itself (RFC 2606 section 2).
const UNKNOWN_ISSUER: &str = "https://issuer.invalid";

impl Config {
    /// The file that is used when there is no other.
    pub const BUILT_IN: &str = include_str!("../default.toml");

    /// The user of the built-in file, and the password.
    pub const BUILT_IN_USER: (&str, &str) = ("id001", "mypassword");

    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or see [`Self::parse`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let in_file = |error: &dyn std::fmt::Display| ConfigError(format!("{}: {error}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| in_file(&error))?;
        Self::parse(&text).map_err(|error| in_file(&error))
    }

    /// Parses the text of a file. Plain passwords are hashed, which takes a moment for each.
    ///
    /// # Errors
    /// The text is no TOML, or an entry contradicts itself or another one.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let file: File = toml::from_str(text).map_err(|error| syntax_error(text, &error))?;
        let File { issuer, listen, tls, store, keys, signing, resource_servers, clients, resources, users, scopes } =
            file;
        let store = store.as_deref().map(Store::from_str).transpose();
        let store = store.map_err(|error| ConfigError(format!("store: {error}")))?.unwrap_or_default();
        let signing = signing.map(Signing::parse).transpose()?;
        let entries = Entries { clients, resources, signs: signing.is_some() };
        // What is wrong under any issuer is told now, with the file's name.
        let Registered { clients, .. } = entries.under(issuer.as_deref().unwrap_or(UNKNOWN_ISSUER))?;
        clients.iter().for_each(tell_unread);
        let resource_servers = authenticating(resource_servers, &clients)?;
        let users = Users::new(self::entries(("user", "user_id"), &users, User::from_entry, User::id)?);
        let (replace_signing_keys, is_built_in) = (false, text == Self::BUILT_IN);
        Ok(Self {
            issuer,
            listen,
            tls,
            store,
            keys,
            replace_signing_keys,
            is_built_in,
            entries,
            signing,
            users,
            resource_servers,
            scopes,
        })
    }

    /// The file of secret keys; `None`: they end with the process, like what the memory store holds.
    pub fn key_file(&self) -> Option<&Path> {
        match (&self.keys, &self.store) {
            (Some(file), _) => Some(file),
            (None, Store::Memory) => None,
            (None, _) => Some(Path::new("grantwell.keys")),
        }
    }
}

/// The resource servers, each of which is a client.
fn authenticating(ids: Vec<ClientId>, clients: &[Client]) -> Result<Vec<ClientId>, ConfigError> {
    let may_ask = |id: &&ClientId| clients.iter().any(|client| client.id() == *id && !client.is_public());
    match ids.iter().find(|id| !may_ask(id)) {
        Some(id) => {
            let id = id.as_str();
            Err(ConfigError(format!("resource_servers: there is no client {id:?} that authenticates")))
        }
        None => Ok(ids),
    }
}

fn tell_unread(client: &Client) {
    for name in client.metadata().other.keys().filter(|name| !name.contains('#')) {
        let client_id = client.id().as_str();
        tracing::warn!(client_id, name, "nothing here reads this member of a client");
    }
}

/// A secret in the file. An error about it does not repeat it.
pub(crate) struct Plain(pub(crate) String);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) if !text.is_empty() => Ok(Self(text)),
            _ => Err(serde::de::Error::custom("a secret or password is not a string, or is empty")),
        }
    }
}

fn syntax_error(text: &str, error: &toml::de::Error) -> ConfigError {
    let before = error.span().and_then(|span| text.get(..span.start));
    let message = entry::without_value(error);
    match before {
        Some(before) => ConfigError(format!("line {}: {message}", before.matches('\n').count() + 1)),
        None => ConfigError(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Config::parse(text).err().expect("an error").to_string()
    }

    #[test]
    fn the_built_in_file_is_right() {
        let config = Config::parse(Config::BUILT_IN).unwrap();
        assert!(config.issuer.is_none() && config.listen.is_none());
        assert_eq!(config.store.to_string(), "grantwell.db");
        let client = &config.entries.under("https://as.example").unwrap().clients[0];
        assert_eq!(client.metadata().client_name.as_deref(), Some("Example client"));
        assert!(!client.policy().require_pkce);
    }

    #[test]
    fn an_error_says_where_and_why_in_one_line() {
        for (text, expected) in [
            ("a", "line 1: "),
            ("\nlisten = 1", "line 2: "),
            ("color = 1", "unknown field `color`"),
            ("store = 'postgres://u:8765/4321@h/d'", "store: in a user name or password, "),
            ("resource_servers = ['rs']", "resource_servers: there is no client \"rs\""),
            ("[[clients]]", "client number 1: missing field `client_id`"),
            ("[[clients]]\nclient_id = 'c'", "client \"c\": token_endpoint_auth_method needs a secret"),
            ("[[clients]]\nclient_id = 'c'\npolicy = { pkce = true }", "client \"c\": unknown field `pkce`"),
            ("[[clients]]\nclient_id = 'c'\nredirect_uris = ['x']", "client \"c\": "),
            (
                "[[clients]]\nclient_id = 'c'\ntoken_endpoint_auth_method = 'tls'",
                "client \"c\": \"tls\" is not served here",
            ),
            ("[[clients]]\nclient_id = 'c'\nclient_secret = 87654321", "client \"c\": a secret or password is not"),
            ("[[clients]]\nclient_id = 'c'\nclient_secret = ''", "client \"c\": a secret or password is not"),
            (
                "[[clients]]\nclient_id = 'c'\npolicy = { access_token_format = 'jwt' }",
                "client \"c\": policy.access_token_format is \"jwt\", but there is no [signing]",
            ),
            ("[signing]", "[signing]: missing field `algorithms`"),
            ("[signing]\nalgorithms = ['none']", "[signing]: expected one of `RS256`, "),
            ("[signing]\nalgorithms = ['RS256']\nevery = 1", "[signing]: unknown field `every`"),
            ("[signing]\nalgorithms = []", "[signing]: there is no signing key"),
            ("[signing]\nalgorithms = ['HS256']", "[signing]: a signing key that rotates is published"),
            (
                "[signing]\nalgorithms = ['ES256']\nrotate_every = 60",
                "(rotate_every = 60, publish_ahead = 3600, longest_token = 86400)",
            ),
            (
                "[signing]\nalgorithms = ['ES256']\npublish_ahead = 8_000_000",
                "(rotate_every = 7776000, publish_ahead = 8000000, longest_token = 86400)",
            ),
            ("[[resources]]", "resource number 1: missing field `resource`"),
            ("[[resources]]\nresource = 'api'", "resource \"api\": not an absolute URI without a fragment"),
            ("[[resources]]\nresource = '{issuer}'\naud = 'a'", "resource \"{issuer}\": unknown field `aud`"),
            (
                "[[resources]]\nresource = '{issuer}/api'\naccess_token_format = 'jwt'",
                "resource \"{issuer}/api\": access_token_format is \"jwt\", but there is no [signing]",
            ),
            (
                "[[resources]]\nresource = '{issuer}/api'\nclients = ['c']",
                "resource \"{issuer}/api\": there is no client \"c\"",
            ),
            ("[[users]]\nuser_id = 'u'\npassword = 87654321", "user \"u\": a secret or password is not"),
            ("[[users]]\nuser_id = ''\npassword = 'p'", "user \"\": user_id is empty"),
            ("[[users]]\nuser_id = 'u'", "user \"u\": "),
            ("[[users]]\nuser_id = 'u'\npassword = 'p'\npassword_hash = 'h'", "user \"u\": "),
            ("[[users]]\nuser_id = 'u'\npassword_hash = '$2b$12$x'", "user \"u\": password_hash: "),
        ] {
            let error = error(text);
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains('\n') && !error.contains("8765") && !error.contains("4321"), "{error}");
        }
    }

    #[test]
    fn an_entry_is_there_once_under_whatever_name() {
        let client = |id| {
            format!(
                "[[clients]]\nclient_id = '{id}'\ntoken_endpoint_auth_method = 'none'\nredirect_uris = ['https://c/']\n"
            )
        };
        let resource = |uri| format!("[[resources]]\nresource = '{uri}'\n");
        let user = "[[users]]\nuser_id = 'u'\npassword = 'p'\n";
        let issuer = "issuer = 'https://as.example/'\n";
        for (text, expected) in [
            (client("c").repeat(2), "client \"c\": it is there twice"),
            (user.repeat(2), "user \"u\": it is there twice"),
            (resource("{issuer}/api").repeat(2), "resource \"{issuer}/api\": it is there twice"),
            (
                format!("{issuer}{}{}", client("{issuer}"), client("https://as.example")),
                "client \"https://as.example\": it is there twice",
            ),
            (
                format!("{issuer}{}{}", resource("https://as.example/api"), resource("{issuer}/api")),
                "resource \"{issuer}/api\": it is there twice",
            ),
        ] {
            assert_eq!(error(&text), expected);
        }
        let other_ports = format!("{}{}", resource("http://localhost/api"), resource("{issuer}/api"));
        assert!(Config::parse(&other_ports).is_ok(), "the issuer is not known yet");
    }

    #[test]
    fn an_error_names_a_field_and_never_repeats_what_may_be_a_secret() {
        let client = "[[clients]]\nclient_id = 'c'\n";
        for (text, expected) in [
            (format!("{client}policy = 'hunter2'"), "in `policy`"),
            (format!("{client}policy = {{ access_token_format = 'hunter2' }}"), "in `policy.access_token_format`"),
            (
                format!("{client}policy = {{ require_pkce = 'hunter2' }}"),
                "expected a boolean, in `policy.require_pkce`",
            ),
            (format!("{client}policy = {{ refresh_token = 'hunter2' }}"), "in `policy.refresh_token`"),
            (
                format!("{client}policy = {{ refresh_token = {{ rotation = 'hunter2' }} }}"),
                "in `policy.refresh_token.rot",
            ),
            (format!("{client}client_secret_expires_at = 'hunter2'"), "in `client_secret_expires_at`"),
            (format!("{client}client_secret_expires_at = 'hunter2, expected 2'"), "in `client_secret_expires_at`"),
            (format!("{client}client_secret = ['hunter2']"), "in `client_secret`"),
            (format!("{client}redirect_uris = 'hunter2'"), "client \"c\": expected a sequence, in `redirect_uris`"),
            (format!("{client}redirect_uris = ['https://u:hunter2@h/']"), "in `redirect_uris`"),
            (
                format!("{client}client_name = {{ de = 'hunter2' }}"),
                "client \"c\": expected a string, in `client_name`",
            ),
            ("[[clients]]\nclient_id = ['hunter2']".to_owned(), "client number 1: expected a string, in `client_id`"),
            ("[[clients]]\nclient_id = 'https://u:hunter2@h/'".to_owned(), "client number 1: "),
            ("[[resources]]\nresource = 'https://u:hunter2@h/'".to_owned(), "resource number 1: "),
            ("[[resources]]\nresource = 'https://u:hunter2@h/#'".to_owned(), "resource number 1: "),
            ("[[resources]]\nresource = '//:hunter2/@h/'".to_owned(), "resource number 1: "),
            ("[[resources]]\nresource = 'r:r'\naccess_token_format = 'hunter2'".to_owned(), "in `access_token_format`"),
            ("[[resources]]\nresource = 'r:r'\nclients = 'hunter2'".to_owned(), "expected a sequence, in `clients`"),
            ("[[users]]\nuser_id = 'u'\npassword_hash = ['hunter2']".to_owned(), "in `password_hash`"),
            ("[[users]]\nuser_id = 'u'\npassword_hash = 'hunter2'".to_owned(), "user \"u\": password_hash: "),
            ("users = 'hunter2'".to_owned(), "line 1: expected a sequence"),
            ("\ntls = 'hunter2'".to_owned(), "line 2: expected "),
            ("[signing]\nalgorithms = ['hunter2']".to_owned(), "[signing]: expected one of "),
            ("signing = 'hunter2'".to_owned(), "line 1: expected "),
        ] {
            let error = error(&text);
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains('\n') && !error.contains("hunter"), "{error}");
        }
    }

    #[test]
    fn only_the_memory_store_does_without_a_key_file() {
        let key_file = |text| Config::parse(text).unwrap().key_file().map(Path::to_owned);
        assert_eq!(key_file(""), Some("grantwell.keys".into()));
        assert_eq!(key_file("store = 'sqlite:a.db'"), Some("grantwell.keys".into()));
        assert_eq!(key_file("store = 'memory'"), None);
        assert_eq!(key_file("store = 'memory'\nkeys = 'a.keys'"), Some("a.keys".into()));
    }
}
