//! Messages in the outbox, and the deletion of expired records.

use std::borrow::Cow;
use std::time::Duration;

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::Statement;
use crate::journal::{clamp_time, milliseconds, text};
use crate::postgres::PostgresCatalog;
use crate::postgres::row;
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

/// New messages, as one array per column.
pub(super) struct Messages<'a> {
    pub(super) sinks: Vec<Cow<'a, str>>,
    pub(super) keys: Vec<Cow<'a, str>>,
    pub(super) payloads: Vec<Cow<'a, str>>,
}

impl<'a> Messages<'a> {
    pub(super) fn of(deliveries: &'a [NewOutboxMessage]) -> Self {
        Self {
            sinks: deliveries.iter().map(|new| text(&new.sink)).collect(),
            keys: deliveries.iter().map(|new| text(&new.key)).collect(),
            payloads: deliveries.iter().map(|new| text(&new.payload)).collect(),
        }
    }
}

impl PostgresCatalog {
    pub(super) async fn enqueue(
        &self,
        deliveries: &[NewOutboxMessage],
        now: i64,
    ) -> Result<(), CatalogError> {
        if let Some(fault) = deliveries.iter().find_map(NewOutboxMessage::fault) {
            return Err(self.name.invalid(fault));
        }
        let sql = "INSERT INTO refrain.outbox (sink, key, payload, created_at, next_attempt_at) \
             SELECT sink, key, payload, $1, (extract(epoch FROM statement_timestamp()) * 1000)::bigint \
             FROM unnest($2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS new (sink, key, payload, n) \
             ORDER BY n ON CONFLICT (sink, key) DO NOTHING";
        let new = Messages::of(deliveries);
        let bind = |query: Statement| {
            query.bind(clamp_time(now)).bind(&new.sinks).bind(&new.keys).bind(&new.payloads)
        };
        self.rows(sql, bind).await.map(drop)
    }

    /// Claims due messages. If the response is lost, the messages become due again when their claim expires, like those
    /// of a worker that died.
    pub(super) async fn claim_deliveries(
        &self,
        sink: &str,
        limit: u32,
        claim: Duration,
    ) -> Result<Vec<OutboxMessage>, CatalogError> {
        let sql = with_deliveries!(
            "WITH clock AS (SELECT (extract(epoch FROM statement_timestamp()) * 1000)::bigint AS now), \
             due AS MATERIALIZED (SELECT id FROM refrain.outbox \
             WHERE sink = $1 AND delivered_at IS NULL AND dead_at IS NULL \
             AND next_attempt_at <= (SELECT now FROM clock) \
             ORDER BY next_attempt_at, id LIMIT $2 FOR UPDATE SKIP LOCKED) \
             UPDATE refrain.outbox SET attempts = attempts + 1, next_attempt_at = (SELECT now FROM clock) + $3 \
             WHERE id IN (SELECT id FROM due) RETURNING",
            ""
        );
        // A plain retry could claim other messages in addition to those of the lost response. They become due again
        // like messages of a dead worker, so the transaction needs no memory of what was sent.
        let bind = |query: Statement| query.bind(text(sink)).bind(i64::from(limit)).bind(milliseconds(claim));
        let rows = self.rows(sql, bind).await?;
        let mut deliveries = self.read_deliveries(&rows)?;
        // RETURNING has no order. A sink receives the messages of one airing in the order of their creation.
        deliveries.sort_by_key(|delivery| delivery.id);
        Ok(deliveries)
    }

    pub(super) async fn mark_delivered(&self, ids: &[i64], now: i64) -> Result<(), CatalogError> {
        // Also if the message is dead or was claimed again in the meantime: the sink has it.
        let sql = "UPDATE refrain.outbox SET delivered_at = $2, dead_at = NULL \
             WHERE id = ANY($1) AND delivered_at IS NULL";
        self.rows(sql, |query| query.bind(ids).bind(clamp_time(now))).await.map(drop)
    }

    pub(super) async fn mark_delivery_failed(
        &self,
        (id, attempt): (i64, u32),
        error: &str,
        then: AfterFailure,
    ) -> Result<bool, CatalogError> {
        let pause = match then {
            AfterFailure::RetryAfter(time) => Some(milliseconds(time)),
            AfterFailure::Dead => None,
        };
        let sql = "WITH clock AS (SELECT (extract(epoch FROM statement_timestamp()) * 1000)::bigint AS now) \
             UPDATE refrain.outbox SET last_error = $3, \
             dead_at = CASE WHEN $4::bigint IS NULL THEN (SELECT now FROM clock) END, \
             next_attempt_at = coalesce((SELECT now FROM clock) + $4, next_attempt_at) \
             WHERE id = $1 AND attempts = $2 AND delivered_at IS NULL AND dead_at IS NULL RETURNING 1";
        let bind = |query: Statement| query.bind(id).bind(i64::from(attempt)).bind(text(error)).bind(pause);
        Ok(!self.execute_retried(sql, bind).await?.is_empty())
    }

