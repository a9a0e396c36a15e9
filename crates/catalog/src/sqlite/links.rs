//! Links between near-duplicate tracks, and the comparisons that find them. A comparison is pending until its result
//! is stored.

use async_trait::async_trait;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::SqliteCatalog;
use crate::{CatalogError, NearDuplicate, NearDuplicates, TrackNumber, row};

/// The text of a query of links between tracks that are not removed; `$rest` follows its FROM clause.
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

#[async_trait]
impl NearDuplicates for SqliteCatalog {
    async fn link_near_duplicate(&self, link: NearDuplicate) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        self.insert_link(&mut transaction, &link).await?;
        self.commit(transaction).await
    }

    async fn pending_comparisons(
        &self,
        after: Option<TrackNumber>,
        limit: u32,
    ) -> Result<Vec<TrackNumber>, CatalogError> {
        let numbers: Result<Vec<i64>, _> = sqlx::query_scalar(
            "SELECT track FROM pending_comparisons WHERE track > ?1 ORDER BY track LIMIT ?2",
        )
        .bind(after.map_or(-1, |number| i64::from(number.0)))
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await;
        numbers
            .and_then(|numbers| numbers.into_iter().map(row::number).collect())
            .map_err(|error| self.name.error(error))
    }

    async fn finish_comparisons(
        &self,
        tracks: &[TrackNumber],
        links: &[NearDuplicate],
    ) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        for link in links {
            self.insert_link(&mut transaction, link).await?;
        }
        for track in tracks {
            // One statement per track. SQLite needs no round trip, so an array as in PostgreSQL would save no time.
            self.remove_pending(&mut transaction, *track).await?;
        }
        self.commit(transaction).await
    }

    async fn near_duplicates(&self, track: TrackNumber) -> Result<Vec<NearDuplicate>, CatalogError> {
        let query = sqlx::query(select_links!("WHERE n.track = ?1 OR n.of = ?1 ORDER BY n.track, n.of"));
        let rows = query.bind(i64::from(track.0)).fetch_all(&self.readers).await;
        self.links(rows)
    }

    async fn list_near_duplicates(
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
}

impl SqliteCatalog {
    async fn insert_link(
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
        rows.and_then(|rows| row::all(&rows, row::near_duplicate)).map_err(|error| self.name.error(error))
    }

    /// Marks a new track as not compared yet, in the transaction that adds it.
    pub(super) async fn add_pending(
        &self,
        connection: &mut SqliteConnection,
        track: TrackNumber,
    ) -> Result<(), CatalogError> {
        sqlx::query("INSERT INTO pending_comparisons (track) VALUES (?1)")
            .bind(i64::from(track.0))
            .execute(connection)
            .await
            .map(drop)
            .map_err(|error| self.name.error(error))
    }

    /// Marks a track as no longer pending, because it was compared or removed.
    pub(super) async fn remove_pending(
        &self,
        connection: &mut SqliteConnection,
        track: TrackNumber,
    ) -> Result<(), CatalogError> {
        sqlx::query("DELETE FROM pending_comparisons WHERE track = ?1")
            .bind(i64::from(track.0))
            .execute(connection)
            .await
            .map(drop)
            .map_err(|error| self.name.error(error))
    }
}
