//! How full the outbox is.

use crate::sqlite::SqliteCatalog;
use crate::{Backlog, CatalogError};

impl SqliteCatalog {
    /// By the indexes of what is due and of what is dead: what was delivered is not looked at.
    pub(super) async fn count_outbox(&self) -> Result<Backlog, CatalogError> {
        let read: Result<(i64, Option<i64>, i64), _> = sqlx::query_as(
            "SELECT count(*), min(created_at), (SELECT count(*) FROM outbox WHERE dead_at IS NOT NULL) \
             FROM outbox WHERE delivered_at IS NULL AND dead_at IS NULL",
        )
        .fetch_one(&self.readers)
        .await;
        let (waiting, oldest_at, dead) = read.map_err(|error| self.name.error(error))?;
        Ok(Backlog { waiting: waiting.unsigned_abs(), oldest_at, dead: dead.unsigned_abs() })
    }
}
