//! Messages in the outbox.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::clock::now as clock;
use crate::journal::{clamp_time, milliseconds, text};
use crate::row::{self, message_columns};
use crate::sqlite::SqliteCatalog;
use crate::sqlite::read::json_list;
use crate::{
    AfterFailure, CatalogError, DeliveryStatus, DetectionId, NewOutboxMessage, Outbox, OutboxFilter,
    OutboxMessage,
};

/// The text of a statement: `$before`, then the list of the columns of a message, then `$after`.
macro_rules! with_messages {
    ($before:literal, $after:literal) => {
        concat!($before, " ", message_columns!(), " ", $after)
    };
}

#[async_trait]
impl Outbox for SqliteCatalog {
    async fn enqueue(&self, deliveries: &[NewOutboxMessage], now: i64) -> Result<(), CatalogError> {
        if let Some(fault) = deliveries.iter().find_map(NewOutboxMessage::fault) {
            return Err(self.name.invalid(fault));
        }
        let mut transaction = self.begin().await?;
        self.add_to_outbox(&mut transaction, None, deliveries, now).await?;
        self.commit(transaction).await
    }

    async fn claim_deliveries(
        &self,
        sink: &str,
        limit: u32,
        claim: Duration,
    ) -> Result<Vec<OutboxMessage>, CatalogError> {
        let mut transaction = self.begin().await?;
        // Read after waiting for the lock, so that the time is current.
        let now = clock();
        let rows = sqlx::query(with_messages!(
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
        let mut deliveries = self.read_messages(rows)?;
        self.commit(transaction).await?;
        deliveries.sort_by_key(|delivery| delivery.id);
        Ok(deliveries)
    }

    async fn mark_delivered(&self, ids: &[i64], now: i64) -> Result<(), CatalogError> {
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

    async fn mark_delivery_failed(
        &self,
        id: i64,
        attempt: u32,
        error: &str,
        then: AfterFailure,
    ) -> Result<bool, CatalogError> {
        let mut transaction = self.begin().await?;
        let (next, dead) = match then {
            // Uses the clock by which messages are claimed: the clock of the caller must not decide when a message is
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

    async fn deliveries(
        &self,
        filter: &OutboxFilter,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<OutboxMessage>, CatalogError> {
        // One statement per status, because only few messages are waiting or dead, and these have their own partial
        // indexes. `+id` keeps SQLite from scanning all other messages in the order of the primary key.
        let query = match filter.status {
            None => with_messages!(
                "SELECT",
                "FROM outbox WHERE id > ?1 AND (?2 IS NULL OR sink = ?2) ORDER BY id LIMIT ?3"
            ),
            Some(DeliveryStatus::Waiting) => with_messages!(
                "SELECT",
                "FROM outbox WHERE delivered_at IS NULL AND dead_at IS NULL AND +id > ?1 \
                 AND (?2 IS NULL OR sink = ?2) ORDER BY +id LIMIT ?3"
            ),
            Some(DeliveryStatus::Delivered) => with_messages!(
                "SELECT",
                "FROM outbox WHERE delivered_at IS NOT NULL AND id > ?1 \
                 AND (?2 IS NULL OR sink = ?2) ORDER BY id LIMIT ?3"
            ),
            Some(DeliveryStatus::Dead) => with_messages!(
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
        self.read_messages(rows)
    }

    async fn retry(&self, ids: &[i64]) -> Result<u64, CatalogError> {
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
}

impl SqliteCatalog {
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
            .bind(detection.map(|id| id.0))
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

    fn read_messages(
        &self,
        rows: Result<Vec<SqliteRow>, sqlx::Error>,
    ) -> Result<Vec<OutboxMessage>, CatalogError> {
        rows.and_then(|rows| row::all(&rows, row::message)).map_err(|error| self.name.error(error))
    }
}
