//! Messages in the outbox, and the deletion of expired records.

use std::time::Duration;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::journal::{clamp_time, milliseconds, text};
use crate::sqlite::SqliteCatalog;
use crate::sqlite::read::json_list;
use crate::sqlite::row;
use crate::sqlite::write::now as clock;
use crate::{
    AfterFailure, CatalogError, DeliveryStatus, DetectionId, NewOutboxMessage, OutboxFilter, OutboxMessage,
    PruneCounts, RetentionLimits,
};

/// A statement with the columns that [`delivery`] reads, between `$before` and `$after`.
macro_rules! with_deliveries {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " id, detection, sink, key, payload, created_at, attempts, next_attempt_at, delivered_at, dead_at, \
             last_error ",
            $after
        )
    };
}

impl SqliteCatalog {
    pub(super) async fn enqueue(
        &self,
        deliveries: &[NewOutboxMessage],
        now: i64,
    ) -> Result<(), CatalogError> {
        if let Some(fault) = deliveries.iter().find_map(NewOutboxMessage::fault) {
            return Err(self.name.invalid(fault));
        }
        let mut transaction = self.begin().await?;
        self.add_to_outbox(&mut transaction, None, deliveries, now).await?;
        self.commit(transaction).await
    }

    pub(super) async fn add_to_outbox(
        &self,
        connection: &mut SqliteConnection,
        detection: Option<DetectionId>,
        deliveries: &[NewOutboxMessage],
        now: i64,
    ) -> Result<(), CatalogError> {
        // Uses the clock by which messages are claimed, because the clock of the caller may differ from it.
        let due = clock();
        for new in deliveries {
            sqlx::query(
                "INSERT INTO outbox (detection, sink, key, payload, created_at, next_attempt_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (sink, key) DO NOTHING",
            )
            .bind(detection.map(|id| id.0.as_bytes().to_vec()))
            .bind(text(&new.sink))
            .bind(text(&new.key))
            .bind(text(&new.payload))
            .bind(clamp_time(now))
            .bind(due)
            .execute(&mut *connection)
            .await
            .map_err(|error| self.name.error(error))?;
        }
        Ok(())
    }

    pub(super) async fn claim_deliveries(
        &self,
        sink: &str,
        limit: u32,
        claim: Duration,
    ) -> Result<Vec<OutboxMessage>, CatalogError> {
        let mut transaction = self.begin().await?;
        // Read after waiting for the lock, so that the time is current.
        let now = clock();
        let rows = sqlx::query(with_deliveries!(
            "UPDATE outbox SET attempts = attempts + 1, next_attempt_at = ?4 WHERE id IN \
             (SELECT id FROM outbox WHERE sink = ?1 AND delivered_at IS NULL AND dead_at IS NULL \
             AND next_attempt_at <= ?3 ORDER BY next_attempt_at, id LIMIT ?2) RETURNING",
            ""
        ))
        .bind(text(sink))
        .bind(i64::from(limit))
        .bind(now)
        .bind(now + milliseconds(claim))
        .fetch_all(&mut *transaction)
        .await;
        // Read before the commit: if a row cannot be read, the claim is rolled back and no attempt is counted.
        let mut deliveries = self.read_deliveries(rows)?;
        self.commit(transaction).await?;
        deliveries.sort_by_key(|delivery| delivery.id);
        Ok(deliveries)
    }

