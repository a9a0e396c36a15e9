//! Adds tracks: many in one batch, exactly once.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::PostgresCatalog;
use super::insert::NewRow;
use super::plan::{Candidate, Plan, Spot, plan};
use super::read::{ADDED, REMOVED};
use super::retry::Retry;
use super::row::{self, select_tracks};
use super::write::now;
use crate::{AddOutcome, CatalogError, NewTrack, Track, TrackId, TrackNumber};

/// The result for each track of a batch, in order.
type Outcomes = Vec<Result<AddOutcome, CatalogError>>;

/// A batch whose commit was sent, with an unknown result. Number, id and time of its first row identify it.
struct Sent {
    /// Number of its first row.
    number: TrackNumber,
    id: TrackId,
    added_at: i64,
    outcomes: Outcomes,
}

impl PostgresCatalog {
    pub(super) async fn add_track(&self, new: NewTrack) -> Result<AddOutcome, CatalogError> {
        let one = self.add_tracks(vec![new]).await?.pop();
        one.unwrap_or_else(|| Err(self.name.corrupt("an addition returned no result")))
    }

    pub(super) async fn add_tracks(&self, tracks: Vec<NewTrack>) -> Result<Outcomes, CatalogError> {
        let mut candidates = Vec::with_capacity(tracks.len());
        let mut refused = Vec::new();
        for (index, new) in tracks.into_iter().enumerate() {
            match self.candidate(new) {
                Ok(candidate) => candidates.push(candidate),
                Err(error) => refused.push((index, error)),
            }
        }
        let mut outcomes = self.add_candidates(&candidates).await?;
        for (index, error) in refused {
            outcomes.insert(index, Err(error));
        }
        Ok(outcomes)
    }

    /// Adds a batch exactly once. If a connection is lost during a commit, its result is unknown, so the next attempt
    /// checks if the batch is stored. The batch cannot appear after that check: the writers' lock is free only once
    /// that transaction has ended.
    async fn add_candidates(&self, candidates: &[Candidate]) -> Result<Outcomes, CatalogError> {
        if candidates.is_empty() {
            return Ok(Vec::new());
        }
        let mut patience = Retry::new();
        let mut sent = None;
        loop {
            match self.attempt(self.add_once(candidates, &mut sent)).await {
                Err(error) => self.pause_before_retry(error, &mut patience).await?,
                done => return done,
            }
        }
    }

    async fn add_once(
        &self,
        candidates: &[Candidate],
        sent: &mut Option<Sent>,
    ) -> Result<Outcomes, CatalogError> {
        let mut transaction = self.begin_writing().await?;
        if let Some(earlier) = &*sent {
            if self.is_there(&mut transaction, earlier).await? {
                // The batch is forgotten only after this commit, because this connection can be lost as well.
                self.commit(transaction).await?;
                return Ok(sent.take().map(|sent| sent.outcomes).unwrap_or_default());
            }
            *sent = None;
        }
        let stored = self.met_by(&mut transaction, candidates).await?;
        let plan = plan(candidates, stored, &self.name);
        let added_at = now();
        if plan.inserts.is_empty() {
            self.commit(transaction).await?;
            return Ok(plan.outcomes(candidates, &[], added_at));
        }
        let numbers = self.new_numbers(&mut transaction, plan.inserts.len()).await?;
        self.write(&mut transaction, candidates, &plan, &numbers, added_at).await?;
        let (number, id) = (numbers[0], plan.inserts[0].id);
        *sent = Some(Sent { number, id, added_at, outcomes: plan.outcomes(candidates, &numbers, added_at) });
        self.commit(transaction).await?;
        Ok(sent.take().map(|sent| sent.outcomes).unwrap_or_default())
    }

    fn candidate(&self, mut new: NewTrack) -> Result<Candidate, CatalogError> {
        if !(new.seconds.is_finite() && new.seconds >= 0.0) {
            return Err(self.name.invalid(format!("{:?}: invalid length of {} s", new.source, new.seconds)));
        }
        if new.source.contains('\0') {
            return Err(self.name.invalid(format!("{:?}: a path or URL must not contain NUL", new.source)));
        }
        new.metadata = new.metadata.storable();
        let extra = row::extra(&new.metadata, &self.name)?;
        Ok(Candidate { new, fresh: TrackId(Uuid::now_v7()), extra })
    }

    async fn is_there(&self, connection: &mut PgConnection, sent: &Sent) -> Result<bool, CatalogError> {
        // The number is not sufficient: a standby that was promoted may assign numbers again that were lost with the
        // primary.
        let sql =
            "SELECT EXISTS (SELECT 1 FROM refrain.tracks WHERE number = $1 AND id = $2 AND added_at = $3)";
        let query = self.query(sql).bind(i64::from(sent.number.0)).bind(sent.id.0).bind(sent.added_at);
        let row = query.fetch_one(connection).await;
        row.and_then(|row| row.try_get(0)).map_err(|error| self.name.error(error))
    }

    /// Returns the live tracks with a source or an id of the batch.
    async fn met_by(
        &self,
        connection: &mut PgConnection,
        candidates: &[Candidate],
    ) -> Result<Vec<Track>, CatalogError> {
        let sources: Vec<_> = candidates.iter().map(|candidate| candidate.new.source.as_str()).collect();
        let ids: Vec<_> = candidates.iter().filter_map(|candidate| candidate.new.id).map(|id| id.0).collect();
        let sql = select_tracks!("WHERE removed_at IS NULL AND (source = ANY($1) OR id = ANY($2))");
        let rows = self.query(sql).bind(sources).bind(ids).fetch_all(connection).await;
        let rows = rows.map_err(|error| self.name.error(error))?;
        rows.iter().map(|row| row::track(row, &self.name)).collect()
    }

    /// Takes new numbers from the sequence. The numbers of transactions that are rolled back are lost, which is the
    /// price for never assigning a number twice.
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

    /// Writes the plan: removed tracks, new tracks, and the changes.
    async fn write(
        &self,
        connection: &mut PgConnection,
        candidates: &[Candidate],
        plan: &Plan,
        numbers: &[TrackNumber],
        added_at: i64,
    ) -> Result<(), CatalogError> {
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
        let changes = plan.changes.iter().map(|&(spot, comes)| {
            let number = match spot {
                Spot::Stored(number) => number,
                Spot::Inserted(index) => numbers[index],
            };
            (number, if comes { ADDED } else { REMOVED })
        });
        self.record(connection, changes).await
    }
}