    pub(super) async fn deliveries(
        &self,
        filter: &OutboxFilter,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<OutboxMessage>, CatalogError> {
        // One statement per status, because only few messages are waiting or dead, and these have their own partial
        // indexes. `id + 0` keeps the server from scanning all other messages in the order of the primary key.
        let sql = match filter.status {
            None => with_deliveries!(
                "SELECT",
                "FROM refrain.outbox WHERE id > $1 AND ($2 IS NULL OR sink = $2) ORDER BY id LIMIT $3"
            ),
            Some(DeliveryStatus::Waiting) => with_deliveries!(
                "SELECT",
                "FROM refrain.outbox WHERE delivered_at IS NULL AND dead_at IS NULL AND id + 0 > $1 \
                 AND ($2 IS NULL OR sink = $2) ORDER BY id + 0 LIMIT $3"
            ),
            Some(DeliveryStatus::Delivered) => with_deliveries!(
                "SELECT",
                "FROM refrain.outbox WHERE delivered_at IS NOT NULL AND id > $1 \
                 AND ($2 IS NULL OR sink = $2) ORDER BY id LIMIT $3"
            ),
            Some(DeliveryStatus::Dead) => with_deliveries!(
                "SELECT",
                "FROM refrain.outbox WHERE dead_at IS NOT NULL AND id + 0 > $1 \
                 AND ($2 IS NULL OR sink = $2) ORDER BY id + 0 LIMIT $3"
            ),
        };
        let bind = |query: Statement| {
            let sink = filter.sink.as_deref().map(text);
            query.bind(after.unwrap_or(i64::MIN)).bind(sink).bind(i64::from(limit))
        };
        let rows = self.rows(sql, bind).await?;
        self.read_deliveries(&rows)
    }

    pub(super) async fn retry(&self, ids: &[i64]) -> Result<u64, CatalogError> {
        // Attempts restart at 0, because the number of attempts determines when the message is dead again.
        let sql = "UPDATE refrain.outbox SET dead_at = NULL, attempts = 0, \
             next_attempt_at = (extract(epoch FROM statement_timestamp()) * 1000)::bigint \
             WHERE id = ANY($1) AND dead_at IS NOT NULL RETURNING 1";
        let rows = self.execute_retried(sql, |query| query.bind(ids)).await?;
        Ok(rows.len() as u64)
    }

    /// Deletes expired records. Streams have no index by age: they are few, and are scanned once an hour.
    pub(super) async fn prune(
        &self,
        expired: RetentionLimits,
        limit: u32,
    ) -> Result<PruneCounts, CatalogError> {
        let sql = "WITH heard AS (DELETE FROM refrain.detections WHERE id = ANY(ARRAY( \
             SELECT id FROM refrain.detections WHERE last_seen < $1 \
             ORDER BY last_seen LIMIT $3 FOR UPDATE SKIP LOCKED)) RETURNING 1), \
             sent AS (DELETE FROM refrain.outbox WHERE id = ANY(ARRAY( \
             SELECT id FROM refrain.outbox WHERE coalesce(delivered_at, dead_at) < $2 \
             ORDER BY coalesce(delivered_at, dead_at) LIMIT $3 FOR UPDATE SKIP LOCKED)) RETURNING 1), \
             over AS (DELETE FROM refrain.streams WHERE id = ANY(ARRAY( \
             SELECT id FROM refrain.streams WHERE ended_at < $1 LIMIT $3 FOR UPDATE SKIP LOCKED)) RETURNING 1) \
             SELECT (SELECT count(*) FROM heard), (SELECT count(*) FROM sent), (SELECT count(*) FROM over)";
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

    fn read_deliveries(&self, rows: &[PgRow]) -> Result<Vec<OutboxMessage>, CatalogError> {
        rows.iter().map(delivery).collect::<Result<_, _>>().map_err(|error| self.name.error(error))
    }
}

fn delivery(row: &PgRow) -> Result<OutboxMessage, sqlx::Error> {
    Ok(OutboxMessage {
        id: row.try_get("id")?,
        detection: row.try_get::<Option<_>, _>("detection")?.map(DetectionId),
        sink: row.try_get("sink")?,
        key: row.try_get("key")?,
        payload: row.try_get("payload")?,
        created_at: row.try_get("created_at")?,
        attempts: row::count(row.try_get("attempts")?)?,
        next_attempt_at: row.try_get("next_attempt_at")?,
        delivered_at: row.try_get("delivered_at")?,
        dead_at: row.try_get("dead_at")?,
        last_error: row.try_get("last_error")?,
    })
}
