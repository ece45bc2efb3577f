//! Revocation (RFC 7009): one more trait, one more endpoint. A code that is replayed now revokes what it bought.

use async_trait::async_trait;
use grantwell::model::{Authorization, Record as _};
use grantwell::storage::{RevocationStore, Selector};
use grantwell::{Builder, Digest, Revocation, StorageError};
use rusqlite::{Connection, params_from_iter};

use crate::store::Store;

pub(crate) fn add_to(server: Builder<Store>) -> Builder<Store> {
    server.endpoint(Revocation::new())
}

#[async_trait]
impl RevocationStore for Store {
    async fn revoke_token(&self, token: &Digest) -> Result<(), StorageError> {
        let id = token.to_string();
        let sql = "UPDATE oauth_access_tokens SET revoked = TRUE WHERE id = ?";
        self.0.run(move |db| Ok(db.execute(sql, [id]).map(drop)?)).await
    }

    async fn revoke_authorizations(&self, selector: &Selector) -> Result<usize, StorageError> {
        let selector = selector.clone();
        self.0.run(move |db| revoke(db, &selector)).await
    }
}

/// Revokes the authorizations that `selector` names; answers how many stood.
fn revoke(db: &mut Connection, selector: &Selector) -> Result<usize, StorageError> {
    let change = db.transaction()?;
    let ids = standing(&change, selector)?;
    for id in &ids {
        change.execute("UPDATE oauth_authorizations SET revoked = TRUE WHERE id = ?", [id])?;
    }
    if let Selector::Client(client) = selector {
        let own_tokens = "UPDATE oauth_access_tokens SET revoked = TRUE WHERE client = ? AND authorization IS NULL";
        change.execute(own_tokens, [client.as_str()])?;
    }
    change.commit()?;
    Ok(ids.len())
}

/// The authorizations that `selector` names and that stand.
fn standing(db: &Connection, selector: &Selector) -> Result<Vec<String>, StorageError> {
    let (condition, values) = condition(selector)?;
    let mut query = db.prepare(&format!("SELECT id, payload FROM oauth_standing WHERE {condition}"))?;
    let mut rows = query.query(params_from_iter(values))?;
    let mut ids = Vec::new();
    while let Some(row) = rows.next()? {
        let is_offline = Authorization::from_row(&row.get::<_, String>(1)?)?.scope.contains("offline_access");
        // The end of a session spares what was meant to outlive it.
        if !(is_offline && matches!(selector, Selector::Session(_))) {
            ids.push(row.get(0)?);
        }
    }
    Ok(ids)
}

fn condition(selector: &Selector) -> Result<(String, Vec<String>), StorageError> {
    Ok(match selector {
        Selector::Authorization(id) => ("id = ?".to_owned(), vec![id.to_string()]),
        Selector::Client(client) => ("client = ?".to_owned(), vec![client.to_string()]),
        Selector::Subject(subject) => ("subject = ?".to_owned(), vec![subject.to_string()]),
        Selector::SubjectAtClient(subject, client) => {
            ("subject = ? AND client = ?".to_owned(), vec![subject.to_string(), client.to_string()])
        }
        Selector::Session(digests) => {
            let places = vec!["?"; digests.len()].join(", ");
            (format!("session IN ({places})"), digests.iter().map(ToString::to_string).collect())
        }
        _ => return Err(StorageError::new("a selector this service does not know")),
    })
}

#[cfg(test)]
mod tests {
    use embed_host::Db;
    use grantwell::Timestamp;
    use grantwell::model::{AuthorizationId, SessionDigest};

    use super::*;

    const SESSION: SessionDigest = SessionDigest::from_bytes([7; 32]);

    fn authorization(id: u8, subject: &str, client: &str, scope: &str) -> Authorization {
        Authorization {
            id: AuthorizationId::from_bytes([id; 16]),
            issuer: grantwell::model::Issuer::new("https://issuer.example"),
            client_id: client.into(),
            subject: subject.into(),
            scope: scope.parse().unwrap(),
            resources: Vec::new(),
            session: Some(SESSION),
            auth_time: Timestamp::from_unix(0),
            acr: None,
            amr: Vec::new(),
            created_at: Timestamp::from_unix(0),
            expires_at: Timestamp::from_unix(u32::MAX.into()),
        }
    }

    /// How many of four authorizations `selector` revokes, and how many the second time.
    async fn revoked(selector: Selector) -> (usize, usize) {
        let store = Store(Db::in_memory().unwrap());
        store.0.batch(include_str!("oauth.sql")).await.unwrap();
        let all = [
            authorization(1, "alice", "app", "profile"),
            authorization(2, "alice", "app", "profile offline_access"),
            authorization(3, "alice", "other", "profile"),
            authorization(4, "bob", "app", "profile"),
        ];
        for authorization in all {
            store.insert(vec![("oauth_authorizations", authorization.to_row().unwrap())]).await.unwrap();
        }
        let first = store.revoke_authorizations(&selector).await.unwrap();
        (first, store.revoke_authorizations(&selector).await.unwrap())
    }

    #[tokio::test]
    async fn a_selector_revokes_what_it_names_once() {
        assert_eq!(revoked(Selector::Authorization(AuthorizationId::from_bytes([3; 16]))).await, (1, 0));
        assert_eq!(revoked(Selector::Client("app".into())).await, (3, 0));
        assert_eq!(revoked(Selector::Subject("alice".into())).await, (3, 0));
        assert_eq!(revoked(Selector::SubjectAtClient("alice".into(), "app".into())).await, (2, 0));
        assert_eq!(revoked(Selector::Session(vec![SessionDigest::from_bytes([8; 32]), SESSION])).await, (3, 0));
        assert_eq!(revoked(Selector::Session(Vec::new())).await, (0, 0));
    }
}
