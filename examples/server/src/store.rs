//! What `--store` says: where the server keeps its state.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use redis::IntoConnectionInfo as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

/// Where authorizations, codes, tokens, consents and sessions are kept.
///
/// As text it has no credentials, so that it can be printed.
#[derive(Clone)]
#[non_exhaustive]
pub enum Store {
    /// In the process: all of it ends there.
    Memory,
    /// In an SQLite file, which is made where there is none.
    Sqlite(PathBuf),
    /// In a PostgreSQL database.
    Postgres(Box<PgConnectOptions>),
    /// In Redis or Valkey.
    Redis(Box<redis::ConnectionInfo>),
}

/// Why a text names no store. One line, and nothing of the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidStore(&'static str);

const FORMS: InvalidStore = InvalidStore(
    "a store is memory, sqlite:PATH, postgres://USER:PASSWORD@HOST/DATABASE or redis://USER:PASSWORD@HOST/NUMBER",
);

/// What may stand behind the `?` of a PostgreSQL URL. The driver ignores what it does not know, misspellings too.
const PARAMETERS: [&str; 8] = ["application_name", "dbname", "host", "options", "password", "port", "sslmode", "user"];

impl Default for Store {
    /// A file in the working directory.
    fn default() -> Self {
        Self::Sqlite("grantwell.db".into())
    }
}

impl FromStr for Store {
    type Err = InvalidStore;

    fn from_str(text: &str) -> Result<Self, InvalidStore> {
        match text.split_once(':') {
            None if text == "memory" => Ok(Self::Memory),
            Some(("sqlite", path)) => sqlite(path),
            Some(("postgres" | "postgresql", _)) => postgres(text),
            Some(("redis", _)) => redis(text),
            Some(("valkey", _)) => Err(InvalidStore("Valkey's URL is written redis:// here")),
            Some(("rediss", _)) => {
                Err(InvalidStore("this server has no TLS to Redis: use redis:// over a network you trust"))
            }
            _ => Err(FORMS),
        }
    }
}

fn sqlite(path: &str) -> Result<Store, InvalidStore> {
    match path {
        "" => Err(InvalidStore("sqlite: has no path: write sqlite:grantwell.db, say")),
        ":memory:" => Err(InvalidStore("SQLite's :memory: is one connection's own: use memory")),
        path if path.contains('?') => Err(InvalidStore("a path has no parameters behind a ?")),
        path if path.starts_with("//") => {
            Err(InvalidStore("a path comes right behind sqlite: and has no // before it"))
        }
        path => Ok(Store::Sqlite(path.into())),
    }
}

fn postgres(text: &str) -> Result<Store, InvalidStore> {
    let url = url(text)?;
    if url.query_pairs().any(|(name, _)| !PARAMETERS.contains(&&*name)) {
        return Err(InvalidStore(
            "behind the ? of a PostgreSQL URL may stand application_name, dbname, host, options, password, port, \
             sslmode and user",
        ));
    }
    let options: PgConnectOptions = text.parse().map_err(|_| InvalidStore("this is no PostgreSQL URL"))?;
    if matches!(options.get_ssl_mode(), PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull) {
        return Err(InvalidStore("this server has no TLS to PostgreSQL: leave sslmode out, over a network you trust"));
    }
    Ok(Store::Postgres(Box::new(options)))
}

fn redis(text: &str) -> Result<Store, InvalidStore> {
    let info = url(text)?.into_connection_info();
    info.map(|info| Store::Redis(Box::new(info))).map_err(|_| InvalidStore("this is no Redis URL"))
}

/// The parts of a URL, none of which is a piece of a password with a `/`, `?` or `#` in it.
fn url(text: &str) -> Result<Url, InvalidStore> {
    let url = Url::parse(text).map_err(|_| FORMS)?;
    let is_torn = url.path().contains('@') || url.query().is_some_and(|query| query.contains('@'));
    if is_torn || url.fragment().is_some() {
        return Err(InvalidStore("in a user name or password, / ? # and @ are written %2F %3F %23 and %40"));
    }
    Ok(url)
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres(options) => {
                let socket = options.get_socket().map(PathBuf::as_path).map(Path::display);
                match socket {
                    Some(socket) => write!(f, "postgres://{socket}")?,
                    None => write!(f, "postgres://{}:{}", options.get_host(), options.get_port())?,
                }
                options.get_database().map_or(Ok(()), |database| write!(f, "/{database}"))
            }
            Self::Redis(info) => write!(f, "redis://{}/{}", info.addr(), info.redis_settings().db()),
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_shown_without_credentials() {
        for (text, shown) in [
            ("memory", "memory"),
            ("sqlite:a/b.db", "a/b.db"),
            ("sqlite:/a/b.db", "/a/b.db"),
            ("postgres://u:87654321@db.example/grants", "postgres://db.example:5432/grants"),
            ("postgresql://u:8765%2F4321@[::1]:5433/g", "postgres://[::1]:5433/g"),
            ("postgres:///g?host=/run/pg&user=u&password=87654321", "postgres:///run/pg/g"),
            ("redis://u:87654321@cache.example:6380/2", "redis://cache.example:6380/2"),
            ("redis://:8765%404321@127.0.0.1", "redis://127.0.0.1:6379/0"),
        ] {
            let store: Store = text.parse().unwrap();
            assert_eq!(store.to_string(), shown);
            assert!(!format!("{store:?}").contains("4321"));
        }
        assert_eq!(Store::default().to_string(), "grantwell.db");
    }

    #[test]
    fn what_is_no_store_is_told_in_one_line_without_credentials() {
        for (text, expected) in [
            ("", "a store is memory, "),
            ("Memory", "a store is memory, "),
            ("memory:", "a store is memory, "),
            ("grantwell.db", "a store is memory, "),
            ("mysql://u:87654321@h/d", "a store is memory, "),
            ("sqlite:", "has no path"),
            ("sqlite::memory:", "use memory"),
            ("sqlite://grantwell.db", "right behind sqlite:"),
            ("sqlite:grantwell.db?mode=rwc", "no parameters"),
            ("postgres://u:8765/4321@h/d", "%2F"),
            ("postgres://u:8765?4321@h/d", "%3F"),
            ("postgres://u:8765#4321@h/d", "%23"),
            ("postgres://u:87654321@h:port/d", "a store is memory, "),
            ("postgres://u@h/d?passwort=87654321", "behind the ?"),
            ("postgres://u:87654321@h/d?sslmode=require", "no TLS to PostgreSQL"),
            ("postgres://u:87654321@h/d?sslmode=87654321", "no PostgreSQL URL"),
            ("redis://u:8765/4321@h/2", "%2F"),
            ("redis://u:87654321@h/two", "no Redis URL"),
            ("rediss://u:87654321@h/2", "no TLS to Redis"),
        ] {
            let error = text.parse::<Store>().err().unwrap_or_else(|| panic!("{text}")).to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("8765") && !error.contains("4321") && !error.contains('\n'), "{error}");
        }
    }
}
