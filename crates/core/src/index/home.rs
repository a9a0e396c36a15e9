//! What a search asks of an index, wherever its postings and constellations are kept.
//!
//! Answers do not depend on the home, nor on how tracks are spread over runs.

use super::layout::{BIN, POSTING_TICKS, TRACK_MARGIN};
use super::{IndexError, Snapshot, TrackNumber};
use crate::fingerprint::Constellation;
use crate::fingerprint::landmark::Probe;

/// An index that can be searched.
pub(crate) trait Home: Sync {
    /// Length of all indexed sound with its margins, seconds: the number of places where a match can lie.
    fn seconds(&self) -> f64;

    /// Postings of each group of hashes in the whole index; empty where there are none.
    fn groups(&self) -> &[u32];

    /// Begins to search.
    fn session(&self) -> Box<dyn Session + '_>;
}

/// One thread's search.
pub(crate) trait Session {
    /// Reads the postings of the probes of several lookups, which are sorted by their first hash, so that each bucket
    /// is decoded once for all lookups. For each run, collects the bins of the offsets that its postings vote for in
    /// the lists of `votes`, one per lookup, which it clears before, and passes the run and the lists to `count`,
    /// which may change their order.
    fn vote(
        &mut self,
        probes: &[Probe],
        votes: &mut [Vec<u32>],
        count: &mut dyn FnMut(usize, &mut [Vec<u32>]),
    ) -> Result<(), IndexError>;

    /// Of each list of spots, which are sorted by falling votes, the `most` best candidates: those with equal votes
    /// in order of track and place, those in removed tracks left out.
    fn locate(&mut self, lists: &[&[Spot]], most: usize) -> Result<Vec<Vec<Candidate>>, IndexError>;

    /// The constellation of a candidate's track.
    fn constellation(&mut self, candidate: &Candidate) -> Result<Constellation, IndexError>;
}

/// An offset on a run's time line that has votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) run: usize,
    /// Time on the run's time line at the window's start, units of a posting's time.
    pub(crate) offset: u32,
    pub(crate) votes: u32,
}

/// A place in a track that deserves verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) track: TrackNumber,
    /// Time in the track at the window's start, units of a posting's time; may lie before it.
    pub(crate) at: i64,
    pub(crate) votes: u32,
    /// Where a snapshot keeps the track: its run, and its index in it.
    pub(crate) kept: (usize, usize),
}

impl Candidate {
    /// The order that does not depend on runs.
    fn rank(&self) -> (std::cmp::Reverse<u32>, TrackNumber, i64) {
        (std::cmp::Reverse(self.votes), self.track, self.at)
    }
}

impl Home for Snapshot {
    fn seconds(&self) -> f64 {
        self.seconds()
    }

    fn groups(&self) -> &[u32] {
        self.groups()
    }

    fn session(&self) -> Box<dyn Session + '_> {
        Box::new(Local { snapshot: self, postings: Vec::new() })
    }
}

/// Runs that are mapped into memory.
struct Local<'a> {
    snapshot: &'a Snapshot,
    /// Of the bucket that is being read: hashes and times.
    postings: Vec<(u32, u32)>,
}

impl Local<'_> {
    fn candidate(&self, spot: &Spot) -> Result<Option<Candidate>, IndexError> {
        let run = &self.snapshot.runs()[spot.run];
        let Some(index) = run.track_at(spot.offset.saturating_add(TRACK_MARGIN))? else { return Ok(None) };
        let entry = run.track(index)?;
        let track = TrackNumber(entry.number);
        let at = i64::from(spot.offset) - i64::from(entry.start);
        let candidate = Candidate { track, at, votes: spot.votes, kept: (spot.run, index) };
        Ok(Some(candidate).filter(|_| !self.snapshot.is_removed(track)))
    }

    fn best(&self, spots: &[Spot], most: usize) -> Result<Vec<Candidate>, IndexError> {
        let mut best: Vec<Candidate> = Vec::with_capacity(most);
        for equals in spots.chunk_by(|a, b| a.votes == b.votes) {
            let from = best.len();
            for spot in equals {
                best.extend(self.candidate(spot)?);
            }
            best[from..].sort_unstable_by_key(Candidate::rank);
            if best.len() >= most {
                break;
            }
        }
        best.truncate(most);
        Ok(best)
    }
}

impl Session for Local<'_> {
    fn vote(
        &mut self,
        probes: &[Probe],
        votes: &mut [Vec<u32>],
        count: &mut dyn FnMut(usize, &mut [Vec<u32>]),
    ) -> Result<(), IndexError> {
        for (index, run) in self.snapshot.runs().iter().enumerate() {
            votes.iter_mut().for_each(Vec::clear);
            run.visit_all(probes, &mut self.postings, |probe, posting| {
                votes[probe.lookup as usize].push(posting.wrapping_sub(probe.time / POSTING_TICKS) / BIN);
            })?;
            count(index, votes);
        }
        Ok(())
    }

    fn locate(&mut self, lists: &[&[Spot]], most: usize) -> Result<Vec<Vec<Candidate>>, IndexError> {
        lists.iter().map(|spots| self.best(spots, most)).collect()
    }

    fn constellation(&mut self, candidate: &Candidate) -> Result<Constellation, IndexError> {
        let run = &self.snapshot.runs()[candidate.kept.0];
        run.constellation(&run.track(candidate.kept.1)?)
    }
}
