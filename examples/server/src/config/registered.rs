//! Clients and resources: the entries that may name the issuer, which may be known only once the server listens.

use std::collections::HashSet;

use grantwell::extensions::{Resource, ResourceUri};
use grantwell::model::{AccessTokenFormat, Client, ClientId, ClientMetadata, ClientPolicy, ClientSecret, Scope};
use grantwell::{Digest, Timestamp};
use serde::Deserialize;
use toml::{Table, Value};
use url::Url;

use super::entry::{entries, parse};
use super::{ConfigError, Plain};

/// What stands for the issuer, without a slash at its end.
const PLACEHOLDER: &str = "{issuer}";

/// The entries as they stand in the file.
pub(crate) struct Entries {
    pub(super) clients: Vec<Table>,
    pub(super) resources: Vec<Table>,
    /// Whether there are keys to sign tokens with.
    pub(super) signs: bool,
}

/// What a server with some issuer knows.
pub(crate) struct Registered {
    pub(crate) clients: Vec<Client>,
    pub(crate) resources: Vec<Resource>,
}

/// What a client's entry has beside the metadata.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientEntry {
    client_id: String,
    client_secret: Option<Plain>,
    #[serde(default)]
    client_secret_expires_at: u64,
    #[serde(default)]
    policy: ClientPolicy,
}

const CLIENT_FIELDS: [&str; 4] = ["client_id", "client_secret", "client_secret_expires_at", "policy"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResourceEntry {
    resource: String,
    scope: Option<Scope>,
    access_token_format: Option<AccessTokenFormat>,
    clients: Option<Vec<ClientId>>,
}

impl Entries {
    pub(crate) fn under(&self, issuer: &str) -> Result<Registered, ConfigError> {
        let issuer = issuer.trim_end_matches('/');
        let client = |table: &Table| self.client(substituted(table, issuer));
        let clients = entries(("client", "client_id"), &self.clients, client, |client| client.id().as_str())?;
        let ids: HashSet<&ClientId> = clients.iter().map(Client::id).collect();
        let resource = |table: &Table| self.resource(substituted(table, issuer), &ids);
        let resources = entries(("resource", "resource"), &self.resources, resource, |(uri, _)| uri)?;
        Ok(Registered { clients, resources: resources.into_iter().map(|(_, resource)| resource).collect() })
    }

    fn client(&self, mut table: Table) -> Result<Client, String> {
        let own = CLIENT_FIELDS.iter().filter_map(|name| table.remove_entry(*name)).collect();
        let (entry, metadata): (ClientEntry, ClientMetadata) = (parse(own)?, parse(table)?);
        if let Some(unserved) = unserved(&metadata) {
            return Err(format!("{unserved:?} is not served here"));
        }
        self.can_make(entry.policy.access_token_format, "policy.access_token_format")?;
        let secret = entry.client_secret.map(|secret| ClientSecret::Digest(Digest::of(&secret.0)));
        let client = Client::new(entry.client_id.as_str().into(), secret, metadata)
            .and_then(|client| client.with_policy(entry.policy))
            .map_err(|error| error.to_string())?;
        // Zero: it does not expire (RFC 7591 section 3.2.1).
        match entry.client_secret_expires_at {
            0 => Ok(client),
            end => Ok(client.with_secret_until(Timestamp::from_unix(end))),
        }
    }

    /// The resource and its URI.
    fn resource(&self, table: Table, ids: &HashSet<&ClientId>) -> Result<(String, Resource), String> {
        let ResourceEntry { resource: name, scope, access_token_format, clients } = parse(table)?;
        self.can_make(access_token_format, "access_token_format")?;
        if let Some(id) = clients.iter().flatten().find(|id| !ids.contains(id)) {
            return Err(format!("there is no client {:?}", id.as_str()));
        }
        let has_user = |url: Url| !url.username().is_empty() || url.password().is_some();
        if Url::parse(&name).is_ok_and(has_user) {
            return Err("a resource has no user name and no password".to_owned());
        }
        let resource = Resource::new(name.parse::<ResourceUri>().map_err(|error| error.to_string())?);
        let resource = scope.into_iter().fold(resource, Resource::scope);
        let resource = access_token_format.into_iter().fold(resource, Resource::token_format);
        Ok((name, clients.into_iter().fold(resource, Resource::clients)))
    }

    fn can_make(&self, format: Option<AccessTokenFormat>, field: &str) -> Result<(), String> {
        match format {
            Some(AccessTokenFormat::Jwt) if !self.signs => {
                Err(format!("{field} is \"jwt\", but there is no [signing]"))
            }
            _ => Ok(()),
        }
    }
}

fn substituted(table: &Table, issuer: &str) -> Table {
    let mut table = table.clone();
    table.iter_mut().for_each(|(_, value)| substitute(value, issuer));
    table
}

fn substitute(value: &mut Value, issuer: &str) {
    match value {
        Value::String(text) => *text = text.replace(PLACEHOLDER, issuer),
        Value::Array(values) => values.iter_mut().for_each(|value| substitute(value, issuer)),
        Value::Table(table) => table.iter_mut().for_each(|(_, value)| substitute(value, issuer)),
        _ => {}
    }
}

const METHODS: [&str; 3] = ["none", "client_secret_basic", "client_secret_post"];
const GRANT_TYPES: [&str; 3] = ["authorization_code", "refresh_token", "client_credentials"];

/// What the client is registered for and this server does not have.
fn unserved(metadata: &ClientMetadata) -> Option<&str> {
    let method = metadata.token_endpoint_auth_method.as_str();
    let grant_types = metadata.grant_types.iter().map(String::as_str);
    let unserved = grant_types.filter(|name| !GRANT_TYPES.contains(name));
    Some(method).filter(|name| !METHODS.contains(name)).into_iter().chain(unserved).next()
}
