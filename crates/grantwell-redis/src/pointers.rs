use std::sync::LazyLock;

use futures_util::future::try_join_all;
use grantwell::StorageError;
use grantwell::model::AuthorizationId;
use redis::Cmd;

use crate::script::Script;
use crate::{Connection, RedisStore};

/// What is saved under an authorization and looked up without it: a pointer leads from its digest or handle to the
/// authorization. A pointer that leads to no row is nothing.
pub(crate) struct Row {
    pub(crate) pointer: String,
    pub(crate) key: String,
    pub(crate) value: String,
    /// The Unix second in which both expire.
    pub(crate) end: u64,
}

static POINT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("point.lua")));

impl<C: Connection> RedisStore<C> {
    /// Makes the rows findable before they are written. Answers those that no pointer led to before; `None`, and
    /// nothing changes, if one of the pointers leads elsewhere.
    pub(crate) async fn point<'a>(
        &self,
        id: &AuthorizationId,
        rows: &'a [Row],
    ) -> Result<Option<Vec<&'a Row>>, StorageError> {
        let target = id.to_string();
        let pointing =
            rows.iter().map(async |row| self.run::<String>(POINT.key(&row.pointer).arg(&target).arg(row.end)).await);
        let outcomes = try_join_all(pointing).await?;
        let new = rows.iter().zip(&outcomes).filter(|(_, outcome)| *outcome == "new").map(|(row, _)| row).collect();
        if outcomes.iter().any(|outcome| outcome == "elsewhere") {
            self.retract(new).await?;
            return Ok(None);
        }
        Ok(Some(new))
    }

    /// Takes back the pointers to rows that were not written after all.
    pub(crate) async fn retract(&self, rows: Vec<&Row>) -> Result<(), StorageError> {
        for row in rows {
            // Somebody else who saves the very same may have found the pointer and relied on it.
            if !self.ask::<bool>(&Cmd::exists(&row.key)).await? {
                self.ask::<()>(&Cmd::del(&row.pointer)).await?;
            }
        }
        Ok(())
    }

    /// The row at `key` and its authorization, in one consistent read; `None` unless the authorization stands and the
    /// row is not revoked.
    pub(crate) async fn standing(
        &self,
        id: &AuthorizationId,
        key: String,
    ) -> Result<Option<(String, String)>, StorageError> {
        let keys = [self.keys.authorization(id), key];
        let (authorization, row): (Option<String>, Option<String>) = self.ask(&Cmd::mget(&keys)).await?;
        let has_content = |value: &String| !value.is_empty();
        Ok(authorization.filter(has_content).zip(row.filter(has_content)))
    }

    /// The authorization that the pointer leads to.
    pub(crate) async fn follow(&self, pointer: String) -> Result<Option<AuthorizationId>, StorageError> {
        let target: Option<String> = self.ask(&Cmd::get(pointer)).await?;
        Ok(target.map(|target| target.parse()).transpose()?)
    }
}
