//! Links between tracks of the same sound.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::SqliteCatalog;
use super::row;
use crate::{CatalogError, NearDuplicate, TrackNumber};

/// A query of links of which neither track is removed.
macro_rules! select_links {
    ($rest:literal) => {
        concat!(
            "SELECT n.track, n.of, n.seconds FROM near_duplicates n \
             JOIN tracks a ON a.number = n.track AND a.removed_at IS NULL \
             JOIN tracks b ON b.number = n.of AND b.removed_at IS NULL ",
            $rest
        )
    };
}

impl SqliteCatalog {
    pub(super) async fn near_duplicates_of(
        &self,
        track: TrackNumber,
    ) -> Result<Vec<NearDuplicate>, CatalogError> {
        let query = sqlx::query(select_links!("WHERE n.track = ?1 OR n.of = ?1 ORDER BY n.track, n.of"));
        let rows = query.bind(i64::from(track.0)).fetch_all(&self.readers).await;
        self.links(rows)
    }

    pub(super) async fn list_links(
        &self,
        after: Option<(TrackNumber, TrackNumber)>,
        limit: u32,
    ) -> Result<Vec<NearDuplicate>, CatalogError> {
        let query =
            sqlx::query(select_links!("WHERE (n.track, n.of) > (?1, ?2) ORDER BY n.track, n.of LIMIT ?3"));
        let (track, of) = after.map_or((-1, -1), |(track, of)| (i64::from(track.0), i64::from(of.0)));
        let rows = query.bind(track).bind(of).bind(i64::from(limit)).fetch_all(&self.readers).await;
        self.links(rows)
    }

    fn links(&self, rows: Result<Vec<SqliteRow>, sqlx::Error>) -> Result<Vec<NearDuplicate>, CatalogError> {
        let link = |row: &SqliteRow| {
            Ok(NearDuplicate {
                track: row::number(row.try_get(0)?)?,
                of: row::number(row.try_get(1)?)?,
                seconds: row.try_get(2)?,
            })
        };
        rows.and_then(|rows| rows.iter().map(link).collect()).map_err(|error| self.name.error(error))
    }
}
