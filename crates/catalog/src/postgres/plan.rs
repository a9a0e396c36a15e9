//! Plans the effect of a batch of new tracks on a catalog, before anything is written.
//!
//! The result is the same as that of adding the tracks one after the other: the second of two tracks with the same
//! source replaces the first, or is unchanged.

use std::collections::HashMap;

use super::error::PostgresName;
use crate::{AddOutcome, CatalogError, ContentHash, NewTrack, Rule, Track, TrackId, TrackNumber};

/// A candidate: a track to add, and the id that it gets if it is new. The id is the same in every attempt to store the
/// batch.
pub(super) struct BatchTrack {
    pub(super) new: NewTrack,
    pub(super) new_id: TrackId,
    /// Content of the `extra` column; `None` is stored as NULL.
    pub(super) extra: Option<String>,
}

/// A row to insert for the candidate with the index `candidate`.
#[derive(Debug)]
pub(super) struct PlannedInsert {
    pub(super) candidate: usize,
    pub(super) id: TrackId,
    pub(super) rule: Option<Rule>,
    /// True if a later candidate of the same batch replaces this one.
    pub(super) removed: bool,
}

/// A track: a stored one by its number, or one of the batch by the index of its insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TrackRef {
    Stored(TrackNumber),
    Inserted(usize),
}

/// The outcome for one candidate. A `usize` is an index in [`BatchPlan::inserts`].
#[derive(Debug)]
pub(super) enum PlannedOutcome {
    Added(usize),
    Replaced(usize),
    Unchanged(usize),
    UnchangedStored(Box<Track>),
    Rejected(CatalogError),
}

/// The changes that a batch makes to the catalog, and the outcomes of its candidates.
#[derive(Debug, Default)]
pub(super) struct BatchPlan {
    pub(super) inserts: Vec<PlannedInsert>,
    /// Stored live tracks that the batch replaces.
    pub(super) retired: Vec<TrackNumber>,
    /// The sequence of changes to record, in order: each is a track that is added (true) or removed (false).
    pub(super) changes: Vec<(TrackRef, bool)>,
    /// The outcome for each candidate, in the order of the candidates.
    pub(super) planned_outcomes: Vec<PlannedOutcome>,
}

/// A track that is live after the candidates that were planned so far.
#[derive(Debug, Clone)]
struct LiveTrack {
    track_ref: TrackRef,
    id: TrackId,
    source: String,
    content: ContentHash,
    rule: Option<Rule>,
}

struct BatchPlanner<'a> {
    name: &'a PostgresName,
    /// All stored tracks that the batch can affect.
    stored: &'a HashMap<TrackNumber, Track>,
    by_source: HashMap<String, LiveTrack>,
    /// Source of each live track, by its id.
    by_id: HashMap<TrackId, String>,
    plan: BatchPlan,
}

/// Plans the batch `candidates`. `stored` are the live tracks of the catalog whose source or id is that of a candidate.
pub(super) fn plan(candidates: &[BatchTrack], stored: Vec<Track>, name: &PostgresName) -> BatchPlan {
    let stored: HashMap<_, _> = stored.into_iter().map(|track| (track.number, track)).collect();
    let mut planner = BatchPlanner {
        name,
        stored: &stored,
        by_source: HashMap::new(),
        by_id: HashMap::new(),
        plan: BatchPlan::default(),
    };
    for track in stored.values() {
        planner.add_live(LiveTrack {
            track_ref: TrackRef::Stored(track.number),
            id: track.id,
            source: track.source.clone(),
            content: track.content,
            rule: track.rule.clone(),
        });
    }
    for (index, candidate) in candidates.iter().enumerate() {
        let planned_outcome = planner.planned_outcome(index, candidate);
        planner.plan.planned_outcomes.push(planned_outcome);
    }
    planner.plan
}

