//! The journal in the schema of the catalog. Its calls do not take the writers' lock, so hundreds of streams never wait
//! for an indexer. Except for the update of a session, every call is one statement. It locks the rows that it changes; claims
//! skip locked rows.

mod attempts;
mod backlog;
mod detections;
mod leases;
mod outbox;
mod sessions;
mod streams;

use sqlx::postgres::PgRow;

use super::PostgresCatalog;
use super::retry::Retry;
use super::transaction::Statement;
use crate::CatalogError;

impl PostgresCatalog {
    /// Executes a statement and returns its rows; retries it if the connection is lost. The statement must return no
    /// rows when it is executed again after a success. If a retry returns no rows because an earlier attempt was
    /// committed, the result is the rows of that attempt.
    async fn execute_retried(
        &self,
        sql: &'static str,
        bind: impl Fn(Statement) -> Statement,
    ) -> Result<Vec<PgRow>, CatalogError> {
        let mut retry = Retry::new();
        let mut sent_rows = Vec::new();
        loop {
            match self.attempt(self.write_once(bind(self.query(sql)), &mut sent_rows)).await {
                Err(error) => self.pause_before_retry(error, &mut retry).await?,
                Ok(()) => return Ok(sent_rows),
            }
        }
    }

    async fn write_once(&self, statement: Statement, sent_rows: &mut Vec<PgRow>) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        let rows = statement.fetch_all(&mut *transaction).await.map_err(|error| self.name.error(error))?;
        // A repeated attempt changes nothing if the first one was committed; the rows of the first one are the result
        // then.
        if !rows.is_empty() {
            *sent_rows = rows;
        }
        self.commit(transaction).await
    }
}
