//! Leases of streams. Only the clock of the server decides when a lease expires.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::Row;

use super::Statement;
use crate::journal::{milliseconds, quarantine_reason, text};
use crate::postgres::PostgresCatalog;
use crate::postgres::retry::Retry;
use crate::row::stream_columns;
use crate::{
    ARCHIVE, CatalogError, MAX_WORKER_DEATHS, SUSPECT_DEATHS, Stream, StreamLeases, WAITING_AFTER_EXPIRY,
};

/// The condition for streams that can be claimed at the time `now`, whatever their number of deaths. Claims, quarantine
/// and the count of waiting streams use this condition.
macro_rules! claimable {
    ($origin:literal) => {
        concat!("ended_at IS NULL AND (lease_until IS NULL OR lease_until <= now) AND ", $origin)
    };
}

/// A common table expression `clock` with the time `now`: milliseconds since the Unix epoch by the clock of the server.
macro_rules! clock {
    () => {
        "clock AS (SELECT (extract(epoch FROM statement_timestamp()) * 1000)::bigint AS now)"
    };
}

/// Claims free streams, and claims again the streams with the ids $4, which an earlier attempt of the same call has
/// claimed.
const CLAIM: &str = concat!(
    "WITH ",
    clock!(),
    ", suspect AS (SELECT id FROM refrain.streams, clock WHERE ",
    claimable!("(origin = $5) = $6"),
    " AND deaths >= $7 AND deaths < $8 AND NOT EXISTS \
     (SELECT 1 FROM refrain.streams WHERE ended_at IS NULL AND lease_owner = $1 AND deaths > $7) \
     ORDER BY started_at, id LIMIT 1), \
     free AS MATERIALIZED (SELECT id FROM refrain.streams s, clock WHERE ((",
    claimable!("(origin = $5) = $6"),
    " AND deaths < $8 AND (deaths < $7 OR id IN (SELECT id FROM suspect))) \
     OR (ended_at IS NULL AND lease_owner = $1 AND id = ANY($4))) \
     ORDER BY id = ANY($4) DESC, started_at, id LIMIT $2 FOR UPDATE OF s SKIP LOCKED) \
     UPDATE refrain.streams SET attempts = attempts + 1, deaths = CASE \
     WHEN $6 OR (lease_owner = $1 AND id = ANY($4)) THEN deaths ELSE deaths + 1 END, \
     lease_owner = $1, lease_until = (SELECT now FROM clock) + $3 WHERE id IN (SELECT id FROM free) RETURNING ",
    stream_columns!()
);

/// Fails streams (with the reason $1) that have at least $2 deaths, because their next claim would probably kill
/// another process.
const QUARANTINE: &str = concat!(
    "WITH ",
    clock!(),
    ", poison AS MATERIALIZED (SELECT id FROM refrain.streams s, clock WHERE ",
    claimable!("deaths >= $2"),
    " FOR UPDATE OF s SKIP LOCKED) \
     UPDATE refrain.streams SET state = 'failed', reason = $1, updated_at = (SELECT now FROM clock), \
     ended_at = greatest((SELECT now FROM clock), started_at), lease_owner = NULL, lease_until = NULL \
     WHERE id IN (SELECT id FROM poison) RETURNING id"
);

/// Counts the streams without a lease, or whose lease expired at least $1 ms ago. Ended streams, archives ($2) and
/// streams with at least $3 deaths do not count.
const WAITING: &str = concat!(
    "WITH clock AS (SELECT (extract(epoch FROM statement_timestamp()) * 1000)::bigint - $1 AS now) \
     SELECT count(*) FROM refrain.streams, clock WHERE ",
    claimable!("origin <> $2"),
    " AND deaths < $3"
);

