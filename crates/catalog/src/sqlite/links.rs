//! Links between near-duplicate tracks.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::SqliteCatalog;
use super::row;
use crate::{CatalogError, NearDuplicate, TrackNumber};

/// A query of links between tracks that are not removed.
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
    pub(super) async fn near_duplicates(
        &self,
        track: TrackNumber,
    ) -> Result<Vec<NearDuplicate>, CatalogError> {
        let query = sqlx::query(select_links!("WHERE n.track = ?1 OR n.of = ?1 ORDER BY n.track, n.of"));
        let rows = query.bind(i64::from(track.0)).fetch_all(&self.readers).await;
        self.links(rows)
    }

    pub(super) async fn list_near_duplicates(
        &self,
        after: Option<(TrackNumber, TrackNumber)>,
        limit: u32,
    ) -> Result<Vec<NearDuplicate>, CatalogError> {
        let query =
            sqlx::query(select_links!("WHERE (n.track, n.of) > (?1, ?2) ORDER BY n.track, n.of LIMIT ?3"));
        // Track numbers are not negative, so this pair is before all links.
        let (track, of) = after.map_or((-1, -1), |(track, of)| (i64::from(track.0), i64::from(of.0)));
        let rows = query.bind(track).bind(of).bind(i64::from(limit)).fetch_all(&self.readers).await;
        self.links(rows)
    }

    pub(super) async fn link(&self, link: NearDuplicate) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        self.insert_link(&mut transaction, &link).await?;
        self.commit(transaction).await
    }

    pub(super) async fn insert_link(
        &self,
        connection: &mut SqliteConnection,
        link: &NearDuplicate,
    ) -> Result<(), CatalogError> {
        let (track, of) = (i64::from(link.track.0), i64::from(link.of.0));
        if track == of || !link.seconds.is_finite() {
            return Err(self
                .name
                .invalid(format!("link from track {track} to {of}: needs two tracks and finite seconds")));
        }
        // Checked by a query and not by the foreign key, so that the error names the tracks.
        let known: i64 = sqlx::query_scalar("SELECT count(*) FROM tracks WHERE number IN (?1, ?2)")
            .bind(track)
            .bind(of)
            .fetch_one(&mut *connection)
            .await
            .map_err(|error| self.name.error(error))?;
        if known < 2 {
            let what = format!("link between tracks {track} and {of}: unknown track");
            return Err(self.name.invalid(what));
        }
        sqlx::query(
            "INSERT INTO near_duplicates (track, of, seconds) SELECT ?1, ?2, ?3 WHERE NOT EXISTS \
             (SELECT 1 FROM near_duplicates WHERE (track = ?1 AND of = ?2) OR (track = ?2 AND of = ?1))",
        )
        .bind(track)
        .bind(of)
        .bind(link.seconds)
        .execute(connection)
        .await
        .map(drop)
        .map_err(|error| self.name.error(error))
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
