//! Candidates: offsets at which many landmarks of a query and of a track agree (Wang 2003).
//!
//! All tracks of a run lie on one time line, so a vote is one number, the posting's time minus the query's,
//! and tells track and offset together. Which candidates come out, and in which order, does not depend on how
//! tracks are spread over runs.

use crate::fingerprint::Peak;
use crate::fingerprint::landmark::{Depth, GROUP_HASHES, Probe, group, probes};
use crate::index::{BIN, Candidate, IndexError, Session, Spot};

use super::sweep::Scale;

/// Most bins that are counted apart; on longer time lines offsets share counters, then are counted again
/// apart if the shared one is high.
const COUNTERS: usize = 1 << 19;
/// Votes that are counted exactly in the end, unless too few candidates are among them.
const EXACT_VOTES: usize = 1 << 13;
/// Postings that a search reads for each probe that it makes, about; the probes of the commonest hashes, which
/// tell least, are left out: tf-idf at its plainest. It binds from some thousands of tracks on and keeps the cost
/// of a search from growing with the catalogue …
const POSTINGS_PER_PROBE: u64 = 64;
/// … but not less than this, nor more.
const POSTINGS_AT_LEAST: u64 = 150_000;
const POSTINGS_AT_MOST: u64 = 2_500_000;
/// Of candidates nearer than this many bins only the best is one.
const SAME_BINS: u32 = 3;

/// One lookup.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lookup {
    pub(crate) depth: Depth,
    /// Peaks are looked up as they were before this change.
    pub(crate) scale: Scale,
    /// Votes that a candidate has at least.
    pub(crate) least: u32,
}

/// Finds candidates; owns its buffers.
#[derive(Debug, Default)]
pub(crate) struct Search {
    probes: Vec<Vec<Probe>>,
    votes: Vec<u32>,
    tally: Tally,
    spots: Vec<Vec<Spot>>,
}

impl Search {
    /// For each lookup the `most` best candidates for a window's peaks, best first. `start` is the window's start in
    /// ticks; times are counted from it. `groups` says how common hashes are.
    pub(crate) fn candidates(
        &mut self,
        session: &mut dyn Session,
        groups: &[u32],
        (peaks, start): (&[Peak], u32),
        lookups: &[Lookup],
        most: usize,
    ) -> Result<Vec<Vec<Candidate>>, IndexError> {
        let Self { probes: all, votes, tally, spots } = self;
        all.resize_with(lookups.len(), Vec::new);
        spots.resize_with(lookups.len(), Vec::new);
        for (Lookup { depth, scale, .. }, all) in lookups.iter().zip(all.iter_mut()) {
            all.clear();
            probes(peaks, start, *depth, scale.speed as f32, (1.0 / scale.pitch) as f32, all);
            keep_rarest(all, groups);
            // Neighbours in the index one after the other: the same pages serve them.
            all.sort_unstable_by_key(|p| (p.low, p.high, p.time));
        }
        session.prepare(all)?;
        for ((lookup, probes), spots) in lookups.iter().zip(all.iter()).zip(spots.iter_mut()) {
            spots.clear();
            let enough = (most, lookup.least);
            session.vote(probes, votes, &mut |run, votes| tally.count(run, votes, enough, spots))?;
            spots.sort_unstable_by_key(|s| (std::cmp::Reverse(s.votes), s.run, s.offset));
        }
        let lists: Vec<&[Spot]> = spots.iter().map(Vec::as_slice).collect();
        session.locate(&lists, most)
    }
}

/// Leaves out the probes of the commonest hashes beyond what a search may read.
fn keep_rarest(probes: &mut Vec<Probe>, groups: &[u32]) {
    let allowed = (probes.len() as u64 * POSTINGS_PER_PROBE).clamp(POSTINGS_AT_LEAST, POSTINGS_AT_MOST)
        * u64::from(GROUP_HASHES);
    let cost = |p: &Probe| {
        let postings = groups.get(group(p.low)).copied().unwrap_or(0);
        u64::from(postings) * u64::from(p.high - p.low + 1)
    };
    if probes.iter().map(cost).sum::<u64>() <= allowed {
        return;
    }
    probes.sort_unstable_by_key(|p| (cost(p), p.low, p.high, p.time));
    let mut total = 0;
    let kept = probes.iter().take_while(|p| {
        total += cost(p);
        total <= allowed
    });
    let kept = kept.count();
    probes.truncate(kept);
}

