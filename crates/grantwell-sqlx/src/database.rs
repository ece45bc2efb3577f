use std::sync::Arc;

use grantwell::async_trait;
use sqlx::SqlStr;

/// What is bound to a statement; of a kind also when it is NULL.
#[derive(Clone, Copy, Debug)]
pub enum Arg<'a> {
    Text(Option<&'a str>),
    Integer(Option<i64>),
}

impl<'a> From<&'a str> for Arg<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(text))
    }
}

impl From<i64> for Arg<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(Some(number))
    }
}

/// A payload, the payload of its authorization, and a flag: what every statement that reads answers.
pub(crate) type Found = (String, Option<String>, bool);

/// One error may be that of several callers.
pub(crate) type Outcome<T> = Result<T, Arc<sqlx::Error>>;

/// A pool of connections to one kind of database.
#[async_trait]
pub trait Database: Send + Sync + 'static {
    /// The rows that one statement finds.
    async fn read(&self, statement: &SqlStr, args: &[Arg<'_>]) -> Outcome<Vec<Found>>;

    /// Runs the statements as one change. How many rows the first one changed.
    async fn change(&self, statements: &[SqlStr], args: &[Arg<'_>]) -> Outcome<u64>;

    /// Whether the statement may succeed if it is run once more, and did nothing.
    fn is_transient(&self, error: &sqlx::Error) -> bool;
}
