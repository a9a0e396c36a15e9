//! Interface between a search and the index, independent of where postings and constellations are stored.
//!
//! Results do not depend on the storage, nor on how tracks are distributed over runs.

use super::layout::{BIN_UNITS, POSTING_TICKS, TRACK_MARGIN_UNITS};
use super::{IndexError, Snapshot, TrackNumber};
use crate::fingerprint::Constellation;
use crate::fingerprint::landmark::Probe;

/// An index that can be searched.
pub(crate) trait SearchIndex: Sync {
    /// Returns the length of all indexed audio in seconds, including margins. It is a measure of the number of places
    /// where a match can occur.
    fn seconds(&self) -> f64;

    /// Returns the number of postings of each group of hashes in the whole index. Can be empty if the index is empty.
    fn groups(&self) -> &[u32];

    /// Starts a search session.
    fn session(&self) -> Box<dyn SearchSession + '_>;
}

/// A search session of one thread.
pub(crate) trait SearchSession {
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

    /// Returns the `max_candidates` best candidates of each list of offset peaks, which must be sorted by falling
    /// votes. Candidates with equal votes are in order of track and position. Candidates in removed tracks are left
    /// out.
    fn locate(
        &mut self,
        lists: &[&[OffsetPeak]],
        max_candidates: usize,
    ) -> Result<Vec<Vec<Candidate>>, IndexError>;

    /// Returns the constellation of the track of a candidate.
    fn constellation(&mut self, candidate: &Candidate) -> Result<Constellation, IndexError>;
}

/// An offset on the time line of a run that has votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetPeak {
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
    pub(crate) file_entry: (usize, usize),
}

impl Candidate {
    /// Returns the sort key, which does not depend on the distribution of tracks over runs.
    fn rank(&self) -> (std::cmp::Reverse<u32>, TrackNumber, i64) {
        (std::cmp::Reverse(self.votes), self.track, self.at)
    }
}

impl SearchIndex for Snapshot {
    fn seconds(&self) -> f64 {
        self.seconds()
    }

    fn groups(&self) -> &[u32] {
        self.groups()
    }

    fn session(&self) -> Box<dyn SearchSession + '_> {
        Box::new(FileSession { snapshot: self, postings: Vec::new() })
    }
}

/// A search session in runs that are mapped into memory.
struct FileSession<'a> {
    snapshot: &'a Snapshot,
    /// Hashes and times of the bucket that is being read.
    postings: Vec<(u32, u32)>,
}

impl FileSession<'_> {
    fn candidate(&self, offset_peak: &OffsetPeak) -> Result<Option<Candidate>, IndexError> {
        let run = &self.snapshot.runs()[offset_peak.run];
        // The window may begin up to a margin before the track, and nothing else is within the margin.
        let Some(index) = run.track_at(offset_peak.offset.saturating_add(TRACK_MARGIN_UNITS))? else {
            return Ok(None);
        };
        let entry = run.track(index)?;
        let track = TrackNumber(entry.number);
        let at = i64::from(offset_peak.offset) - i64::from(entry.start);
        let candidate =
            Candidate { track, at, votes: offset_peak.votes, file_entry: (offset_peak.run, index) };
        // Removed here and not during voting, which would need the track of every posting.
        Ok(Some(candidate).filter(|_| !self.snapshot.is_removed(track)))
    }

    fn best(&self, offset_peaks: &[OffsetPeak], max_candidates: usize) -> Result<Vec<Candidate>, IndexError> {
        let mut best: Vec<Candidate> = Vec::with_capacity(max_candidates);
        for equals in offset_peaks.chunk_by(|a, b| a.votes == b.votes) {
            let from = best.len();
            for offset_peak in equals {
                best.extend(self.candidate(offset_peak)?);
            }
            best[from..].sort_unstable_by_key(Candidate::rank);
            // Groups of equal votes are always completed before this test, so that ties at the limit are resolved by
            // track and position, and not by the order of the runs.
            if best.len() >= max_candidates {
                break;
            }
        }
        best.truncate(max_candidates);
        Ok(best)
    }
}

impl SearchSession for FileSession<'_> {
    fn vote(
        &mut self,
        probes: &[Probe],
        votes: &mut [Vec<u32>],
        count: &mut dyn FnMut(usize, &mut [Vec<u32>]),
    ) -> Result<(), IndexError> {
        for (index, run) in self.snapshot.runs().iter().enumerate() {
            votes.iter_mut().for_each(Vec::clear);
            run.visit_all(probes, &mut self.postings, |probe, posting| {
                // A track can begin before the window, so the difference may wrap. Both storages wrap alike, so their
                // results stay equal.
                votes[probe.lookup as usize]
                    .push(posting.wrapping_sub(probe.time / POSTING_TICKS) / BIN_UNITS);
            })?;
            count(index, votes);
        }
        Ok(())
    }

    fn locate(
        &mut self,
        lists: &[&[OffsetPeak]],
        max_candidates: usize,
    ) -> Result<Vec<Vec<Candidate>>, IndexError> {
        lists.iter().map(|offset_peaks| self.best(offset_peaks, max_candidates)).collect()
    }

    fn constellation(&mut self, candidate: &Candidate) -> Result<Constellation, IndexError> {
        let run = &self.snapshot.runs()[candidate.file_entry.0];
        run.constellation(&run.track(candidate.file_entry.1)?)
    }
}
