//! Candidates: offsets at which many landmarks of a query and of a track agree (Wang 2003).
//!
//! All tracks of a run lie on one time line, so a vote is one number, the posting's time minus the query's,
//! and tells track and offset together.

use crate::fingerprint::Peak;
use crate::fingerprint::landmark::{Depth, Probe, probes};
use crate::index::{IndexError, POSTING_TICKS, Run, Snapshot};

use super::sweep::Scale;

/// Offsets are counted in bins of this many units of a posting's time (46 ms), two neighbours together.
const BIN: u32 = 2;
/// Most bins that are counted apart; on longer time lines offsets share counters, then are counted again
/// apart if the shared one is high.
const COUNTERS: usize = 1 << 19;
/// Votes that are counted exactly in the end.
const EXACT_VOTES: usize = 1 << 13;
/// Postings' bytes that a search reads at most for each probe that it makes, of all runs together; the
/// commonest hashes, which tell least, are left out first: tf-idf at its plainest. It binds from some
/// thousands of tracks on and keeps the cost of a search from growing with the catalogue …
const BYTES_PER_PROBE: u64 = 160;
/// … but not less than this, nor more.
const BYTES_AT_LEAST: u64 = 384 << 10;
const BYTES_AT_MOST: u64 = 6 << 20;
/// Candidates nearer to a better one than this many bins are the same.
const SAME_BINS: u32 = 3;

/// An offset that deserves verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Index of the run in the snapshot.
    pub(crate) run: usize,
    /// Time on the run's time line at the window's start, units of a posting's time.
    pub(crate) offset: u32,
    /// Votes.
    pub(crate) votes: u32,
}

/// Finds candidates; owns its buffers.
#[derive(Debug, Default)]
pub(crate) struct Search {
    probes: Vec<Probe>,
    costs: Vec<(u64, u32)>,
    votes: Vec<u32>,
    counters: Vec<u8>,
    exact: Vec<u32>,
}

impl Search {
    /// The `most` best candidates for a window's peaks, best first. `start` is the window's start in ticks;
    /// times are counted from it; the peaks are looked up as they were before the change of `scale`.
    pub(crate) fn candidates(
        &mut self,
        snapshot: &Snapshot,
        peaks: &[Peak],
        start: u32,
        depth: Depth,
        scale: Scale,
        most: usize,
    ) -> Result<Vec<Candidate>, IndexError> {
        self.probes.clear();
        let (time, frequency) = (scale.speed as f32, (1.0 / scale.pitch) as f32);
        probes(peaks, start, depth, time, frequency, &mut self.probes);
        // Neighbours in the index one after the other: the same pages serve them.
        self.probes.sort_unstable_by_key(|p| p.low);
        let mut found = Vec::new();
        let budget = (self.probes.len() as u64 * BYTES_PER_PROBE).clamp(BYTES_AT_LEAST, BYTES_AT_MOST);
        let postings = snapshot.postings().max(1) as f64;
        for (index, run) in snapshot.runs().iter().enumerate() {
            self.vote(run, (budget as f64 * run.postings() as f64 / postings) as u64)?;
            self.count(|offset, votes| found.push(Candidate { run: index, offset, votes }));
        }
        found.sort_unstable_by_key(|c| (std::cmp::Reverse(c.votes), c.run, c.offset));
        let mut best: Vec<Candidate> = Vec::with_capacity(most);
        for candidate in found {
            let same = |c: &Candidate| {
                c.run == candidate.run && c.offset.abs_diff(candidate.offset) <= SAME_BINS * BIN
            };
            if !best.iter().any(same) {
                best.push(candidate);
            }
            if best.len() == most {
                break;
            }
        }
        Ok(best)
    }

    /// Collects the votes of a run's postings.
    fn vote(&mut self, run: &Run, budget: u64) -> Result<(), IndexError> {
        let Self { probes, costs, votes, .. } = self;
        votes.clear();
        costs.clear();
        let mut total = 0;
        for (i, probe) in probes.iter().enumerate() {
            let cost = run.cost(probe.low, probe.high)?;
            total += cost;
            if cost > 0 {
                costs.push((cost, i as u32));
            }
        }
        if total > budget {
            keep_cheapest(costs, budget);
        }
        for (_, i) in costs.iter() {
            let probe = probes[*i as usize];
            let time = probe.time / POSTING_TICKS;
            run.visit(probe.low, probe.high, |posting| votes.push(posting.wrapping_sub(time) / BIN))?;
        }
        Ok(())
    }

    /// Counts the votes; hands out offset and count of the best bins.
    fn count(&mut self, mut sink: impl FnMut(u32, u32)) {
        let Self { votes, counters, exact, .. } = self;
        counters.resize(COUNTERS, 0);
        let at = |bin: u32| bin as usize % COUNTERS;
        for bin in votes.iter() {
            let counter = &mut counters[at(*bin)];
            *counter = counter.saturating_add(1);
        }
        let pair = |bin: u32| {
            let here = counters[at(bin)];
            let beside = counters[at(bin.wrapping_add(1))].max(counters[at(bin.wrapping_sub(1))]);
            (u32::from(here) + u32::from(beside)).min(255)
        };
        let mut histogram = [0usize; 256];
        for bin in votes.iter() {
            histogram[pair(*bin) as usize] += 1;
        }
        let mut threshold = 255;
        let mut above = histogram[255];
        while threshold > 2 && above + histogram[threshold - 1] <= EXACT_VOTES {
            threshold -= 1;
            above += histogram[threshold];
        }
        exact.clear();
        exact.extend(votes.iter().filter(|bin| pair(**bin) >= threshold as u32));
        for bin in votes.iter() {
            counters[at(*bin)] = 0;
        }
        exact.sort_unstable();
        let mut groups = exact.chunk_by(|a, b| a == b).peekable();
        while let Some(group) = groups.next() {
            let beside = groups.peek().filter(|next| next[0] == group[0] + 1).map_or(0, |next| next.len());
            // The second half of the pair, so that the true offset lies in the middle of the two bins.
            sink((group[0] + u32::from(beside > 0)) * BIN, (group.len() + beside) as u32);
        }
    }
}

/// Keeps the cheapest lookups that cost `limit` together, in their old order.
fn keep_cheapest(costs: &mut Vec<(u64, u32)>, limit: u64) {
    costs.sort_unstable();
    let mut total = 0;
    let kept = costs.iter().take_while(|(cost, _)| {
        total += cost;
        total <= limit
    });
    let kept = kept.count();
    costs.truncate(kept);
    costs.sort_unstable_by_key(|(_, i)| *i);
}
