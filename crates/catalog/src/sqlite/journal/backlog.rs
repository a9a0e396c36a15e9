//! Undelivered messages of the outbox, and the deletion of expired records.

use std::time::Duration;

use async_trait::async_trait;

use crate::clock::now;
use crate::journal::{clamp_time, milliseconds, text, unclaimed_reason};
use crate::sqlite::SqliteCatalog;
use crate::{Backlog, CatalogError, OutboxUpkeep, PruneCounts, RetentionLimits, SinkBacklog};

/// A row of counts: sink, number of waiting messages, creation time of the oldest of them (`None` if none waits),
/// number of dead messages.
type SinkCounts = (String, i64, Option<i64>, i64);

#[async_trait]
impl OutboxUpkeep for SqliteCatalog {
    // Counts undelivered messages with the partial indexes of due and dead messages, without reading delivered ones.
    async fn backlog(&self) -> Result<Backlog, CatalogError> {
        let read: Result<(i64, Option<i64>, i64), _> = sqlx::query_as(
            "SELECT count(*), min(created_at), (SELECT count(*) FROM outbox WHERE dead_at IS NOT NULL) \
             FROM outbox WHERE delivered_at IS NULL AND dead_at IS NULL",
        )
        .fetch_one(&self.readers)
        .await;
        let (waiting, oldest_at, dead) = read.map_err(|error| self.name.error(error))?;
        // A count is never negative.
        Ok(Backlog { waiting: waiting.unsigned_abs(), oldest_at, dead: dead.unsigned_abs() })
    }

    async fn sink_backlogs(&self) -> Result<Vec<SinkBacklog>, CatalogError> {
        let read: Result<Vec<SinkCounts>, _> = sqlx::query_as(
            "SELECT sink, sum(waiting), min(oldest_at), sum(dead) FROM (\
             SELECT sink, count(*) AS waiting, min(created_at) AS oldest_at, 0 AS dead FROM outbox \
             WHERE delivered_at IS NULL AND dead_at IS NULL GROUP BY sink UNION ALL \
             SELECT sink, 0, NULL, count(*) FROM outbox WHERE dead_at IS NOT NULL GROUP BY sink) \
             GROUP BY sink ORDER BY sink",
        )
        .fetch_all(&self.readers)
        .await;
        let sink_backlog = |(sink, waiting, oldest_at, dead): SinkCounts| SinkBacklog {
            sink,
            backlog: Backlog { waiting: waiting.unsigned_abs(), oldest_at, dead: dead.unsigned_abs() },
        };
        Ok(read.map_err(|error| self.name.error(error))?.into_iter().map(sink_backlog).collect())
    }

    async fn expire_unclaimed(&self, after: Duration, limit: u32) -> Result<u64, CatalogError> {
        let mut transaction = self.begin().await?;
        // Read after waiting for the lock, so that a message is not expired by an outdated time.
        let now = now();
        let done = sqlx::query(
            "UPDATE outbox SET dead_at = ?1, last_error = ?4 WHERE id IN (SELECT id FROM outbox \
             WHERE delivered_at IS NULL AND dead_at IS NULL AND next_attempt_at <= ?2 LIMIT ?3)",
        )
        .bind(now)
        .bind(now.saturating_sub(milliseconds(after)))
        .bind(i64::from(limit))
        .bind(unclaimed_reason(after))
        .execute(&mut *transaction)
        .await
        .map_err(|error| self.name.error(error))?;
        self.commit(transaction).await?;
        Ok(done.rows_affected())
    }

    async fn drop_deliveries(&self, sink: &str, limit: u32) -> Result<u64, CatalogError> {
        let mut transaction = self.begin().await?;
        let done = sqlx::query(
            "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE sink = ?1 AND delivered_at IS NULL \
             ORDER BY id LIMIT ?2)",
        )
        .bind(text(sink))
        .bind(i64::from(limit))
        .execute(&mut *transaction)
        .await
        .map_err(|error| self.name.error(error))?;
        self.commit(transaction).await?;
        Ok(done.rows_affected())
    }

    async fn prune(&self, expired: RetentionLimits, limit: u32) -> Result<PruneCounts, CatalogError> {
        let mut transaction = self.begin().await?;
        // A limit of NULL makes the comparison unknown, so nothing of that kind is selected.
        let mut delete = async |sql: &'static str, before: Option<i64>| {
            let done = sqlx::query(sql)
                .bind(before.map(clamp_time))
                .bind(i64::from(limit))
                .execute(&mut *transaction)
                .await;
            done.map(|done| done.rows_affected()).map_err(|error| self.name.error(error))
        };
        let delete_detections = "DELETE FROM detections WHERE id IN \
             (SELECT id FROM detections WHERE last_seen < ?1 ORDER BY last_seen LIMIT ?2)";
        let delete_messages = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox \
             WHERE coalesce(delivered_at, dead_at) < ?1 ORDER BY coalesce(delivered_at, dead_at) LIMIT ?2)";
        let delete_streams =
            "DELETE FROM streams WHERE id IN (SELECT id FROM streams WHERE ended_at < ?1 LIMIT ?2)";
        let pruned = PruneCounts {
            detections: delete(delete_detections, expired.detections).await?,
            deliveries: delete(delete_messages, expired.deliveries).await?,
            streams: delete(delete_streams, expired.detections).await?,
        };
        self.commit(transaction).await?;
        Ok(pruned)
    }
}
