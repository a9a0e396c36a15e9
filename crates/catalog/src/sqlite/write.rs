//! Changes of tracks. Each is one transaction that takes the write lock first, so that no transaction has to be rolled
//! back because of a lock.

use async_trait::async_trait;
use sqlx::{Sqlite, SqliteConnection, Transaction};
use uuid::Uuid;

use super::error::is_busy;
use super::read::select_tracks;
use super::{MAX_LOCK_ATTEMPTS, SqliteCatalog};
use crate::clock::now;
use crate::row::{self, ADDED, RELABELED, REMOVED};
use crate::{
    AddOutcome, CatalogError, Metadata, NewTrack, Rule, Track, TrackId, TrackNumber, TrackUpdate,
    TrackWriter, search,
};

#[async_trait]
impl TrackWriter for SqliteCatalog {
    async fn add(&self, new: NewTrack) -> Result<AddOutcome, CatalogError> {
        let mut transaction = self.begin().await?;
        let outcome = self.add_in_transaction(&mut transaction, new).await?;
        self.commit(transaction).await?;
        Ok(outcome)
    }

    // Adds all tracks in one transaction, so that the disk is synchronized only once.
    async fn add_all(
        &self,
        tracks: Vec<NewTrack>,
    ) -> Result<Vec<Result<AddOutcome, CatalogError>>, CatalogError> {
        let mut transaction = self.begin().await?;
        let mut outcomes = Vec::with_capacity(tracks.len());
        for new in tracks {
            let outcome = self.add_in_transaction(&mut transaction, new).await;
            // These errors occur before anything is written, so the other tracks are not affected.
            let is_rejection = |error: &CatalogError| {
                matches!(error, CatalogError::Invalid { .. } | CatalogError::SourceTaken { .. })
            };
            match outcome {
                Err(error) if !is_rejection(&error) => return Err(error),
                outcome => outcomes.push(outcome),
            }
        }
        self.commit(transaction).await?;
        Ok(outcomes)
    }

    async fn update(&self, id: TrackId, update: TrackUpdate) -> Result<Option<Track>, CatalogError> {
        let mut transaction = self.begin().await?;
        // The drop rolls back a transaction that has changed nothing.
        let Some(mut track) = self.live_by_id(&mut transaction, id).await? else { return Ok(None) };
        track.metadata = update.metadata.map_or(track.metadata, Metadata::without_nul);
        track.rule = update.rule.unwrap_or(track.rule);
        let metadata = &track.metadata;
        sqlx::query(
            "UPDATE tracks SET title = ?2, artist = ?3, album = ?4, isrc = ?5, label = ?6, vendor = ?7, \
             upc = ?8, release_date = ?9, category = ?10, extra = ?11, rule = ?12, search = ?13 \
             WHERE number = ?1",
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
        self.record_change(&mut transaction, track.number, RELABELED).await?;
        self.commit(transaction).await?;
        Ok(Some(track))
    }

    async fn remove(&self, id: TrackId) -> Result<bool, CatalogError> {
        let mut transaction = self.begin().await?;
        let Some(track) = self.live_by_id(&mut transaction, id).await? else { return Ok(false) };
        self.retire(&mut transaction, track.number).await?;
        self.commit(transaction).await?;
        Ok(true)
    }
}

impl SqliteCatalog {
    async fn add_in_transaction(
        &self,
        connection: &mut SqliteConnection,
        mut new: NewTrack,
    ) -> Result<AddOutcome, CatalogError> {
        if let Some(fault) = new.fault() {
            return Err(self.name.invalid(fault));
        }
        new.metadata = new.metadata.without_nul();
        // Read under the lock of the transaction, so no other process can add the source before the insert.
        let Some(existing) = self.existing_version(connection, &new).await? else {
            let id = new.id.unwrap_or_else(|| TrackId(Uuid::now_v7()));
            return Ok(AddOutcome::Added(self.insert(connection, new, id).await?));
        };
        if existing.content == new.content {
            return Ok(AddOutcome::Unchanged(existing));
        }
        // Before the insert: a unique index allows only one live track per source and per id.
        self.retire(connection, existing.number).await?;
        // A file that is indexed again after a change must not lose the rule that an operator has set.
        let rule = new.rule.clone().or(existing.rule);
        Ok(AddOutcome::Replaced(self.insert(connection, NewTrack { rule, ..new }, existing.id).await?))
    }

