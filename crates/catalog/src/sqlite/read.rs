//! Queries of tracks.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;

use super::SqliteCatalog;
use crate::{CatalogError, ContentHash, Track, TrackFilter, TrackId, TrackNumber, TrackReader, row, search};

/// A query of all columns of tracks; `$rest` follows its FROM clause.
macro_rules! select_tracks {
    ($rest:literal) => {
        concat!("SELECT ", $crate::row::track_columns!(), " FROM tracks ", $rest)
    };
}
pub(super) use select_tracks;

#[async_trait]
impl TrackReader for SqliteCatalog {
    async fn find_by_content(&self, content: &ContentHash) -> Result<Option<Track>, CatalogError> {
        let query =
            sqlx::query(select_tracks!("WHERE content = ?1 AND removed_at IS NULL ORDER BY number LIMIT 1"));
        let found = query.bind(&content.0[..]).fetch_optional(&self.readers).await;
        self.optional_track(found)
    }

    async fn find_by_source(&self, source: &str) -> Result<Option<Track>, CatalogError> {
        let query = sqlx::query(select_tracks!("WHERE source = ?1 AND removed_at IS NULL"));
        let found = query.bind(source).fetch_optional(&self.readers).await;
        self.optional_track(found)
    }

    async fn by_numbers(&self, numbers: &[TrackNumber]) -> Result<Vec<Track>, CatalogError> {
        // One JSON parameter for any count: SQLite limits the number of parameters to 32,766.
        let query = sqlx::query(select_tracks!("WHERE number IN (SELECT value FROM json_each(?1))"));
        let rows =
            query.bind(json_list(numbers.iter().map(|number| number.0))).fetch_all(&self.readers).await;
        self.all_tracks(rows)
    }

    async fn by_id(&self, id: TrackId) -> Result<Option<Track>, CatalogError> {
        // Two partial indexes answer this: the live row comes first, then the newest removed one.
        let live = sqlx::query(select_tracks!("WHERE id = ?1 AND removed_at IS NULL"));
        let found = live.bind(id.0).fetch_optional(&self.readers).await;
        if let Some(track) = self.optional_track(found)? {
            return Ok(Some(track));
        }
        let removed = sqlx::query(select_tracks!(
            "WHERE id = ?1 AND removed_at IS NOT NULL ORDER BY number DESC LIMIT 1"
        ));
        let found = removed.bind(id.0).fetch_optional(&self.readers).await;
        self.optional_track(found)
    }

    async fn list(
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

    async fn count(&self) -> Result<u64, CatalogError> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM tracks WHERE removed_at IS NULL")
            .fetch_one(&self.readers)
            .await
            .map_err(|error| self.name.error(error))?;
        self.unsigned(count)
    }
}

impl SqliteCatalog {
    pub(super) fn optional_track(
        &self,
        found: Result<Option<SqliteRow>, sqlx::Error>,
    ) -> Result<Option<Track>, CatalogError> {
        let track = found.and_then(|row| row.map(|row| row::track(&row)).transpose());
        track.map_err(|error| self.name.error(error))
    }

    fn all_tracks(&self, rows: Result<Vec<SqliteRow>, sqlx::Error>) -> Result<Vec<Track>, CatalogError> {
        rows.and_then(|rows| row::all(&rows, row::track)).map_err(|error| self.name.error(error))
    }

    pub(super) fn unsigned(&self, stored: i64) -> Result<u64, CatalogError> {
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
