//! Adds a batch of tracks exactly once.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::PostgresCatalog;
use super::insert::NewRow;
use super::plan::{BatchPlan, BatchTrack, TrackRef, plan};
use super::read::select_tracks;
use super::retry::Retry;
use crate::clock::now;
use crate::row::{self, ADDED, REMOVED};
use crate::{AddOutcome, CatalogError, NewTrack, Track, TrackId, TrackNumber};

/// The result for each track of a batch, in order.
type Outcomes = Vec<Result<AddOutcome, CatalogError>>;

/// A batch whose commit was sent, with an unknown result. Track number, id and time of the first row that the batch
/// inserted into `tracks` identify the batch.
struct PendingCommit {
    /// Track number of the first row that the batch inserted.
    number: TrackNumber,
    id: TrackId,
    added_at: i64,
    outcomes: Outcomes,
}

impl PostgresCatalog {
    /// Adds a batch exactly once. If the connection is lost during the commit, the result of the commit is unknown, so
    /// the next attempt checks if the batch is stored. The check is final: it runs under the writers' lock, which
    /// becomes free only when the earlier transaction has ended.
    pub(super) async fn add_candidates(&self, candidates: &[BatchTrack]) -> Result<Outcomes, CatalogError> {
        // If all tracks were rejected, the call must not wait for the writers' lock.
        if candidates.is_empty() {
            return Ok(Vec::new());
        }
        let mut retry = Retry::new();
        // Kept across attempts: if the result of a commit is unknown, the next attempt checks if the batch is stored.
        let mut pending_commit = None;
        loop {
            match self.attempt(self.add_once(candidates, &mut pending_commit)).await {
                Err(error) => self.pause_before_retry(error, &mut retry).await?,
                done => return done,
            }
        }
    }

    async fn add_once(
        &self,
        candidates: &[BatchTrack],
        pending_commit: &mut Option<PendingCommit>,
    ) -> Result<Outcomes, CatalogError> {
        let mut transaction = self.begin_writing().await?;
        if let Some(earlier) = &*pending_commit {
            if self.is_stored(&mut transaction, earlier).await? {
                // The batch is forgotten only after this commit, because this connection can be lost as well.
                self.commit(transaction).await?;
                return Ok(pending_commit
                    .take()
                    .map(|pending_commit| pending_commit.outcomes)
                    .unwrap_or_default());
            }
            *pending_commit = None;
        }
        let stored = self.conflicting_tracks(&mut transaction, candidates).await?;
        let plan = plan(candidates, stored, &self.name);
        // One time for the whole batch, read under the lock, so that the times of batches have the order of their
        // numbers.
        let added_at = now();
        // Nothing to write, and therefore no commit whose result would have to be remembered.
        if plan.inserts.is_empty() {
            self.commit(transaction).await?;
            return Ok(plan.outcomes(candidates, &[], added_at));
        }
        let numbers = self.new_numbers(&mut transaction, plan.inserts.len()).await?;
        self.write(&mut transaction, candidates, &plan, &numbers, added_at).await?;
        // The first row represents the batch, because a transaction stores all of its rows or none.
        let (number, id) = (numbers[0], plan.inserts[0].id);
        *pending_commit = Some(PendingCommit {
            number,
            id,
            added_at,
            outcomes: plan.outcomes(candidates, &numbers, added_at),
        });
        self.commit(transaction).await?;
        Ok(pending_commit.take().map(|pending_commit| pending_commit.outcomes).unwrap_or_default())
    }

    /// Prepares `new` for a batch: replaces each NUL in its metadata, encodes its `extra` values, and generates the id
    /// that the track gets if it is new. Fails with [`CatalogError::Invalid`] if the track cannot be stored.
    pub(super) fn candidate(&self, mut new: NewTrack) -> Result<BatchTrack, CatalogError> {
        if let Some(fault) = new.fault() {
            return Err(self.name.invalid(fault));
        }
        new.metadata = new.metadata.without_nul();
        let extra = row::extra(&new.metadata, |what| self.name.invalid(what))?;
        // The id is generated once and not per attempt, so that an attempt after a lost commit recognizes the stored
        // rows.
        Ok(BatchTrack { new, new_id: TrackId(Uuid::now_v7()), extra })
    }

