//! Queries.

use std::time::Duration;

use tokio::time::Instant;

use super::SqliteCatalog;
use super::row::{self, select_tracks};
use crate::{
    CatalogError, Change, ChangeKind, ContentHash, Track, TrackFilter, TrackId, TrackNumber, search,
};

pub(super) const ADDED: i64 = 1;
pub(super) const REMOVED: i64 = 2;
pub(super) const RELABELED: i64 = 3;

/// Interval at which the file is polled while a caller waits for a change: other processes cannot send notifications. A
/// poll reads one page from the cache. At half of it, an idle process wakes up twice as often; at twice, a change is
/// noticed half a second later on average.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

impl SqliteCatalog {
    pub(super) async fn find_by_content(&self, content: &ContentHash) -> Result<Option<Track>, CatalogError> {
        let query =
            sqlx::query(select_tracks!("WHERE content = ?1 AND removed_at IS NULL ORDER BY number LIMIT 1"));
        let found = query.bind(&content.0[..]).fetch_optional(&self.readers).await;
        self.optional_track(found)
    }

    pub(super) async fn find_by_source(&self, source: &str) -> Result<Option<Track>, CatalogError> {
        let query = sqlx::query(select_tracks!("WHERE source = ?1 AND removed_at IS NULL"));
        let found = query.bind(source).fetch_optional(&self.readers).await;
        self.optional_track(found)
    }

    pub(super) async fn by_id(&self, id: TrackId) -> Result<Option<Track>, CatalogError> {
        // Two partial indexes answer this: the live row comes first, then the newest removed one.
        let live = sqlx::query(select_tracks!("WHERE id = ?1 AND removed_at IS NULL"));
        let found = live.bind(&id.0.as_bytes()[..]).fetch_optional(&self.readers).await;
        if let Some(track) = self.optional_track(found)? {
            return Ok(Some(track));
        }
        let removed = sqlx::query(select_tracks!(
            "WHERE id = ?1 AND removed_at IS NOT NULL ORDER BY number DESC LIMIT 1"
        ));
        let found = removed.bind(&id.0.as_bytes()[..]).fetch_optional(&self.readers).await;
        self.optional_track(found)
    }

    pub(super) async fn by_numbers(&self, numbers: &[TrackNumber]) -> Result<Vec<Track>, CatalogError> {
        // One JSON parameter for any count: SQLite limits the number of parameters to 32,766.
        let query = sqlx::query(select_tracks!("WHERE number IN (SELECT value FROM json_each(?1))"));
        let rows =
            query.bind(json_list(numbers.iter().map(|number| number.0))).fetch_all(&self.readers).await;
        self.all_tracks(rows)
    }

    pub(super) async fn list(
        &self,
        filter: &TrackFilter,
        after: Option<TrackNumber>,
        limit: u32,
    ) -> Result<Vec<Track>, CatalogError> {
        let query = sqlx::query(select_tracks!(
            "WHERE number > ?1 AND (?2 OR removed_at IS NULL) AND (?3 IS NULL OR rule = ?3) \
             AND (?4 IS NULL OR instr(search, ?4) > 0) ORDER BY number LIMIT ?5"
        ));
        let rows = query
            .bind(after.map_or(0, |number| i64::from(number.0)))
            .bind(filter.removed)
            .bind(filter.rule.as_ref().map(|rule| rule.as_str().to_owned()))
            .bind(filter.text.as_deref().map(search::needle))
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await;
        self.all_tracks(rows)
    }

    pub(super) async fn count(&self) -> Result<u64, CatalogError> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM tracks WHERE removed_at IS NULL")
            .fetch_one(&self.readers)
            .await
            .map_err(|error| self.name.error(error))?;
        self.unsigned(count)
    }

    pub(super) async fn position(&self) -> Result<u64, CatalogError> {
        // The largest key of the table, one lookup in its tree. There is no table of the newest position as in
        // PostgreSQL.
        let newest: i64 = sqlx::query_scalar("SELECT coalesce(max(position), 0) FROM changes")
            .fetch_one(&self.readers)
            .await
            .map_err(|error| self.name.error(error))?;
        self.unsigned(newest)
    }

    pub(super) async fn wait_for_change(
        &self,
        position: u64,
        at_most: Duration,
    ) -> Result<bool, CatalogError> {
        // The position of the first round is read even if the time is zero, so a caller can use this as a check.
        let until = Instant::now() + at_most;
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

    pub(super) async fn changes_after(&self, after: u64, limit: u32) -> Result<Vec<Change>, CatalogError> {
        // Positions are stored as i64, so no change follows a greater one.
        let Ok(after) = i64::try_from(after) else { return Ok(Vec::new()) };
        let rows: Vec<(i64, i64, i64)> = sqlx::query_as(
            "SELECT position, track, kind FROM changes WHERE position > ?1 ORDER BY position LIMIT ?2",
        )
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await
        .map_err(|error| self.name.error(error))?;
        let change = |(position, track, kind)| {
            let kind = match kind {
                ADDED => ChangeKind::Added,
                REMOVED => ChangeKind::Removed,
                RELABELED => ChangeKind::Relabeled,
                other => return Err(self.name.corrupt(&format!("change {position} has kind {other}"))),
            };
            let track = row::number(track).map_err(|error| self.name.error(error))?;
            Ok(Change { position: self.unsigned(position)?, track, kind })
        };
        rows.into_iter().map(change).collect()
    }

    pub(super) async fn packed(
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

    pub(super) async fn constellation_sizes(
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

    fn optional_track(
        &self,
        found: Result<Option<sqlx::sqlite::SqliteRow>, sqlx::Error>,
    ) -> Result<Option<Track>, CatalogError> {
        let row = found.map_err(|error| self.name.error(error))?;
        row.map(|row| row::track(&row, &self.name)).transpose()
    }

    fn all_tracks(
        &self,
        rows: Result<Vec<sqlx::sqlite::SqliteRow>, sqlx::Error>,
    ) -> Result<Vec<Track>, CatalogError> {
        let rows = rows.map_err(|error| self.name.error(error))?;
        rows.iter().map(|row| row::track(row, &self.name)).collect()
    }

    fn unsigned(&self, stored: i64) -> Result<u64, CatalogError> {
        u64::try_from(stored).map_err(|_| self.name.corrupt(&format!("negative number {stored}")))
    }
}

/// Formats numbers as one JSON parameter, so that the text of a query does not depend on their count.
pub(super) fn json_list<N: std::fmt::Display>(numbers: impl IntoIterator<Item = N>) -> String {
    let mut list = String::from("[");
    for (index, number) in numbers.into_iter().enumerate() {
        if index > 0 {
            list.push(',');
        }
        list.push_str(&number.to_string());
    }
    list.push(']');
    list
}
