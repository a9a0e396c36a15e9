//! Comparisons of new tracks with earlier ones. A comparison is pending until its result is stored.

use sqlx::SqliteConnection;

use super::SqliteCatalog;
use super::row;
use crate::{CatalogError, NearDuplicate, TrackNumber};

impl SqliteCatalog {
    pub(super) async fn pending_comparisons(
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

    pub(super) async fn finish_comparisons(
        &self,
        tracks: &[TrackNumber],
        links: &[NearDuplicate],
    ) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        for link in links {
            self.insert_link(&mut transaction, link).await?;
        }
        for track in tracks {
            // One statement per track. There is no round trip, so an array as in PostgreSQL would save nothing.
            self.remove_pending(&mut transaction, *track).await?;
        }
        self.commit(transaction).await
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

    /// Unmarks a track because it was compared or removed.
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
