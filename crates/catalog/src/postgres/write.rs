//! Changes. Each is one transaction that begins with the writers' lock, so that it cannot deadlock.

use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::{PgConnection, Row};

use super::PostgresCatalog;
use super::read::{RELABELED, REMOVED};
use super::retry::Retry;
use super::row::{self, select_tracks};
use crate::{CatalogError, Metadata, NearDuplicate, Rule, Track, TrackId, TrackNumber, TrackUpdate, search};

impl PostgresCatalog {
    /// Updates a track. Doing it twice has the same result, so it is retried if the response to its commit is lost.
    pub(super) async fn update(
        &self,
        id: TrackId,
        update: TrackUpdate,
    ) -> Result<Option<Track>, CatalogError> {
        // Before the attempts, so that all of them write and return the same text.
        let update = TrackUpdate { metadata: update.metadata.map(Metadata::without_nul), ..update };
        self.retried(|| self.update_once(id, &update)).await
    }

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
        .bind(row::extra(metadata, &self.name)?)
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

    pub(super) async fn remove(&self, id: TrackId) -> Result<bool, CatalogError> {
        let mut retry = Retry::new();
        let mut commit_sent = false;
        loop {
            match self.attempt(self.remove_once(id, &mut commit_sent)).await {
                Err(error) => self.pause_before_retry(error, &mut retry).await?,
                done => return done,
            }
        }
    }

    /// Makes one attempt. `commit_sent` is true if an earlier attempt sent a commit that may have succeeded: if the
    /// track is gone, that commit removed it.
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

    /// Inserts a link. Can be retried, because doing it twice changes nothing.
    pub(super) async fn link(&self, link: NearDuplicate) -> Result<(), CatalogError> {
        self.check_link(&link)?;
        self.retried(|| self.link_once(&link)).await
    }

    /// Rejects a link from a track to itself, or with a length that is not finite.
    pub(super) fn check_link(&self, link: &NearDuplicate) -> Result<(), CatalogError> {
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

    pub(super) async fn insert_link(
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

    async fn live_by_id(
        &self,
        connection: &mut PgConnection,
        id: TrackId,
    ) -> Result<Option<Track>, CatalogError> {
        let query = self.query(select_tracks!("WHERE id = $1 AND removed_at IS NULL")).bind(id.0);
        let row = query.fetch_optional(connection).await.map_err(|error| self.name.error(error))?;
        row.map(|row| row::track(&row, &self.name)).transpose()
    }

    /// Marks live tracks as removed and deletes their constellations; the caller records the change.
    pub(super) async fn retire(
        &self,
        connection: &mut PgConnection,
        numbers: &[TrackNumber],
    ) -> Result<(), CatalogError> {
        // The constellation goes, the row stays: detections refer to its number.
        let numbers: Vec<_> = numbers.iter().map(|number| i64::from(number.0)).collect();
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

/// Returns the milliseconds since the Unix epoch, or 0 if the clock of the machine is before it.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
