//! How full the outbox is.

use crate::postgres::PostgresCatalog;
use crate::{Backlog, CatalogError};

impl PostgresCatalog {
    /// By the indexes of what is due and of what is dead: what was delivered is not looked at.
    pub(super) async fn count_outbox(&self) -> Result<Backlog, CatalogError> {
        let sql = "SELECT count(*), min(created_at), \
             (SELECT count(*) FROM refrain.outbox WHERE dead_at IS NOT NULL) \
             FROM refrain.outbox WHERE delivered_at IS NULL AND dead_at IS NULL";
        let rows: Vec<(i64, Option<i64>, i64)> = self.rows_as(sql, |query| query).await?;
        let (waiting, oldest_at, dead) = rows.first().copied().unwrap_or_default();
        Ok(Backlog { waiting: self.unsigned(waiting)?, oldest_at, dead: self.unsigned(dead)? })
    }
}
