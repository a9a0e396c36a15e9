//! Changes of tracks. Each is one transaction that begins with the writers' lock, so that it cannot deadlock.

use async_trait::async_trait;
use sqlx::PgConnection;

use super::PostgresCatalog;
use super::read::{as_parameter, select_tracks};
use super::retry::Retry;
use crate::clock::now;
use crate::row::{self, RELABELED, REMOVED};
use crate::{
    AddOutcome, CatalogError, Metadata, NewTrack, Rule, Track, TrackId, TrackNumber, TrackUpdate,
    TrackWriter, search,
};

#[async_trait]
impl TrackWriter for PostgresCatalog {
    async fn add(&self, new: NewTrack) -> Result<AddOutcome, CatalogError> {
        let one = self.add_all(vec![new]).await?.pop();
        one.unwrap_or_else(|| Err(self.name.corrupt("an addition returned no result")))
    }

    async fn add_all(
        &self,
        tracks: Vec<NewTrack>,
    ) -> Result<Vec<Result<AddOutcome, CatalogError>>, CatalogError> {
        let mut candidates = Vec::with_capacity(tracks.len());
        let mut rejected = Vec::new();
        for (index, new) in tracks.into_iter().enumerate() {
            match self.candidate(new) {
                Ok(candidate) => candidates.push(candidate),
                Err(error) => rejected.push((index, error)),
            }
        }
        let mut outcomes = self.add_candidates(&candidates).await?;
        // Inserted in ascending order, so each index is correct when it is used.
        for (index, error) in rejected {
            outcomes.insert(index, Err(error));
        }
        Ok(outcomes)
    }

    // Updates a track. A second update has the same result, so the call is retried if the response to its commit is
    // lost.
    async fn update(&self, id: TrackId, update: TrackUpdate) -> Result<Option<Track>, CatalogError> {
        // Before the attempts, so that all of them write and return the same text.
        let update = TrackUpdate { metadata: update.metadata.map(Metadata::without_nul), ..update };
        self.retried(|| self.update_once(id, &update)).await
    }

    async fn remove(&self, id: TrackId) -> Result<bool, CatalogError> {
        let mut retry = Retry::new();
        let mut commit_sent = false;
        loop {
            match self.attempt(self.remove_once(id, &mut commit_sent)).await {
                Err(error) => self.pause_before_retry(error, &mut retry).await?,
                done => return done,
            }
        }
    }
}

impl PostgresCatalog {
    async fn update_once(&self, id: TrackId, update: &TrackUpdate) -> Result<Option<Track>, CatalogError> {
        let mut transaction = self.begin_writing().await?;
        let Some(mut track) = self.live_by_id(&mut transaction, id).await? else {
            self.commit(transaction).await?;
            return Ok(None);
        };
        // Read and written under the writers' lock, so no other update is lost between the two.
        track.metadata = update.metadata.clone().unwrap_or(track.metadata);
        track.rule = update.rule.clone().unwrap_or(track.rule);
        let metadata = &track.metadata;
        self.query(
            "UPDATE refrain.tracks SET title = $2, artist = $3, album = $4, isrc = $5, label = $6, vendor = $7, \
             upc = $8, release_date = $9, category = $10, extra = $11, rule = $12, search = $13 \
             WHERE number = $1",
        )
        .bind(i64::from(track.number.0))
        .bind(&metadata.title)
        .bind(&metadata.artist)
        .bind(&metadata.album)
        .bind(&metadata.isrc)
        .bind(&metadata.label)
        .bind(&metadata.vendor)
        .bind(&metadata.upc)
        .bind(&metadata.release_date)
        .bind(&metadata.category)
        .bind(row::extra(metadata, |what| self.name.invalid(what))?)
        .bind(track.rule.as_ref().map(Rule::as_str))
        .bind(search::text(metadata, &track.source))
        .execute(&mut *transaction)
        .await
        .map_err(|error| self.name.error(error))?;
        // Recorded even if the values are the same, so that every update has one change.
        self.record_changes(&mut transaction, [(track.number, RELABELED)].into_iter()).await?;
        self.commit(transaction).await?;
        Ok(Some(track))
    }

    /// Makes one attempt to remove a track. `commit_sent` is true if an earlier attempt sent a commit that may have
    /// succeeded: if the track is missing then, that commit removed it.
    async fn remove_once(&self, id: TrackId, commit_sent: &mut bool) -> Result<bool, CatalogError> {
        let mut transaction = self.begin_writing().await?;
        let Some(track) = self.live_by_id(&mut transaction, id).await? else {
            self.commit(transaction).await?;
            return Ok(*commit_sent);
        };
        self.retire(&mut transaction, &[track.number]).await?;
        self.record_changes(&mut transaction, [(track.number, REMOVED)].into_iter()).await?;
        // Before the commit, because its response can be lost.
        *commit_sent = true;
        self.commit(transaction).await?;
        Ok(true)
    }

    async fn live_by_id(
        &self,
        connection: &mut PgConnection,
        id: TrackId,
    ) -> Result<Option<Track>, CatalogError> {
        let query = self.query(select_tracks!("WHERE id = $1 AND removed_at IS NULL")).bind(id.0);
        let row = query.fetch_optional(connection).await.map_err(|error| self.name.error(error))?;
        row.map(|row| row::track(&row)).transpose().map_err(|error| self.name.error(error))
    }

    /// Marks live tracks as removed and deletes their constellations; the caller records the change.
    pub(super) async fn retire(
        &self,
        connection: &mut PgConnection,
        numbers: &[TrackNumber],
    ) -> Result<(), CatalogError> {
        // The constellation is deleted, but the row is kept, because detections refer to its number.
        let numbers = as_parameter(numbers);
        self.query("UPDATE refrain.tracks SET removed_at = $2 WHERE number = ANY($1)")
            .bind(&numbers)
            .bind(now())
            .execute(&mut *connection)
            .await
            .map_err(|error| self.name.error(error))?;
        self.query(
            "WITH pending AS (DELETE FROM refrain.pending_comparisons WHERE track = ANY($1)) \
             DELETE FROM refrain.constellations WHERE track = ANY($1)",
        )
        .bind(&numbers)
        .execute(&mut *connection)
        .await
        .map(drop)
        .map_err(|error| self.name.error(error))
    }

    /// Records changes at the next positions, in order, and notifies listeners when the transaction is committed.
    pub(super) async fn record_changes(
        &self,
        connection: &mut PgConnection,
        changes: impl Iterator<Item = (TrackNumber, i16)>,
    ) -> Result<(), CatalogError> {
        let (tracks, kinds): (Vec<i64>, Vec<i16>) =
            changes.map(|(track, kind)| (i64::from(track.0), kind)).unzip();
        self.query(
            "WITH counted AS (UPDATE refrain.newest SET position = position + cardinality($1::bigint[]) \
             RETURNING position - cardinality($1) AS before, pg_notify('refrain_changes', '')) \
             INSERT INTO refrain.changes (position, track, kind) SELECT before + n, track, kind \
             FROM counted, unnest($1, $2::smallint[]) WITH ORDINALITY AS new (track, kind, n)",
        )
        .bind(tracks)
        .bind(kinds)
        .execute(connection)
        .await
        .map(drop)
        .map_err(|error| self.name.error(error))
    }
}
