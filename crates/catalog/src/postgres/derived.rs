//! Access to the database for data that is derived from the catalog, such as the rows of the search index.

use sqlx::postgres::PgRow;

use super::{PostgresCatalog, Statement};
use crate::CatalogError;

impl PostgresCatalog {
    /// Converts an error of the database driver to a [`CatalogError`].
    pub fn error(&self, error: sqlx::Error) -> CatalogError {
        self.name.error(error)
    }

    /// Returns the error for stored data that is inconsistent.
    pub fn corrupt(&self, detail: impl Into<String>) -> CatalogError {
        self.name.corrupt(detail)
    }

    /// Returns the error for data that the database cannot store.
    pub fn invalid(&self, what: impl Into<String>) -> CatalogError {
        self.name.invalid(what)
    }

    /// Executes one query and returns its rows. Behind PgBouncer, the query runs in a transaction, because the protocol
    /// messages of one query could otherwise reach different connections.
    ///
    /// # Errors
    /// [`CatalogError`] if the database is unavailable or rejects the query.
    pub async fn fetch_all(&self, query: Statement) -> Result<Vec<PgRow>, CatalogError> {
        // A single statement is its own transaction, which saves the round trips for BEGIN and COMMIT.
        if self.prepared {
            return query.fetch_all(&self.pool).await.map_err(|error| self.error(error));
        }
        let mut transaction = self.begin().await?;
        let rows = query.fetch_all(&mut *transaction).await.map_err(|error| self.error(error))?;
        self.commit(transaction).await?;
        Ok(rows)
    }

    /// Makes the space of deleted rows of `table` available to new rows. An error is ignored, because autovacuum does
    /// the same later.
    pub async fn vacuum(&self, table: &'static str) {
        // VACUUM takes no parameters and cannot run in a transaction. The name of the table is a literal of the caller.
        let sql = sqlx::AssertSqlSafe(format!("VACUUM {table}"));
        let _ = sqlx::raw_sql(sql).execute(&self.pool).await;
    }
}
