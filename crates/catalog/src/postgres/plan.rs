//! Plans the effect of a batch of new tracks on a catalog, before anything is written.
//!
//! The result is the same as that of adding the tracks one after the other: the second of two tracks with the same
//! source replaces the first, or is unchanged.

use std::collections::HashMap;

use super::error::Name;
use crate::{AddOutcome, CatalogError, ContentHash, NewTrack, Rule, Track, TrackId, TrackNumber};

/// A track to add, and the id that it gets if it is new: the same in every attempt.
pub(super) struct Candidate {
    pub(super) new: NewTrack,
    pub(super) fresh: TrackId,
    /// Content of the `extra` column.
    pub(super) extra: Option<String>,
}

/// A row to insert for the candidate with this index.
#[derive(Debug)]
pub(super) struct Insert {
    pub(super) candidate: usize,
    pub(super) id: TrackId,
    pub(super) rule: Option<Rule>,
    /// True if a later candidate of the same batch replaces it.
    pub(super) removed: bool,
}

/// A stored track, or the insert with this index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spot {
    Stored(TrackNumber),
    Inserted(usize),
}

/// The outcome for one candidate. Numbers are indexes of inserts.
#[derive(Debug)]
pub(super) enum Fate {
    Added(usize),
    Replaced(usize),
    Unchanged(usize),
    UnchangedStored(Box<Track>),
    Refused(CatalogError),
}

/// The rows to write, in order.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) inserts: Vec<Insert>,
    /// Live tracks that are replaced.
    pub(super) retired: Vec<TrackNumber>,
    /// Tracks that are added (true) and removed (false).
    pub(super) changes: Vec<(Spot, bool)>,
    /// The outcome for each candidate.
    pub(super) fates: Vec<Fate>,
}

/// A live track at some point of the batch.
#[derive(Debug, Clone)]
struct Live {
    spot: Spot,
    id: TrackId,
    source: String,
    content: ContentHash,
    rule: Option<Rule>,
}

struct Planner<'a> {
    name: &'a Name,
    /// All stored tracks that the batch can affect.
    stored: &'a HashMap<TrackNumber, Track>,
    by_source: HashMap<String, Live>,
    /// Source of the live track with this id.
    by_id: HashMap<TrackId, String>,
    plan: Plan,
}

/// Plans a batch for a catalog in which `stored` are all live tracks that have a source or an id of the batch.
pub(super) fn plan(candidates: &[Candidate], stored: Vec<Track>, name: &Name) -> Plan {
    let stored: HashMap<_, _> = stored.into_iter().map(|track| (track.number, track)).collect();
    let mut planner = Planner {
        name,
        stored: &stored,
        by_source: HashMap::new(),
        by_id: HashMap::new(),
        plan: Plan::default(),
    };
    for track in stored.values() {
        planner.come(Live {
            spot: Spot::Stored(track.number),
            id: track.id,
            source: track.source.clone(),
            content: track.content,
            rule: track.rule.clone(),
        });
    }
    for (index, candidate) in candidates.iter().enumerate() {
        let fate = planner.fate(index, candidate);
        planner.plan.fates.push(fate);
    }
    planner.plan
}

impl Planner<'_> {
    fn fate(&mut self, index: usize, candidate: &Candidate) -> Fate {
        let new = &candidate.new;
        let of_source = self.by_source.get(&new.source);
        let of_id = new.id.and_then(|id| self.by_id.get(&id)).and_then(|source| self.by_source.get(source));
        if let (Some(track), Some(holder)) = (of_id, of_source)
            && track.id != holder.id
            && track.content != new.content
        {
            return Fate::Refused(CatalogError::SourceTaken {
                catalog: self.name.url.clone(),
                source_path: holder.source.clone(),
                holder: holder.id.to_string(),
                id: track.id.to_string(),
            });
        }
        let Some(before) = of_id.or(of_source).cloned() else {
            let id = new.id.unwrap_or(candidate.fresh);
            return Fate::Added(self.insert(index, new, id, new.rule.clone()));
        };
        if before.content == new.content {
            return match before.spot {
                Spot::Inserted(insert) => Fate::Unchanged(insert),
                Spot::Stored(number) => Fate::UnchangedStored(Box::new(self.stored[&number].clone())),
            };
        }
        self.retire(&before);
        let rule = new.rule.clone().or(before.rule);
        Fate::Replaced(self.insert(index, new, before.id, rule))
    }

    fn insert(&mut self, candidate: usize, new: &NewTrack, id: TrackId, rule: Option<Rule>) -> usize {
        let insert = self.plan.inserts.len();
        let spot = Spot::Inserted(insert);
        self.plan.inserts.push(Insert { candidate, id, rule: rule.clone(), removed: false });
        self.plan.changes.push((spot, true));
        self.come(Live { spot, id, source: new.source.clone(), content: new.content, rule });
        insert
    }

    fn retire(&mut self, track: &Live) {
        match track.spot {
            Spot::Stored(number) => self.plan.retired.push(number),
            Spot::Inserted(insert) => self.plan.inserts[insert].removed = true,
        }
        self.plan.changes.push((track.spot, false));
        self.by_source.remove(&track.source);
        self.by_id.remove(&track.id);
    }

    fn come(&mut self, track: Live) {
        self.by_id.insert(track.id, track.source.clone());
        self.by_source.insert(track.source.clone(), track);
    }
}

impl Plan {
    /// Returns the result for each candidate, after the inserts have received numbers.
    pub(super) fn outcomes(
        self,
        candidates: &[Candidate],
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
        let outcome = |fate| match fate {
            Fate::Added(index) => Ok(AddOutcome::Added(track(index))),
            Fate::Replaced(index) => Ok(AddOutcome::Replaced(track(index))),
            Fate::Unchanged(index) => Ok(AddOutcome::Unchanged(track(index))),
            Fate::UnchangedStored(track) => Ok(AddOutcome::Unchanged(*track)),
            Fate::Refused(error) => Err(error),
        };
        self.fates.into_iter().map(outcome).collect()
    }
}
