//! Leases of streams. All processes that share a file run on one machine, so its clock serves as the clock of the
//! database.

use std::time::Duration;

use async_trait::async_trait;

use crate::clock::now;
use crate::journal::{milliseconds, quarantine_reason, text};
use crate::row::stream_columns;
use crate::sqlite::SqliteCatalog;
use crate::{
    ARCHIVE, CatalogError, MAX_WORKER_DEATHS, SUSPECT_DEATHS, Stream, StreamLeases, WAITING_AFTER_EXPIRY,
};

/// The condition for streams that can be claimed at the time ?3, whatever their number of deaths. ?5 is the origin of
/// archives, and ?6 is true to select archives. Claims and the count of waiting streams use this condition.
macro_rules! claimable {
    () => {
        "ended_at IS NULL AND (lease_until IS NULL OR lease_until <= ?3) AND (origin = ?5) = ?6"
    };
}

#[async_trait]
impl StreamLeases for SqliteCatalog {
    async fn claim_streams(
        &self,
        owner: &str,
        limit: u32,
        lease: Duration,
    ) -> Result<Vec<Stream>, CatalogError> {
        self.claim_by_origin(owner, limit, lease, false).await
    }

    async fn claim_archives(
        &self,
        owner: &str,
        limit: u32,
        lease: Duration,
    ) -> Result<Vec<Stream>, CatalogError> {
        self.claim_by_origin(owner, limit, lease, true).await
    }

    async fn quarantine_streams(&self) -> Result<Vec<String>, CatalogError> {
        let mut transaction = self.begin().await?;
        let ids = sqlx::query_scalar(
            "UPDATE streams SET state = 'failed', reason = ?1, ended_at = max(?2, started_at), updated_at = ?2, \
             lease_owner = NULL, lease_until = NULL \
             WHERE ended_at IS NULL AND (lease_until IS NULL OR lease_until <= ?2) AND deaths >= ?3 RETURNING id",
        )
        .bind(quarantine_reason())
        .bind(now())
        .bind(MAX_WORKER_DEATHS)
        .fetch_all(&mut *transaction)
        .await
        .map_err(|error| self.name.error(error))?;
        self.commit(transaction).await?;
        Ok(ids)
    }

    async fn count_waiting_streams(&self) -> Result<u64, CatalogError> {
        let sql = concat!("SELECT count(*) FROM streams WHERE ", claimable!(), " AND deaths < ?1");
        // Reads without the lock: the count is a measurement, and an outdated one does no harm.
        let expired = now() - milliseconds(WAITING_AFTER_EXPIRY);
        // The condition uses the parameter numbers of the claim, so unused ones are bound to 0.
        let query = sqlx::query_scalar(sql).bind(MAX_WORKER_DEATHS).bind(0).bind(expired).bind(0);
        let counted: Result<i64, _> = query.bind(ARCHIVE).bind(false).fetch_one(&self.readers).await;
        counted.map(i64::unsigned_abs).map_err(|error| self.name.error(error))
    }

    async fn renew_leases(&self, owner: &str, lease: Duration) -> Result<Vec<String>, CatalogError> {
        let mut transaction = self.begin().await?;
        let mut held_ids: Vec<String> = sqlx::query_scalar(
            "UPDATE streams SET lease_until = ?2 WHERE ended_at IS NULL AND lease_owner = ?1 RETURNING id",
        )
        .bind(text(owner))
        .bind(now() + milliseconds(lease))
        .fetch_all(&mut *transaction)
        .await
        .map_err(|error| self.name.error(error))?;
        self.commit(transaction).await?;
        // RETURNING has no order.
        held_ids.sort();
        Ok(held_ids)
    }

    async fn release(&self, owner: &str, id: Option<&str>) -> Result<u64, CatalogError> {
        let mut transaction = self.begin().await?;
        let done = sqlx::query(
            "UPDATE streams SET lease_owner = NULL, lease_until = NULL, deaths = 0 \
             WHERE ended_at IS NULL AND lease_owner = ?1 AND (?2 IS NULL OR id = ?2)",
        )
        .bind(text(owner))
        .bind(id.map(text))
        .execute(&mut *transaction)
        .await
        .map_err(|error| self.name.error(error))?;
        self.commit(transaction).await?;
        Ok(done.rows_affected())
    }

    async fn claim_turn(&self, turn: &str, every: Duration) -> Result<bool, CatalogError> {
        let mut transaction = self.begin().await?;
        let now = now();
        let done = sqlx::query(
            "INSERT INTO turns (name, next) VALUES (?1, ?2 + ?3) \
             ON CONFLICT (name) DO UPDATE SET next = excluded.next WHERE turns.next <= ?2",
        )
        .bind(text(turn))
        .bind(now)
        .bind(milliseconds(every))
        .execute(&mut *transaction)
        .await
        .map_err(|error| self.name.error(error))?;
        self.commit(transaction).await?;
        Ok(done.rows_affected() > 0)
    }
}

impl SqliteCatalog {
    async fn claim_by_origin(
        &self,
        owner: &str,
        limit: u32,
        lease: Duration,
        archives: bool,
    ) -> Result<Vec<Stream>, CatalogError> {
        let mut transaction = self.begin().await?;
        // Read after waiting for the lock, so that the time is current.
        let now = now();
        let rows = sqlx::query(concat!(
            "UPDATE streams SET lease_owner = ?1, lease_until = ?3 + ?4, attempts = attempts + 1, \
             deaths = CASE WHEN ?6 THEN deaths ELSE deaths + 1 END WHERE id IN (SELECT id FROM streams WHERE ",
            claimable!(),
            " AND (deaths < ?7 OR id = (SELECT id FROM streams WHERE ",
            claimable!(),
            " AND deaths >= ?7 AND deaths < ?8 AND NOT EXISTS \
             (SELECT 1 FROM streams WHERE ended_at IS NULL AND lease_owner = ?1 AND deaths > ?7) \
             ORDER BY started_at, id LIMIT 1)) ORDER BY started_at, id LIMIT ?2) RETURNING ",
            stream_columns!()
        ))
        .bind(text(owner))
        .bind(i64::from(limit))
        .bind(now)
        .bind(milliseconds(lease))
        .bind(ARCHIVE)
        .bind(archives)
        .bind(SUSPECT_DEATHS)
        .bind(MAX_WORKER_DEATHS)
        .fetch_all(&mut *transaction)
        .await;
        // Read before the commit: if a row cannot be read, the claim is rolled back and the stream stays free.
        let mut streams = self.read_streams(rows)?;
        self.commit(transaction).await?;
        // RETURNING has no order.
        streams.sort_by(|a, b| (a.started_at, &a.id).cmp(&(b.started_at, &b.id)));
        Ok(streams)
    }
}