#[async_trait]
impl StreamLeases for PostgresCatalog {
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
        let bind = |query: Statement| query.bind(quarantine_reason()).bind(i64::from(MAX_WORKER_DEATHS));
        let rows = self.execute_retried(QUARANTINE, bind).await?;
        let ids: Result<_, _> = rows.iter().map(|row| row.try_get(0)).collect();
        ids.map_err(|error| self.name.error(error))
    }

    async fn count_waiting_streams(&self) -> Result<u64, CatalogError> {
        let bind = |query: Statement| {
            query.bind(milliseconds(WAITING_AFTER_EXPIRY)).bind(ARCHIVE).bind(i64::from(MAX_WORKER_DEATHS))
        };
        let rows: Vec<(i64,)> = self.rows_as(WAITING, bind).await?;
        self.unsigned(rows.first().map_or(0, |(count,)| *count))
    }

    async fn renew_leases(&self, owner: &str, lease: Duration) -> Result<Vec<String>, CatalogError> {
        let sql = "UPDATE refrain.streams \
             SET lease_until = (extract(epoch FROM statement_timestamp()) * 1000)::bigint + $2 \
             WHERE ended_at IS NULL AND lease_owner = $1 RETURNING id";
        let bind = |query: Statement| query.bind(text(owner)).bind(milliseconds(lease));
        // Renewing twice has the effect of renewing once, so a plain retry is sufficient.
        let rows = self.rows(sql, bind).await?;
        let held_ids: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get(0)).collect();
        let mut held_ids = held_ids.map_err(|error| self.name.error(error))?;
        // RETURNING has no order, and the order of the server depends on its collation.
        held_ids.sort();
        Ok(held_ids)
    }

    async fn release(&self, owner: &str, id: Option<&str>) -> Result<u64, CatalogError> {
        // Deaths are cleared because a worker that releases a stream is alive, so the stream has not killed it.
        let sql = "UPDATE refrain.streams SET lease_owner = NULL, lease_until = NULL, deaths = 0 \
             WHERE ended_at IS NULL AND lease_owner = $1 AND ($2 IS NULL OR id = $2) RETURNING 1";
        let rows = self.execute_retried(sql, |query| query.bind(text(owner)).bind(id.map(text))).await?;
        Ok(rows.len() as u64)
    }

    async fn claim_turn(&self, turn: &str, every: Duration) -> Result<bool, CatalogError> {
        let sql = concat!(
            "WITH ",
            clock!(),
            " INSERT INTO refrain.turns (name, next) SELECT $1, now + $2 FROM clock \
             ON CONFLICT (name) DO UPDATE SET next = excluded.next \
             WHERE turns.next <= (SELECT now FROM clock) RETURNING 1"
        );
        let rows =
            self.execute_retried(sql, |query| query.bind(text(turn)).bind(milliseconds(every))).await?;
        Ok(!rows.is_empty())
    }
}

impl PostgresCatalog {
    /// Claims archives, or all other streams if `archives` is false. If the connection is lost during the commit,
    /// streams may have been claimed without being returned, and would be idle until their leases expire. The next
    /// attempt therefore claims these streams again.
    async fn claim_by_origin(
        &self,
        owner: &str,
        limit: u32,
        lease: Duration,
        archives: bool,
    ) -> Result<Vec<Stream>, CatalogError> {
        let mut retry = Retry::new();
        // Ids of the streams whose claim was sent for commit by an earlier attempt.
        let mut claimed_ids = Vec::new();
        loop {
            match self.attempt(self.claim_once(owner, limit, lease, archives, &mut claimed_ids)).await {
                Err(error) => self.pause_before_retry(error, &mut retry).await?,
                done => return done,
            }
        }
    }

    async fn claim_once(
        &self,
        owner: &str,
        limit: u32,
        lease: Duration,
        archives: bool,
        claimed_ids: &mut Vec<String>,
    ) -> Result<Vec<Stream>, CatalogError> {
        // A transaction around the single statement returns its rows before the commit, whose response can be lost.
        let mut transaction = self.begin().await?;
        let rows = self
            .query(CLAIM)
            .bind(text(owner))
            .bind(i64::from(limit))
            .bind(milliseconds(lease))
            .bind(&*claimed_ids)
            .bind(ARCHIVE)
            .bind(archives)
            .bind(i64::from(SUSPECT_DEATHS))
            .bind(i64::from(MAX_WORKER_DEATHS))
            .fetch_all(&mut *transaction)
            .await
            .map_err(|error| self.name.error(error))?;
        let mut streams = self.read_streams(&rows)?;
        // Set before the commit: if its response is lost, the next attempt needs these ids.
        *claimed_ids = streams.iter().map(|stream| stream.id.clone()).collect();
        self.commit(transaction).await?;
        // RETURNING has no order.
        streams.sort_by(|a, b| (a.started_at, &a.id).cmp(&(b.started_at, &b.id)));
        Ok(streams)
    }
}