/// Counts votes; owns its buffers.
#[derive(Debug, Default)]
struct Tally {
    counters: Vec<u8>,
    exact: Vec<u32>,
    pairs: Vec<Pair>,
    order: Vec<usize>,
}

/// Two neighbouring bins and their votes.
#[derive(Debug, Clone, Copy)]
struct Pair {
    /// The second half of the pair, so that the true offset lies in the middle of the two bins.
    bin: u32,
    votes: u32,
    /// Whether it is a candidate.
    kept: bool,
}

impl Tally {
    /// Adds the best offsets of a run to `spots`, with at least `least` votes: at least `most` of them, if there are so
    /// many, and all that have as many votes as the last of these.
    fn count(&mut self, run: usize, votes: &[u32], (most, least): (usize, u32), spots: &mut Vec<Spot>) {
        let Self { counters, exact, .. } = self;
        counters.resize(COUNTERS, 0);
        let at = |bin: u32| bin as usize % COUNTERS;
        for bin in votes {
            let counter = &mut counters[at(*bin)];
            *counter = counter.saturating_add(1);
        }
        // At least the votes of the bin and of its better neighbour.
        let pair = |bin: u32| {
            let here = counters[at(bin)];
            let beside = counters[at(bin.wrapping_add(1))].max(counters[at(bin.wrapping_sub(1))]);
            (u32::from(here) + u32::from(beside)).min(255)
        };
        let mut histogram = [0usize; 256];
        for bin in votes {
            histogram[pair(*bin) as usize] += 1;
        }
        let mut threshold = 255;
        let mut above = histogram[255];
        while threshold > least && above + histogram[threshold as usize - 1] <= EXACT_VOTES {
            threshold -= 1;
            above += histogram[threshold as usize];
        }
        let from = spots.len();
        loop {
            exact.clear();
            exact.extend(votes.iter().filter(|bin| pair(**bin) >= threshold));
            exact.sort_unstable();
            self.pairs.clear();
            pairs(exact, threshold, &mut self.pairs);
            keep_summits(&mut self.pairs, &mut self.order);
            let kept = self.pairs.iter().filter(|pair| pair.kept);
            spots.extend(kept.map(|pair| Spot { run, offset: pair.bin * BIN, votes: pair.votes }));
            if spots.len() - from >= most || threshold <= least {
                break;
            }
            spots.truncate(from);
            threshold -= 1;
        }
        for bin in votes {
            counters[at(*bin)] = 0;
        }
    }
}

/// Pairs of neighbouring bins with at least `least` votes; the bins are sorted.
fn pairs(bins: &[u32], least: u32, pairs: &mut Vec<Pair>) {
    let mut groups = bins.chunk_by(|a, b| a == b).peekable();
    while let Some(group) = groups.next() {
        let beside = groups.peek().filter(|next| next[0] == group[0] + 1).map_or(0, |next| next.len());
        let votes = (group.len() + beside) as u32;
        if votes >= least {
            pairs.push(Pair { bin: group[0] + u32::from(beside > 0), votes, kept: false });
        }
    }
}

/// Keeps the pairs that are near no better one that is kept; they are sorted by bin.
fn keep_summits(pairs: &mut [Pair], order: &mut Vec<usize>) {
    order.clear();
    order.extend(0..pairs.len());
    order.sort_unstable_by_key(|i| (std::cmp::Reverse(pairs[*i].votes), *i));
    for i in order.iter().copied() {
        let bin = pairs[i].bin;
        let mut before = pairs[..i].iter().rev().take_while(|other| bin - other.bin <= SAME_BINS);
        let mut behind = pairs[i + 1..].iter().take_while(|other| other.bin - bin <= SAME_BINS);
        pairs[i].kept = !before.any(|other| other.kept) && !behind.any(|other| other.kept);
    }
}
