//! The sequence of changes, and the constellations of changed tracks.

use std::io::ErrorKind;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::SqliteCatalog;
use super::open::with_suffix;
use super::read::json_list;
use crate::clock::MAX_DURATION;
use crate::{CatalogError, Change, ChangeFeed, TrackNumber, row};

/// Interval at which the newest position is read while a caller waits for a change: other processes cannot send
/// notifications. A poll reads one page from the cache. At half this value, an idle process wakes up twice as often; at
/// twice this value, a change is noticed up to half a second later.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

#[async_trait]
impl ChangeFeed for SqliteCatalog {
    async fn position(&self) -> Result<u64, CatalogError> {
        // The largest key of the table, one lookup in its tree. There is no table of the newest position as in
        // PostgreSQL.
        let newest: i64 = sqlx::query_scalar("SELECT coalesce(max(position), 0) FROM changes")
            .fetch_one(&self.readers)
            .await
            .map_err(|error| self.name.error(error))?;
        self.unsigned(newest)
    }

    async fn changes_after(&self, position: u64, limit: u32) -> Result<Vec<Change>, CatalogError> {
        // Positions are stored as i64, so no change follows a position above its maximum.
        let Ok(after) = i64::try_from(position) else { return Ok(Vec::new()) };
        let rows = sqlx::query(
            "SELECT position, track, kind FROM changes WHERE position > ?1 ORDER BY position LIMIT ?2",
        )
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await;
        rows.and_then(|rows| row::all(&rows, row::change)).map_err(|error| self.name.error(error))
    }

    async fn wait_for_change(&self, position: u64, at_most: Duration) -> Result<bool, CatalogError> {
        // The position is read at least once, even if `at_most` is zero, so a caller can use this call as a check.
        let until = Instant::now() + at_most.min(MAX_DURATION);
        loop {
            if self.position().await? > position {
                return Ok(true);
            }
            let now = Instant::now();
            if now >= until {
                return Ok(false);
            }
            tokio::time::sleep_until(until.min(now + POLL_INTERVAL)).await;
        }
    }

    async fn constellations(
        &self,
        numbers: &[TrackNumber],
    ) -> Result<Vec<(TrackNumber, Vec<u8>)>, CatalogError> {
        let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(
            "SELECT track, packed FROM constellations WHERE track IN (SELECT value FROM json_each(?1))",
        )
        .bind(json_list(numbers.iter().map(|number| number.0)))
        .fetch_all(&self.readers)
        .await
        .map_err(|error| self.name.error(error))?;
        let pair = |(track, packed)| Ok((row::number(track)?, packed));
        rows.into_iter().map(pair).collect::<Result<_, _>>().map_err(|error| self.name.error(error))
    }

    async fn constellation_sizes(
        &self,
        numbers: &[TrackNumber],
    ) -> Result<Vec<(TrackNumber, u64)>, CatalogError> {
        let rows: Vec<(i64, i64)> = sqlx::query_as(
            "SELECT track, length(packed) FROM constellations \
             WHERE track IN (SELECT value FROM json_each(?1))",
        )
        .bind(json_list(numbers.iter().map(|number| number.0)))
        .fetch_all(&self.readers)
        .await
        .map_err(|error| self.name.error(error))?;
        let pair = |(track, size)| {
            Ok((row::number(track).map_err(|error| self.name.error(error))?, self.unsigned(size)?))
        };
        rows.into_iter().map(pair).collect()
    }

    // Makes the log durable against a power failure. SQLite takes no locks on the file of the log, so opening and
    // closing it here is safe (for the catalog file itself it would not be).
    async fn settle(&self) -> Result<(), CatalogError> {
        if self.writer.is_none() {
            return Ok(());
        }
        let log = with_suffix(&self.path, "-wal");
        let work = move || match std::fs::OpenOptions::new().read(true).write(cfg!(windows)).open(log) {
            Ok(file) => file.sync_data(),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        // Synchronizing can take seconds on a busy disk, which must not block the runtime.
        let synced = tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other);
        synced
            .flatten()
            .map_err(|error| CatalogError::Io { catalog: self.name.0.clone(), detail: error.to_string() })
    }
}
