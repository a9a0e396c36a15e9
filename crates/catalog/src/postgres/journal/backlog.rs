//! Undelivered messages of the outbox, and the deletion of expired records.

use std::time::Duration;

use async_trait::async_trait;

use super::Statement;
use crate::journal::{clamp_time, milliseconds, text, unclaimed_reason};
use crate::postgres::PostgresCatalog;
use crate::{Backlog, CatalogError, OutboxUpkeep, PruneCounts, RetentionLimits, SinkBacklog};

/// A row of counts: sink, number of waiting messages, creation time of the oldest of them (`None` if none waits),
/// number of dead messages.
type SinkCountsRow = (String, i64, Option<i64>, i64);

#[async_trait]
impl OutboxUpkeep for PostgresCatalog {
    // Counts undelivered messages with the partial indexes of due and dead messages, without reading delivered ones.
    async fn backlog(&self) -> Result<Backlog, CatalogError> {
        let sql = "SELECT count(*), min(created_at), \
             (SELECT count(*) FROM refrain.outbox WHERE dead_at IS NOT NULL) \
             FROM refrain.outbox WHERE delivered_at IS NULL AND dead_at IS NULL";
        let rows: Vec<(i64, Option<i64>, i64)> = self.rows_as(sql, |query| query).await?;
        let (waiting, oldest_at, dead) = rows.first().copied().unwrap_or_default();
        Ok(Backlog { waiting: self.unsigned(waiting)?, oldest_at, dead: self.unsigned(dead)? })
    }

    async fn sink_backlogs(&self) -> Result<Vec<SinkBacklog>, CatalogError> {
        // Two grouped scans and their sum: each scan uses its partial index, which one scan with both conditions could
        // not use.
        let sql = "SELECT sink, sum(waiting)::bigint, min(oldest_at), sum(dead)::bigint FROM (\
             SELECT sink, count(*) AS waiting, min(created_at) AS oldest_at, 0 AS dead FROM refrain.outbox \
             WHERE delivered_at IS NULL AND dead_at IS NULL GROUP BY sink UNION ALL \
             SELECT sink, 0, NULL, count(*) FROM refrain.outbox WHERE dead_at IS NOT NULL GROUP BY sink) AS counted \
             GROUP BY sink ORDER BY sink";
        let rows: Vec<SinkCountsRow> = self.rows_as(sql, |query| query).await?;
        let sink_backlog = |(sink, waiting, oldest_at, dead)| {
            let backlog = Backlog { waiting: self.unsigned(waiting)?, oldest_at, dead: self.unsigned(dead)? };
            Ok(SinkBacklog { sink, backlog })
        };
        rows.into_iter().map(sink_backlog).collect()
    }

    async fn expire_unclaimed(&self, after: Duration, limit: u32) -> Result<u64, CatalogError> {
        let sql = "WITH clock AS (SELECT (extract(epoch FROM statement_timestamp()) * 1000)::bigint AS now) \
             UPDATE refrain.outbox SET dead_at = (SELECT now FROM clock), last_error = $3 WHERE id = ANY(ARRAY( \
             SELECT id FROM refrain.outbox WHERE delivered_at IS NULL AND dead_at IS NULL \
             AND next_attempt_at <= (SELECT now FROM clock) - $1 LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING 1";
        let bind = |query: Statement| {
            query.bind(milliseconds(after)).bind(i64::from(limit)).bind(unclaimed_reason(after))
        };
        Ok(self.execute_retried(sql, bind).await?.len() as u64)
    }

    async fn drop_deliveries(&self, sink: &str, limit: u32) -> Result<u64, CatalogError> {
        // `ANY(ARRAY(…))` evaluates the subquery once and before the deletion; LIMIT bounds the time that rows are
        // locked.
        let sql = "DELETE FROM refrain.outbox WHERE id = ANY(ARRAY(SELECT id FROM refrain.outbox \
             WHERE sink = $1 AND delivered_at IS NULL ORDER BY id LIMIT $2)) RETURNING 1";
        let rows = self.execute_retried(sql, |query| query.bind(text(sink)).bind(i64::from(limit))).await?;
        Ok(rows.len() as u64)
    }

    // Deletes expired records. Streams have no index by age: they are few, and are scanned once an hour.
    async fn prune(&self, expired: RetentionLimits, limit: u32) -> Result<PruneCounts, CatalogError> {
        let sql = "WITH old_detections AS (DELETE FROM refrain.detections WHERE id = ANY(ARRAY( \
             SELECT id FROM refrain.detections WHERE last_seen < $1 \
             ORDER BY last_seen LIMIT $3 FOR UPDATE SKIP LOCKED)) RETURNING 1), \
             old_messages AS (DELETE FROM refrain.outbox WHERE id = ANY(ARRAY( \
             SELECT id FROM refrain.outbox WHERE coalesce(delivered_at, dead_at) < $2 \
             ORDER BY coalesce(delivered_at, dead_at) LIMIT $3 FOR UPDATE SKIP LOCKED)) RETURNING 1), \
             old_streams AS (DELETE FROM refrain.streams WHERE id = ANY(ARRAY( \
             SELECT id FROM refrain.streams WHERE ended_at < $1 LIMIT $3 FOR UPDATE SKIP LOCKED)) RETURNING 1) \
             SELECT (SELECT count(*) FROM old_detections), (SELECT count(*) FROM old_messages), \
             (SELECT count(*) FROM old_streams)";
        // A limit of NULL makes the comparison unknown, so nothing of that kind is selected.
        let (detections_before, messages_before) =
            (expired.detections.map(clamp_time), expired.deliveries.map(clamp_time));
        let rows: Vec<(i64, i64, i64)> = self
            .rows_as(sql, |query| query.bind(detections_before).bind(messages_before).bind(i64::from(limit)))
            .await?;
        let (detections, deliveries, streams) = rows.first().copied().unwrap_or_default();
        Ok(PruneCounts {
            detections: self.unsigned(detections)?,
            deliveries: self.unsigned(deliveries)?,
            streams: self.unsigned(streams)?,
        })
    }
}
