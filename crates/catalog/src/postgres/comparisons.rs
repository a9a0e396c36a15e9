//! Comparisons of new tracks with earlier ones. A comparison is pending until its result is stored.

use super::PostgresCatalog;
use super::row;
use crate::{CatalogError, NearDuplicate, TrackNumber};

impl PostgresCatalog {
    pub(super) async fn pending_comparisons(
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

    /// Stores the result of comparisons. Can be retried, because doing it twice changes nothing.
    pub(super) async fn finish_comparisons(
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
            .bind(tracks.iter().map(|track| i64::from(track.0)).collect::<Vec<_>>())
            .execute(&mut *transaction)
            .await
            .map_err(|error| self.name.error(error))?;
        self.commit(transaction).await
    }
}
