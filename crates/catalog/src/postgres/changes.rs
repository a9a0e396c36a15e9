//! The sequence of changes, and the constellations of changed tracks.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::PostgresCatalog;
use super::listen::POLL_INTERVAL;
use super::read::as_parameter;
use crate::clock::MAX_DURATION;
use crate::{CatalogError, Change, ChangeFeed, TrackNumber, row};

#[async_trait]
impl ChangeFeed for PostgresCatalog {
    async fn position(&self) -> Result<u64, CatalogError> {
        let rows: Vec<(i64,)> = self.rows_as("SELECT position FROM refrain.newest", |query| query).await?;
        // One row exists from the first migration on; without it, nothing can be written either.
        let newest = rows.first().ok_or_else(|| self.name.corrupt("its newest position is missing"))?;
        self.unsigned(newest.0)
    }

    async fn changes_after(&self, position: u64, limit: u32) -> Result<Vec<Change>, CatalogError> {
        // Positions are stored as i64, so no change follows a position above its maximum.
        let Ok(after) = i64::try_from(position) else { return Ok(Vec::new()) };
        let sql = "SELECT position, track, kind FROM refrain.changes WHERE position > $1 ORDER BY position LIMIT $2";
        let rows = self.rows(sql, |query| query.bind(after).bind(i64::from(limit))).await?;
        row::all(&rows, row::change).map_err(|error| self.name.error(error))
    }

    async fn wait_for_change(&self, position: u64, at_most: Duration) -> Result<bool, CatalogError> {
        let until = Instant::now() + at_most.min(MAX_DURATION);
        let mut notified = self.listener.notified(&self.options);
        loop {
            // Marking before the query ensures that a notification that arrives after the query is not missed.
            notified.mark_unchanged();
            // A notification only wakes up the loop. The position decides, so a lost or extra notification does no
            // harm.
            if self.position().await? > position {
                return Ok(true);
            }
            let now = Instant::now();
            if now >= until {
                return Ok(false);
            }
            let pause = until.min(now + POLL_INTERVAL);
            if let Ok(Err(_)) = tokio::time::timeout_at(pause, notified.changed()).await {
                // The listening task has stopped, so only polling is left.
                tokio::time::sleep_until(pause).await;
            }
        }
    }

    async fn constellations(
        &self,
        numbers: &[TrackNumber],
    ) -> Result<Vec<(TrackNumber, Vec<u8>)>, CatalogError> {
        let sql = "SELECT track, packed FROM refrain.constellations WHERE track = ANY($1)";
        let numbers = as_parameter(numbers);
        let rows: Vec<(i64, Vec<u8>)> = self.rows_as(sql, |query| query.bind(&numbers)).await?;
        let pair = |(track, packed)| Ok((row::number(track)?, packed));
        rows.into_iter().map(pair).collect::<Result<_, _>>().map_err(|error| self.name.error(error))
    }

    async fn constellation_sizes(
        &self,
        numbers: &[TrackNumber],
    ) -> Result<Vec<(TrackNumber, u64)>, CatalogError> {
        // PostgreSQL knows the length of uncompressed values that are stored out of line without reading them.
        let sql = "SELECT track, length(packed)::bigint FROM refrain.constellations WHERE track = ANY($1)";
        let numbers = as_parameter(numbers);
        let rows: Vec<(i64, i64)> = self.rows_as(sql, |query| query.bind(&numbers)).await?;
        let pair = |(track, size)| {
            Ok((row::number(track).map_err(|error| self.name.error(error))?, self.unsigned(size)?))
        };
        rows.into_iter().map(pair).collect()
    }

    async fn settle(&self) -> Result<(), CatalogError> {
        // Every commit has waited until the server's write-ahead log is on disk, so there is nothing to do.
        Ok(())
    }
}
