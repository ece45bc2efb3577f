use embed_host::Db;
use grantwell::StorageError;
use grantwell::model::Row;
use rusqlite::Connection;

/// The service's database, as the authorization server uses it.
pub(crate) struct Store(pub(crate) Db);

impl Store {
    /// Inserts rows into tables, all or none; answers whether the last one was new.
    pub(crate) async fn insert(&self, rows: Vec<(&'static str, Row)>) -> Result<bool, StorageError> {
        let insert_all = move |db: &mut Connection| {
            let change = db.transaction()?;
            let mut is_new = false;
            for (table, row) in rows {
                is_new = insert(&change, table, &row)?;
            }
            change.commit()?;
            Ok(is_new)
        };
        self.0.run(insert_all).await
    }
}

/// Inserts a row into a table, which has the columns of [`Row`]; `false` if the table ignores it because it is there.
pub(crate) fn insert(db: &Connection, table: &str, row: &Row) -> rusqlite::Result<bool> {
    let Row { id, authorization, client, subject, session, expires_at, payload } = row;
    let columns = "id, authorization, client, subject, session, expires_at, payload";
    let sql = format!("INSERT INTO {table} ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)");
    Ok(db.execute(&sql, (id, authorization, client, subject, session, expires_at, payload))? == 1)
}
