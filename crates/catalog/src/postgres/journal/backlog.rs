//! Undelivered messages of the outbox: counting, expiry and deletion.

use std::time::Duration;

use super::Statement;
use crate::journal::{milliseconds, text, unclaimed};
use crate::postgres::PostgresCatalog;
use crate::{Backlog, CatalogError, SinkBacklog};

/// Sink, number of waiting messages, creation time of the oldest of them, number of dead messages.
type Counted = (String, i64, Option<i64>, i64);

impl PostgresCatalog {
    /// Counts undelivered messages with the partial indexes of due and dead messages, without reading delivered ones.
    pub(super) async fn count_outbox(&self) -> Result<Backlog, CatalogError> {
        let sql = "SELECT count(*), min(created_at), \
             (SELECT count(*) FROM refrain.outbox WHERE dead_at IS NOT NULL) \
             FROM refrain.outbox WHERE delivered_at IS NULL AND dead_at IS NULL";
        let rows: Vec<(i64, Option<i64>, i64)> = self.rows_as(sql, |query| query).await?;
        let (waiting, oldest_at, dead) = rows.first().copied().unwrap_or_default();
        Ok(Backlog { waiting: self.unsigned(waiting)?, oldest_at, dead: self.unsigned(dead)? })
    }

    pub(super) async fn count_outbox_by_sink(&self) -> Result<Vec<SinkBacklog>, CatalogError> {
        let sql = "SELECT sink, sum(waiting)::bigint, min(oldest_at), sum(dead)::bigint FROM (\
             SELECT sink, count(*) AS waiting, min(created_at) AS oldest_at, 0 AS dead FROM refrain.outbox \
             WHERE delivered_at IS NULL AND dead_at IS NULL GROUP BY sink UNION ALL \
             SELECT sink, 0, NULL, count(*) FROM refrain.outbox WHERE dead_at IS NOT NULL GROUP BY sink) AS counted \
             GROUP BY sink ORDER BY sink";
        let rows: Vec<Counted> = self.rows_as(sql, |query| query).await?;
        let of_sink = |(sink, waiting, oldest_at, dead)| {
            let backlog = Backlog { waiting: self.unsigned(waiting)?, oldest_at, dead: self.unsigned(dead)? };
            Ok(SinkBacklog { sink, backlog })
        };
        rows.into_iter().map(of_sink).collect()
    }

    pub(super) async fn expire_unclaimed_messages(
        &self,
        after: Duration,
        most: u32,
    ) -> Result<u64, CatalogError> {
        let sql = "WITH clock AS (SELECT (extract(epoch FROM statement_timestamp()) * 1000)::bigint AS now) \
             UPDATE refrain.outbox SET dead_at = (SELECT now FROM clock), last_error = $3 WHERE id = ANY(ARRAY( \
             SELECT id FROM refrain.outbox WHERE delivered_at IS NULL AND dead_at IS NULL \
             AND next_attempt_at <= (SELECT now FROM clock) - $1 LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING 1";
        let bind =
            |query: Statement| query.bind(milliseconds(after)).bind(i64::from(most)).bind(unclaimed(after));
        Ok(self.written(sql, bind).await?.len() as u64)
    }

    pub(super) async fn drop_messages(&self, sink: &str, most: u32) -> Result<u64, CatalogError> {
        let sql = "DELETE FROM refrain.outbox WHERE id = ANY(ARRAY(SELECT id FROM refrain.outbox \
             WHERE sink = $1 AND delivered_at IS NULL ORDER BY id LIMIT $2)) RETURNING 1";
        let rows = self.written(sql, |query| query.bind(text(sink)).bind(i64::from(most))).await?;
        Ok(rows.len() as u64)
    }
}
