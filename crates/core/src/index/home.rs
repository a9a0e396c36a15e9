//! Interface between a search and the index, independent of where postings and constellations are stored.
//!
//! Results do not depend on the storage, nor on how tracks are distributed over runs.

use super::layout::{BIN, POSTING_TICKS, TRACK_MARGIN};
use super::{IndexError, Snapshot, TrackNumber};
use crate::fingerprint::Constellation;
use crate::fingerprint::landmark::Probe;

/// An index that can be searched.
pub(crate) trait Home: Sync {
    /// Returns the length of all indexed audio in seconds, including margins. It is a measure of the number of places
    /// where a match can occur.
    fn seconds(&self) -> f64;

    /// Returns the number of postings of each group of hashes in the whole index. Can be empty if the index is empty.
    fn groups(&self) -> &[u32];

    /// Starts a search session.
    fn session(&self) -> Box<dyn Session + '_>;
}

/// A search session of one thread.
pub(crate) trait Session {
    /// Reads the postings of the probes of several lookups. The probes must be sorted by their first hash, so that
    /// each bucket is decoded once for all lookups. For each run, clears the lists in `votes`, one per lookup, fills
    /// them with the bins of the offsets that the postings of the run vote for, and passes the index of the run and
    /// the lists to `count`, which may change their order.
    fn vote(
        &mut self,
        probes: &[Probe],
        votes: &mut [Vec<u32>],
        count: &mut dyn FnMut(usize, &mut [Vec<u32>]),
    ) -> Result<(), IndexError>;

    /// Returns the `most` best candidates of each list of spots, which must be sorted by falling votes. Candidates
    /// with equal votes are in order of track and position. Candidates in removed tracks are left out.
    fn locate(&mut self, lists: &[&[Spot]], most: usize) -> Result<Vec<Vec<Candidate>>, IndexError>;

    /// Returns the constellation of the track of a candidate.
    fn constellation(&mut self, candidate: &Candidate) -> Result<Constellation, IndexError>;
}

/// An offset on the time line of a run that has votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) run: usize,
    /// Time on the time line of the run at the start of the window, in units of a posting's time.
    pub(crate) offset: u32,
    pub(crate) votes: u32,
}

/// A position in a track that is to be verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) track: TrackNumber,
    /// Time in the track at the start of the window, in units of a posting's time. Negative if the window starts
    /// before the track.
    pub(crate) at: i64,
    pub(crate) votes: u32,
    /// Index of the run in a snapshot, and index of the track in the run.
    pub(crate) kept: (usize, usize),
}

impl Candidate {
    /// Returns the sort key, which does not depend on the distribution of tracks over runs.
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

/// A search session in runs that are mapped into memory.
struct Local<'a> {
    snapshot: &'a Snapshot,
    /// Hashes and times of the bucket that is being read.
    postings: Vec<(u32, u32)>,
}

impl Local<'_> {
    fn candidate(&self, spot: &Spot) -> Result<Option<Candidate>, IndexError> {
        let run = &self.snapshot.runs()[spot.run];
        // The window may begin up to a margin before the track, and nothing else is within the margin.
        let Some(index) = run.track_at(spot.offset.saturating_add(TRACK_MARGIN))? else { return Ok(None) };
        let entry = run.track(index)?;
        let track = TrackNumber(entry.number);
        let at = i64::from(spot.offset) - i64::from(entry.start);
        let candidate = Candidate { track, at, votes: spot.votes, kept: (spot.run, index) };
        // Removed here and not during voting, which would need the track of every posting.
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
            // Groups of equal votes are always completed before this test, so that ties at the limit are resolved by
            // track and position, and not by the order of the runs.
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
                // A track can begin before the window, so the difference may wrap. Both storages wrap alike, so their results stay equal.
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