    /// Returns the live track that `new` is another version of: the track with its id, else the track with its source.
    /// Returns `None` if there is neither.
    async fn existing_version(
        &self,
        connection: &mut SqliteConnection,
        new: &NewTrack,
    ) -> Result<Option<Track>, CatalogError> {
        let source_match = sqlx::query(select_tracks!("WHERE source = ?1 AND removed_at IS NULL"))
            .bind(&new.source)
            .fetch_optional(&mut *connection)
            .await;
        let source_match = self.optional_track(source_match)?;
        let Some(id) = new.id else { return Ok(source_match) };
        // The id of an import identifies the track; with equal content nothing is written, so another track can keep
        // the source.
        match (self.live_by_id(connection, id).await?, source_match) {
            (Some(track), Some(holder)) if track.id != holder.id && track.content != new.content => {
                Err(CatalogError::SourceTaken {
                    catalog: self.name.0.clone(),
                    source_path: holder.source,
                    holder: holder.id.to_string(),
                    id: track.id.to_string(),
                })
            }
            (id_match, source_match) => Ok(id_match.or(source_match)),
        }
    }

    async fn live_by_id(
        &self,
        connection: &mut SqliteConnection,
        id: TrackId,
    ) -> Result<Option<Track>, CatalogError> {
        let query = sqlx::query(select_tracks!("WHERE id = ?1 AND removed_at IS NULL"));
        self.optional_track(query.bind(id.0).fetch_optional(connection).await)
    }

    /// Writes a track, its constellation and the change.
    async fn insert(
        &self,
        connection: &mut SqliteConnection,
        new: NewTrack,
        id: TrackId,
    ) -> Result<Track, CatalogError> {
        let added_at = now();
        let number = self.insert_row(&mut *connection, &new, id, added_at).await?;
        sqlx::query("INSERT INTO constellations (track, packed) VALUES (?1, ?2)")
            .bind(i64::from(number.0))
            .bind(new.constellation)
            .execute(&mut *connection)
            .await
            .map_err(|error| self.name.error(error))?;
        self.add_pending(connection, number).await?;
        self.record_change(connection, number, ADDED).await?;
        let NewTrack { source, content, seconds, metadata, rule, .. } = new;
        Ok(Track { number, id, source, content, seconds, metadata, rule, added_at, removed_at: None })
    }

    async fn insert_row(
        &self,
        connection: &mut SqliteConnection,
        new: &NewTrack,
        id: TrackId,
        added_at: i64,
    ) -> Result<TrackNumber, CatalogError> {
        let metadata = &new.metadata;
        let number: i64 = sqlx::query_scalar(
            "INSERT INTO tracks (id, source, content, seconds, title, artist, album, isrc, label, vendor, \
             upc, release_date, category, extra, rule, added_at, search) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) \
             RETURNING number",
        )
        .bind(id.0)
        .bind(&new.source)
        .bind(&new.content.0[..])
        .bind(new.seconds)
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
        .bind(new.rule.as_ref().map(Rule::as_str))
        .bind(added_at)
        .bind(search::text(metadata, &new.source))
        .fetch_one(connection)
        .await
        .map_err(|error| self.name.error(error))?;
        // AUTOINCREMENT counts to 63 bits, track numbers have 32. After this error, the drop of the transaction removes
        // the row.
        let number = u32::try_from(number);
        number.map(TrackNumber).map_err(|_| CatalogError::TooManyTracks { catalog: self.name.0.clone() })
    }

    /// Marks a live track as removed, deletes its constellation and records the change.
    async fn retire(
        &self,
        connection: &mut SqliteConnection,
        number: TrackNumber,
    ) -> Result<(), CatalogError> {
        sqlx::query("UPDATE tracks SET removed_at = ?2 WHERE number = ?1")
            .bind(i64::from(number.0))
            .bind(now())
            .execute(&mut *connection)
            .await
            .map_err(|error| self.name.error(error))?;
        sqlx::query("DELETE FROM constellations WHERE track = ?1")
            .bind(i64::from(number.0))
            .execute(&mut *connection)
            .await
            .map_err(|error| self.name.error(error))?;
        self.remove_pending(connection, number).await?;
        self.record_change(connection, number, REMOVED).await
    }

    async fn record_change(
        &self,
        connection: &mut SqliteConnection,
        number: TrackNumber,
        kind: i16,
    ) -> Result<(), CatalogError> {
        sqlx::query("INSERT INTO changes (track, kind) VALUES (?1, ?2)")
            .bind(i64::from(number.0))
            .bind(kind)
            .execute(connection)
            .await
            .map(drop)
            .map_err(|error| self.name.error(error))
    }

    /// Begins a transaction with the write lock of the file. Waits for other processes, for at most
    /// [`MAX_LOCK_ATTEMPTS`] times the busy timeout of SQLite.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, CatalogError> {
        let writer = self.writer()?;
        let mut attempt = 1;
        loop {
            // Each attempt has waited for the busy timeout of SQLite, so the loop needs no pause of its own.
            match writer.begin_with("BEGIN IMMEDIATE").await {
                Err(error) if is_busy(&error) && attempt < MAX_LOCK_ATTEMPTS => attempt += 1,
                result => return result.map_err(|error| self.name.error(error)),
            }
        }
    }

    pub(super) async fn commit(&self, transaction: Transaction<'static, Sqlite>) -> Result<(), CatalogError> {
        transaction.commit().await.map_err(|error| self.name.error(error))
    }
}
