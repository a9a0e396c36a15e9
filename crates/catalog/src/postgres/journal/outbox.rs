//! Messages in the outbox.

use std::borrow::Cow;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::PgRow;

use super::Statement;
use crate::journal::{clamp_time, milliseconds, text};
use crate::postgres::PostgresCatalog;
use crate::row::{self, message_columns};
use crate::{
    AfterFailure, CatalogError, DeliveryStatus, NewOutboxMessage, Outbox, OutboxFilter, OutboxMessage,
};

/// The text of a statement: `$before`, then the list of the columns of a message, then `$after`.
macro_rules! with_messages {
    ($before:literal, $after:literal) => {
        concat!($before, " ", message_columns!(), " ", $after)
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

/// Statement that adds messages without a detection.
pub(super) const ENQUEUE: &str = "INSERT INTO refrain.outbox (sink, key, payload, created_at, next_attempt_at) \
     SELECT sink, key, payload, $1, (extract(epoch FROM statement_timestamp()) * 1000)::bigint \
     FROM unnest($2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS new (sink, key, payload, n) \
     ORDER BY n ON CONFLICT (sink, key) DO NOTHING";

/// Binds the parameters of [`ENQUEUE`].
pub(super) fn bind_messages(query: Statement, new: &Messages<'_>, now: i64) -> Statement {
    query.bind(clamp_time(now)).bind(&new.sinks).bind(&new.keys).bind(&new.payloads)
}

#[async_trait]
impl Outbox for PostgresCatalog {
    async fn enqueue(&self, deliveries: &[NewOutboxMessage], now: i64) -> Result<(), CatalogError> {
        if let Some(fault) = deliveries.iter().find_map(NewOutboxMessage::fault) {
            return Err(self.name.invalid(fault));
        }
        let new = Messages::of(deliveries);
        self.rows(ENQUEUE, |query| bind_messages(query, &new, now)).await.map(drop)
    }

    // Claims due messages. If the response is lost, the messages become due again when their claim expires, like those
    // of a worker that died.
    async fn claim_deliveries(
        &self,
        sink: &str,
        limit: u32,
        claim: Duration,
    ) -> Result<Vec<OutboxMessage>, CatalogError> {
        let sql = with_messages!(
            "WITH clock AS (SELECT (extract(epoch FROM statement_timestamp()) * 1000)::bigint AS now), \
             due AS MATERIALIZED (SELECT id FROM refrain.outbox \
             WHERE sink = $1 AND delivered_at IS NULL AND dead_at IS NULL \
             AND next_attempt_at <= (SELECT now FROM clock) \
             ORDER BY next_attempt_at, id LIMIT $2 FOR UPDATE SKIP LOCKED) \
             UPDATE refrain.outbox SET attempts = attempts + 1, next_attempt_at = (SELECT now FROM clock) + $3 \
             WHERE id IN (SELECT id FROM due) RETURNING",
            ""
        );
        // A plain retry could claim other messages in addition to those of the lost response. The lost ones become due
        // again like messages of a dead worker, so attempts need not remember the claimed ids.
        let bind = |query: Statement| query.bind(text(sink)).bind(i64::from(limit)).bind(milliseconds(claim));
        let rows = self.rows(sql, bind).await?;
        let mut deliveries = self.read_messages(&rows)?;
        // RETURNING has no order. A sink receives the messages of one airing in the order of their creation.
        deliveries.sort_by_key(|delivery| delivery.id);
        Ok(deliveries)
    }

    async fn mark_delivered(&self, ids: &[i64], now: i64) -> Result<(), CatalogError> {
        // A message that is dead or was claimed again in the meantime is marked too: the sink has received it.
        let sql = "UPDATE refrain.outbox SET delivered_at = $2, dead_at = NULL \
             WHERE id = ANY($1) AND delivered_at IS NULL";
        self.rows(sql, |query| query.bind(ids).bind(clamp_time(now))).await.map(drop)
    }

    async fn mark_delivery_failed(
        &self,
        id: i64,
        attempt: u32,
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

    async fn deliveries(
        &self,
        filter: &OutboxFilter,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<OutboxMessage>, CatalogError> {
        // One statement per status, because only few messages are waiting or dead, and these have their own partial
        // indexes. `id + 0` keeps the server from scanning all other messages in the order of the primary key.
        let sql = match filter.status {
            None => with_messages!(
                "SELECT",
                "FROM refrain.outbox WHERE id > $1 AND ($2 IS NULL OR sink = $2) ORDER BY id LIMIT $3"
            ),
            Some(DeliveryStatus::Waiting) => with_messages!(
                "SELECT",
                "FROM refrain.outbox WHERE delivered_at IS NULL AND dead_at IS NULL AND id + 0 > $1 \
                 AND ($2 IS NULL OR sink = $2) ORDER BY id + 0 LIMIT $3"
            ),
            Some(DeliveryStatus::Delivered) => with_messages!(
                "SELECT",
                "FROM refrain.outbox WHERE delivered_at IS NOT NULL AND id > $1 \
                 AND ($2 IS NULL OR sink = $2) ORDER BY id LIMIT $3"
            ),
            Some(DeliveryStatus::Dead) => with_messages!(
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
        self.read_messages(&rows)
    }

    async fn retry(&self, ids: &[i64]) -> Result<u64, CatalogError> {
        // Attempts restart at 0, because the number of attempts determines when the message is dead again.
        let sql = "UPDATE refrain.outbox SET dead_at = NULL, attempts = 0, \
             next_attempt_at = (extract(epoch FROM statement_timestamp()) * 1000)::bigint \
             WHERE id = ANY($1) AND dead_at IS NOT NULL RETURNING 1";
        let rows = self.execute_retried(sql, |query| query.bind(ids)).await?;
        Ok(rows.len() as u64)
    }
}

impl PostgresCatalog {
    fn read_messages(&self, rows: &[PgRow]) -> Result<Vec<OutboxMessage>, CatalogError> {
        row::all(rows, row::message).map_err(|error| self.name.error(error))
    }
}