    async fn is_stored(
        &self,
        connection: &mut PgConnection,
        pending_commit: &PendingCommit,
    ) -> Result<bool, CatalogError> {
        // The number is not sufficient: a standby that was promoted may assign numbers again that were lost with the
        // primary.
        let sql =
            "SELECT EXISTS (SELECT 1 FROM refrain.tracks WHERE number = $1 AND id = $2 AND added_at = $3)";
        let query = self
            .query(sql)
            .bind(i64::from(pending_commit.number.0))
            .bind(pending_commit.id.0)
            .bind(pending_commit.added_at);
        let row = query.fetch_one(connection).await;
        row.and_then(|row| row.try_get(0)).map_err(|error| self.name.error(error))
    }

    /// Returns the live tracks whose source or id is that of a candidate.
    async fn conflicting_tracks(
        &self,
        connection: &mut PgConnection,
        candidates: &[BatchTrack],
    ) -> Result<Vec<Track>, CatalogError> {
        let sources: Vec<_> = candidates.iter().map(|candidate| candidate.new.source.as_str()).collect();
        let ids: Vec<_> = candidates.iter().filter_map(|candidate| candidate.new.id).map(|id| id.0).collect();
        let sql = select_tracks!("WHERE removed_at IS NULL AND (source = ANY($1) OR id = ANY($2))");
        let rows = self.query(sql).bind(sources).bind(ids).fetch_all(connection).await;
        let rows = rows.map_err(|error| self.name.error(error))?;
        row::all(&rows, row::track).map_err(|error| self.name.error(error))
    }

    /// Takes `count` new track numbers from the sequence of the database. The numbers of transactions that are rolled
    /// back are lost, because no number is ever assigned twice.
    async fn new_numbers(
        &self,
        connection: &mut PgConnection,
        count: usize,
    ) -> Result<Vec<TrackNumber>, CatalogError> {
        let sql = "SELECT nextval('refrain.tracks_number_seq') FROM generate_series(1, $1)";
        let rows = self.query(sql).bind(i64::try_from(count).unwrap_or(i64::MAX)).fetch_all(connection).await;
        let number = |row: &PgRow| row::number(row.try_get(0)?);
        let numbers = rows.and_then(|rows| rows.iter().map(number).collect());
        numbers.map_err(|error| self.name.error(error))
    }

    /// Writes the plan: marks replaced tracks as removed, adds the new tracks, and records the changes.
    async fn write(
        &self,
        connection: &mut PgConnection,
        candidates: &[BatchTrack],
        plan: &BatchPlan,
        numbers: &[TrackNumber],
        added_at: i64,
    ) -> Result<(), CatalogError> {
        // Before the inserts: a unique index allows only one live track per source and per id.
        if !plan.retired.is_empty() {
            self.retire(connection, &plan.retired).await?;
        }
        let rows: Vec<_> = plan
            .inserts
            .iter()
            .zip(numbers)
            .map(|(insert, number)| NewRow {
                number: i64::from(number.0),
                candidate: &candidates[insert.candidate],
                insert,
                added_at,
            })
            .collect();
        self.write_rows(connection, &rows).await.map_err(|error| self.name.error(error))?;
        let changes = plan.changes.iter().map(|&(track_ref, is_added)| {
            let number = match track_ref {
                TrackRef::Stored(number) => number,
                TrackRef::Inserted(index) => numbers[index],
            };
            (number, if is_added { ADDED } else { REMOVED })
        });
        self.record_changes(connection, changes).await
    }
}
