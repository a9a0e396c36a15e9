//! Interface between a search and the index. It is the same for index files and for index rows.
//!
//! Results depend neither on the kind of index, nor on the distribution of tracks over runs.

use super::layout::{BIN_UNITS, POSTING_TICKS, TRACK_MARGIN_UNITS};
use super::{IndexError, Snapshot, TrackNumber};
use crate::fingerprint::Constellation;
use crate::fingerprint::landmark::Probe;

/// An index that can be searched: index files ([`Snapshot`]) or index rows ([`RowIndex`](super::rows::RowIndex)).
pub(crate) trait SearchIndex: Sync {
    /// Returns the length of all indexed audio in seconds, including the margins between tracks. It measures the number
    /// of positions at which a match can occur.
    fn seconds(&self) -> f64;

    /// Returns the number of postings of each group of hashes in the whole index. The slice can be empty if the index
    /// is empty.
    fn groups(&self) -> &[u32];

    /// Starts a search session for the calling thread.
    fn session(&self) -> Box<dyn SearchSession + '_>;
}

/// A search session: the state of one thread while it searches an index.
pub(crate) trait SearchSession {
    /// Collects the votes of several lookups. `probes` contains the probes of all lookups, sorted by their first hash,
    /// so that each bucket is decoded once. `votes` contains one list for each lookup, as a buffer. For each run, the
    /// lists are cleared, and each posting that a lookup finds adds the number of its offset bin to the list of the
    /// lookup. Then `count` is called with the index of the run and the lists; `count` may reorder the lists.
    fn vote(
        &mut self,
        probes: &[Probe],
        votes: &mut [Vec<u32>],
        count: &mut dyn FnMut(usize, &mut [Vec<u32>]),
    ) -> Result<(), IndexError>;

    /// Returns the `max_candidates` best candidates for each list of offset peaks, best first. The offset peaks must be
    /// sorted by falling votes. Candidates with equal votes are in order of track, then position. Candidates in removed
    /// tracks are left out.
    fn locate(
        &mut self,
        lists: &[&[OffsetPeak]],
        max_candidates: usize,
    ) -> Result<Vec<Vec<Candidate>>, IndexError>;

    /// Returns the constellation of the track of a candidate.
    fn constellation(&mut self, candidate: &Candidate) -> Result<Constellation, IndexError>;
}

/// A position on the time line of a run, with the number of its votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetPeak {
    pub(crate) run: usize,
    /// Position on the time line of the run that corresponds to the start of the window, in units of a posting's time.
    pub(crate) offset: u32,
    pub(crate) votes: u32,
}

/// A position in a track at which the window may match. Candidates are verified later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) track: TrackNumber,
    /// Position in the track that corresponds to the start of the window, in units of a posting's time. Negative if the
    /// window starts before the track.
    pub(crate) at: i64,
    pub(crate) votes: u32,
    /// For candidates of index files: index of the run in the snapshot, and index of the track in the run. For index
    /// rows: zeros.
    pub(crate) file_entry: (usize, usize),
}

impl Candidate {
    /// Returns the sort key of a candidate: falling votes, then track, then position in the track. It does not depend
    /// on the distribution of tracks over runs.
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

/// A search session in the run files of a snapshot.
struct FileSession<'a> {
    snapshot: &'a Snapshot,
    /// Buffer for the hashes and times of the bucket that is being read.
    postings: Vec<(u32, u32)>,
}

impl FileSession<'_> {
    fn candidate(&self, offset_peak: &OffsetPeak) -> Result<Option<Candidate>, IndexError> {
        let run = &self.snapshot.runs()[offset_peak.run];
        // A window may begin before its track, by up to one margin. The margin before a track contains no other track.
        let Some(index) = run.track_at(offset_peak.offset.saturating_add(TRACK_MARGIN_UNITS))? else {
            return Ok(None);
        };
        let entry = run.track(index)?;
        let track = TrackNumber(entry.number);
        let at = i64::from(offset_peak.offset) - i64::from(entry.start);
        let candidate =
            Candidate { track, at, votes: offset_peak.votes, file_entry: (offset_peak.run, index) };
        // Removed tracks are left out here and not during voting, because voting does not look up the track of each
        // posting.
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
            // All candidates with equal votes are added before this test. So ties at the limit are resolved by track
            // and position, and not by the order of the runs.
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
                // The difference can be negative and wraps then. Index rows wrap in the same way, so the results are
                // equal.
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