impl BatchPlanner<'_> {
    fn planned_outcome(&mut self, index: usize, candidate: &BatchTrack) -> PlannedOutcome {
        let new = &candidate.new;
        let source_match = self.by_source.get(&new.source);
        // The id leads to the source, and the source to the track, because only `by_source` holds tracks.
        let id_match =
            new.id.and_then(|id| self.by_id.get(&id)).and_then(|source| self.by_source.get(source));
        if let (Some(track), Some(holder)) = (id_match, source_match)
            && track.id != holder.id
            // With equal content nothing is written, so the other track can keep the source.
            && track.content != new.content
        {
            return PlannedOutcome::Rejected(CatalogError::SourceTaken {
                catalog: self.name.url.clone(),
                source_path: holder.source.clone(),
                holder: holder.id.to_string(),
                id: track.id.to_string(),
            });
        }
        // The id of an import identifies the track; the source decides only if no live track has the id.
        let Some(existing) = id_match.or(source_match).cloned() else {
            let id = new.id.unwrap_or(candidate.new_id);
            return PlannedOutcome::Added(self.insert(index, new, id, new.rule.clone()));
        };
        if existing.content == new.content {
            return match existing.track_ref {
                TrackRef::Inserted(insert) => PlannedOutcome::Unchanged(insert),
                TrackRef::Stored(number) => {
                    PlannedOutcome::UnchangedStored(Box::new(self.stored[&number].clone()))
                }
            };
        }
        self.retire(&existing);
        // A file that is indexed again after a change must not lose the rule that an operator has set.
        let rule = new.rule.clone().or(existing.rule);
        PlannedOutcome::Replaced(self.insert(index, new, existing.id, rule))
    }

    fn insert(&mut self, candidate: usize, new: &NewTrack, id: TrackId, rule: Option<Rule>) -> usize {
        let insert = self.plan.inserts.len();
        let track_ref = TrackRef::Inserted(insert);
        self.plan.inserts.push(PlannedInsert { candidate, id, rule: rule.clone(), removed: false });
        self.plan.changes.push((track_ref, true));
        self.add_live(LiveTrack { track_ref, id, source: new.source.clone(), content: new.content, rule });
        insert
    }

    fn retire(&mut self, track: &LiveTrack) {
        match track.track_ref {
            TrackRef::Stored(number) => self.plan.retired.push(number),
            // Inserted and removed by the same batch: readers get both changes, in order, as from two calls.
            TrackRef::Inserted(insert) => self.plan.inserts[insert].removed = true,
        }
        self.plan.changes.push((track.track_ref, false));
        self.by_source.remove(&track.source);
        self.by_id.remove(&track.id);
    }

    fn add_live(&mut self, track: LiveTrack) {
        self.by_id.insert(track.id, track.source.clone());
        self.by_source.insert(track.source.clone(), track);
    }
}

impl BatchPlan {
    /// Returns the result for each candidate. `numbers` are the track numbers of the inserts, in order.
    pub(super) fn outcomes(
        self,
        candidates: &[BatchTrack],
        numbers: &[TrackNumber],
        added_at: i64,
    ) -> Vec<Result<AddOutcome, CatalogError>> {
        let track = |index: usize| {
            let insert = &self.inserts[index];
            let new = &candidates[insert.candidate].new;
            Track {
                number: numbers[index],
                id: insert.id,
                source: new.source.clone(),
                content: new.content,
                seconds: new.seconds,
                metadata: new.metadata.clone(),
                rule: insert.rule.clone(),
                added_at,
                removed_at: None,
            }
        };
        let outcome = |planned_outcome| match planned_outcome {
            PlannedOutcome::Added(index) => Ok(AddOutcome::Added(track(index))),
            PlannedOutcome::Replaced(index) => Ok(AddOutcome::Replaced(track(index))),
            PlannedOutcome::Unchanged(index) => Ok(AddOutcome::Unchanged(track(index))),
            PlannedOutcome::UnchangedStored(track) => Ok(AddOutcome::Unchanged(*track)),
            PlannedOutcome::Rejected(error) => Err(error),
        };
        self.planned_outcomes.into_iter().map(outcome).collect()
    }
}
