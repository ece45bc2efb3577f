//! The entries of a list: each is parsed on its own, so that an error names it, and none of what may be a secret.

use std::collections::HashSet;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::ConfigError;

/// Parses each of `tables`, and tells which one an error is about. No two have the same `id`.
pub(super) fn entries<T>(
    (kind, key): (&str, &str),
    tables: &[Table],
    parse: impl Fn(&Table) -> Result<T, String>,
    id: impl Fn(&T) -> &str,
) -> Result<Vec<T>, ConfigError> {
    let mut seen = HashSet::new();
    let parse_entry = |(index, table): (usize, &Table)| {
        let parsed = parse(table).and_then(|entry| {
            let is_new = seen.insert(id(&entry).to_owned());
            if is_new { Ok(entry) } else { Err("it is there twice".to_owned()) }
        });
        parsed.map_err(|error| ConfigError(format!("{}: {error}", name(kind, key, index, table))))
    };
    tables.iter().enumerate().map(parse_entry).collect()
}

/// By its `key`; by its number where that is missing, or may be a URL with a password.
fn name(kind: &str, key: &str, index: usize, table: &Table) -> String {
    let has_password = |id: &&str| id.split_once("//").is_some_and(|(_, rest)| rest.contains('@'));
    match table.get(key).and_then(Value::as_str).filter(|id| !has_password(id)) {
        Some(id) => format!("{kind} {id:?}"),
        None => format!("{kind} number {}", index + 1),
    }
}

/// What a table says. The error is one line, and names the field.
pub(crate) fn parse<T: DeserializeOwned>(table: Table) -> Result<T, String> {
    table.try_into().map_err(|error| without_value(&error))
}

/// What is wrong, and in which field; not the value, which may be a secret.
pub(super) fn without_value(error: &toml::de::Error) -> String {
    let message = error.message();
    let repeats = ["invalid type: ", "invalid value: ", "invalid length ", "unknown variant "];
    let repeats_value = repeats.iter().any(|kind| message.starts_with(kind));
    let expected = message.rsplit_once(", expected ").map_or("another value", |(_, expected)| expected);
    let mut told = if repeats_value { format!("expected {expected}") } else { message.to_owned() };
    // The fields that lead to the value follow the message, where the error does not know the whole text.
    if let Some(place) = error.to_string().strip_prefix(message).map(str::trim).filter(|place| !place.is_empty()) {
        told += &format!(", {place}");
    }
    told.replace('\n', "; ")
}