    pub(super) async fn mark_delivered(&self, ids: &[i64], now: i64) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        sqlx::query(
            "UPDATE outbox SET delivered_at = ?2, dead_at = NULL \
             WHERE id IN (SELECT value FROM json_each(?1)) AND delivered_at IS NULL",
        )
        .bind(json_list(ids))
        .bind(clamp_time(now))
        .execute(&mut *transaction)
        .await
        .map_err(|error| self.name.error(error))?;
        self.commit(transaction).await
    }

    pub(super) async fn mark_delivery_failed(
        &self,
        (id, attempt): (i64, u32),
        error: &str,
        then: AfterFailure,
    ) -> Result<bool, CatalogError> {
        let mut transaction = self.begin().await?;
        let (next, dead) = match then {
            // The clock of claims, not the time of the caller: the worker's clock must not decide when a message is
            // due.
            AfterFailure::RetryAfter(time) => (Some(clock() + milliseconds(time)), None),
            AfterFailure::Dead => (None, Some(clock())),
        };
        let done = sqlx::query(
            "UPDATE outbox SET last_error = ?3, next_attempt_at = coalesce(?4, next_attempt_at), dead_at = ?5 \
             WHERE id = ?1 AND attempts = ?2 AND delivered_at IS NULL AND dead_at IS NULL",
        )
        .bind(id)
        .bind(i64::from(attempt))
        .bind(text(error))
        .bind(next)
        .bind(dead)
        .execute(&mut *transaction)
        .await
        .map_err(|error| self.name.error(error))?;
        self.commit(transaction).await?;
        Ok(done.rows_affected() > 0)
    }

    pub(super) async fn deliveries(
        &self,
        filter: &OutboxFilter,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<OutboxMessage>, CatalogError> {
        // One statement per status, because only few messages are waiting or dead, and these have their own partial
        // indexes. `+id` keeps SQLite from scanning all other messages in the order of the primary key.
        let query = match filter.status {
            None => with_deliveries!(
                "SELECT",
                "FROM outbox WHERE id > ?1 AND (?2 IS NULL OR sink = ?2) ORDER BY id LIMIT ?3"
            ),
            Some(DeliveryStatus::Waiting) => with_deliveries!(
                "SELECT",
                "FROM outbox WHERE delivered_at IS NULL AND dead_at IS NULL AND +id > ?1 \
                 AND (?2 IS NULL OR sink = ?2) ORDER BY +id LIMIT ?3"
            ),
            Some(DeliveryStatus::Delivered) => with_deliveries!(
                "SELECT",
                "FROM outbox WHERE delivered_at IS NOT NULL AND id > ?1 \
                 AND (?2 IS NULL OR sink = ?2) ORDER BY id LIMIT ?3"
            ),
            Some(DeliveryStatus::Dead) => with_deliveries!(
                "SELECT",
                "FROM outbox WHERE dead_at IS NOT NULL AND +id > ?1 \
                 AND (?2 IS NULL OR sink = ?2) ORDER BY +id LIMIT ?3"
            ),
        };
        let rows = sqlx::query(query)
            .bind(after.unwrap_or(i64::MIN))
            .bind(filter.sink.as_deref().map(text))
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await;
        self.read_deliveries(rows)
    }

    pub(super) async fn retry(&self, ids: &[i64]) -> Result<u64, CatalogError> {
        let mut transaction = self.begin().await?;
        let done = sqlx::query(
            "UPDATE outbox SET dead_at = NULL, attempts = 0, next_attempt_at = ?2 \
             WHERE id IN (SELECT value FROM json_each(?1)) AND dead_at IS NOT NULL",
        )
        .bind(json_list(ids))
        .bind(clock())
        .execute(&mut *transaction)
        .await
        .map_err(|error| self.name.error(error))?;
        self.commit(transaction).await?;
        Ok(done.rows_affected())
    }

    pub(super) async fn prune(
        &self,
        expired: RetentionLimits,
        limit: u32,
    ) -> Result<PruneCounts, CatalogError> {
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

    fn read_deliveries(
        &self,
        rows: Result<Vec<SqliteRow>, sqlx::Error>,
    ) -> Result<Vec<OutboxMessage>, CatalogError> {
        rows.and_then(|rows| rows.iter().map(delivery).collect()).map_err(|error| self.name.error(error))
    }
}

fn delivery(row: &SqliteRow) -> Result<OutboxMessage, sqlx::Error> {
    let detection: Option<Vec<u8>> = row.try_get("detection")?;
    Ok(OutboxMessage {
        id: row.try_get("id")?,
        detection: detection.map(|bytes| row::uuid(&bytes)).transpose()?.map(DetectionId),
        sink: row.try_get("sink")?,
        key: row.try_get("key")?,
        payload: row.try_get("payload")?,
        created_at: row.try_get("created_at")?,
        attempts: row.try_get("attempts")?,
        next_attempt_at: row.try_get("next_attempt_at")?,
        delivered_at: row.try_get("delivered_at")?,
        dead_at: row.try_get("dead_at")?,
        last_error: row.try_get("last_error")?,
    })
}
