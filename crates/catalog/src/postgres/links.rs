//! Links between near-duplicate tracks, and the comparisons that find them. A comparison is pending until its result
//! is stored.

use async_trait::async_trait;
use sqlx::{PgConnection, Row};

use super::PostgresCatalog;
use super::read::as_parameter;
use crate::{CatalogError, NearDuplicate, NearDuplicates, TrackNumber, row};

/// The text of a query of links between tracks that are not removed; `$rest` follows its FROM clause.
macro_rules! select_links {
    ($rest:literal) => {
        concat!(
            "SELECT n.track, n.of, n.seconds FROM refrain.near_duplicates n \
             JOIN refrain.tracks a ON a.number = n.track AND a.removed_at IS NULL \
             JOIN refrain.tracks b ON b.number = n.of AND b.removed_at IS NULL ",
            $rest
        )
    };
}

#[async_trait]
impl NearDuplicates for PostgresCatalog {
    // Inserts a link. The call can be retried, because a second insert changes nothing.
    async fn link_near_duplicate(&self, link: NearDuplicate) -> Result<(), CatalogError> {
        self.check_link(&link)?;
        self.retried(|| self.link_once(&link)).await
    }

    async fn pending_comparisons(
        &self,
        after: Option<TrackNumber>,
        limit: u32,
    ) -> Result<Vec<TrackNumber>, CatalogError> {
        let sql = "SELECT track FROM refrain.pending_comparisons WHERE track > $1 ORDER BY track LIMIT $2";
        // Track numbers begin at 0 at the earliest, so -1 is before all of them.
        let after = after.map_or(-1, |number| i64::from(number.0));
        let rows: Vec<(i64,)> = self.rows_as(sql, |query| query.bind(after).bind(i64::from(limit))).await?;
        let numbers: Result<_, _> = rows.into_iter().map(|(number,)| row::number(number)).collect();
        numbers.map_err(|error| self.name.error(error))
    }

    // Stores the result of comparisons. The call can be retried, because a second execution changes nothing.
    async fn finish_comparisons(
        &self,
        tracks: &[TrackNumber],
        links: &[NearDuplicate],
    ) -> Result<(), CatalogError> {
        for link in links {
            // Before the lock is taken: an invalid link needs no transaction.
            self.check_link(link)?;
        }
        self.retried(|| self.finish_comparisons_once(tracks, links)).await
    }

    async fn near_duplicates(&self, track: TrackNumber) -> Result<Vec<NearDuplicate>, CatalogError> {
        let sql = select_links!("WHERE n.track = $1 OR n.of = $1 ORDER BY n.track, n.of");
        let rows = self.rows(sql, |query| query.bind(i64::from(track.0))).await?;
        row::all(&rows, row::near_duplicate).map_err(|error| self.name.error(error))
    }

    async fn list_near_duplicates(
        &self,
        after: Option<(TrackNumber, TrackNumber)>,
        limit: u32,
    ) -> Result<Vec<NearDuplicate>, CatalogError> {
        let sql = select_links!("WHERE (n.track, n.of) > ($1, $2) ORDER BY n.track, n.of LIMIT $3");
        let (track, of) = after.map_or((-1, -1), |(track, of)| (i64::from(track.0), i64::from(of.0)));
        let rows = self.rows(sql, |query| query.bind(track).bind(of).bind(i64::from(limit))).await?;
        row::all(&rows, row::near_duplicate).map_err(|error| self.name.error(error))
    }
}

impl PostgresCatalog {
    /// Rejects a link from a track to itself, or with a number of seconds that is not finite.
    fn check_link(&self, link: &NearDuplicate) -> Result<(), CatalogError> {
        if link.track == link.of || !link.seconds.is_finite() {
            let (track, of) = (link.track.0, link.of.0);
            return Err(self
                .name
                .invalid(format!("link from track {track} to {of}: needs two tracks and finite seconds")));
        }
        Ok(())
    }

    async fn link_once(&self, link: &NearDuplicate) -> Result<(), CatalogError> {
        let mut transaction = self.begin_writing().await?;
        self.insert_link(&mut transaction, link).await?;
        self.commit(transaction).await
    }

    async fn finish_comparisons_once(
        &self,
        tracks: &[TrackNumber],
        links: &[NearDuplicate],
    ) -> Result<(), CatalogError> {
        // With the lock, the check for an existing link and its insert cannot interleave with those of another writer.
        let mut transaction = self.begin_writing().await?;
        for link in links {
            self.insert_link(&mut transaction, link).await?;
        }
        self.query("DELETE FROM refrain.pending_comparisons WHERE track = ANY($1)")
            .bind(as_parameter(tracks))
            .execute(&mut *transaction)
            .await
            .map_err(|error| self.name.error(error))?;
        self.commit(transaction).await
    }

    async fn insert_link(
        &self,
        connection: &mut PgConnection,
        link: &NearDuplicate,
    ) -> Result<(), CatalogError> {
        let (track, of) = (i64::from(link.track.0), i64::from(link.of.0));
        // Checked by a query and not by the foreign key, so that the error names the tracks. Links to removed tracks
        // are allowed, because their rows still exist.
        let known = self.query("SELECT count(*) FROM refrain.tracks WHERE number IN ($1, $2)");
        let known = known.bind(track).bind(of).fetch_one(&mut *connection).await;
        let known: i64 = known.and_then(|row| row.try_get(0)).map_err(|error| self.name.error(error))?;
        if known < 2 {
            let what = format!("link between tracks {track} and {of}: unknown track");
            return Err(self.name.invalid(what));
        }
        self.query(
            "INSERT INTO refrain.near_duplicates (track, of, seconds) SELECT $1, $2, $3 WHERE NOT EXISTS \
             (SELECT 1 FROM refrain.near_duplicates \
             WHERE (track = $1 AND of = $2) OR (track = $2 AND of = $1))",
        )
        .bind(track)
        .bind(of)
        .bind(link.seconds)
        .execute(connection)
        .await
        .map(drop)
        .map_err(|error| self.name.error(error))
    }
}
