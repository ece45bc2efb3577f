use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

/// What every table's name begins with.
#[derive(Clone, Debug)]
pub(crate) struct Tables(String);

/// The prefix in the texts of this crate.
const PREFIX: &str = "grantwell_";

/// The kinds of records that expire, by their tables.
pub(crate) const EXPIRING: [&str; 5] = [
    "grantwell_codes",
    "grantwell_access_tokens",
    "grantwell_refresh_tokens",
    "grantwell_authorizations",
    "grantwell_claims",
];

/// A table prefix that is no plain SQL name: up to 40 letters, digits and underscores, not a digit first; on PostgreSQL
/// with a schema before it, if wanted (`auth.grantwell_`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a table prefix is up to 40 letters, digits and underscores, not a digit first; on PostgreSQL with a schema and a dot \
     before it, if wanted"
)]
pub struct InvalidPrefix;

impl Tables {
    /// `parts`: how many names there may be, joined by dots.
    pub(crate) fn new(prefix: &str, parts: usize) -> Result<Self, InvalidPrefix> {
        let is_name = |name: &str| {
            let starts_well = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
            // PostgreSQL cuts names at 63 bytes, which would let tables collide.
            starts_well && name.len() <= 40 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        let names: Vec<&str> = prefix.split('.').collect();
        if names.len() <= parts && names.into_iter().all(is_name) {
            Ok(Self(prefix.to_owned()))
        } else {
            Err(InvalidPrefix)
        }
    }

    /// `sql` with these tables in the place of the default ones.
    pub(crate) fn rename(&self, sql: &str) -> String {
        sql.replace(PREFIX, &self.0)
    }

    /// The same as a statement. It is put together from this crate's texts and a checked prefix.
    pub(crate) fn statement(&self, sql: &str) -> SqlStr {
        AssertSqlSafe(Arc::<str>::from(self.rename(sql))).into_sql_str()
    }
}

impl Default for Tables {
    fn default() -> Self {
        Self(PREFIX.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_plain_name() {
        for (prefix, parts) in [("grantwell_", 1), ("a", 1), ("_1", 1), ("auth.gw_", 2), ("gw_", 2)] {
            assert_eq!(
                Tables::new(prefix, parts).unwrap().rename("SELECT * FROM grantwell_codes"),
                format!("SELECT * FROM {prefix}codes")
            );
        }
        for prefix in ["", "1a", "a b", "a;--", "a\"", "é", "a.", ".a", "a.b.c", &"a".repeat(41)] {
            assert_eq!(Tables::new(prefix, 2).err(), Some(InvalidPrefix), "{prefix}");
        }
        assert!(Tables::new("auth.gw_", 1).is_err());
    }
}
