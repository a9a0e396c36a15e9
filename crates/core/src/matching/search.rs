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
/// Two votes may be chance; one is nothing.
const FEWEST_VOTES: u32 = 2;
/// Postings that a search reads for each probe that it makes, about; the probes of the commonest hashes, which
/// tell least, are left out: tf-idf at its plainest. It binds from some thousands of tracks on and keeps the cost
/// of a search from growing with the catalogue …
const POSTINGS_PER_PROBE: u64 = 64;
/// … but not less than this, nor more.
const POSTINGS_AT_LEAST: u64 = 150_000;
const POSTINGS_AT_MOST: u64 = 2_500_000;
/// Of candidates nearer than this many bins only the best is one.
const SAME_BINS: u32 = 3;

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) depth: Depth,
    /// Peaks are looked up as they were before this change.
    pub(crate) scale: Scale,
    /// Candidates, at most.
    pub(crate) most: usize,
}

/// Finds candidates; owns its buffers.
#[derive(Debug, Default)]
pub(crate) struct Search {
    probes: Vec<Probe>,
    votes: Vec<u32>,
    tally: Tally,
    spots: Vec<Spot>,
}

impl Search {
    /// The best candidates for a window's peaks, best first. `start` is the window's start in ticks; times are
    /// counted from it. `groups` says how common hashes are.
    pub(crate) fn candidates(
        &mut self,
        session: &mut dyn Session,
        groups: &[u32],
        peaks: &[Peak],
        start: u32,
        wanted: Wanted,
    ) -> Result<Vec<Candidate>, IndexError> {
        let Self { probes: all, votes, tally, spots } = self;
        all.clear();
        let (time, frequency) = (wanted.scale.speed as f32, (1.0 / wanted.scale.pitch) as f32);
        probes(peaks, start, wanted.depth, time, frequency, all);
        keep_rarest(all, groups);
        // Neighbours in the index one after the other: the same pages serve them.
        all.sort_unstable_by_key(|p| (p.low, p.high, p.time));
        spots.clear();
        session.vote(all, votes, &mut |run, votes| tally.count(run, votes, wanted.most, spots))?;
        spots.sort_unstable_by_key(|s| (std::cmp::Reverse(s.votes), s.run, s.offset));
        session.locate(spots, wanted.most)
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
    groups: Vec<(u32, u32)>,
}

impl Tally {
    /// Adds the best offsets of a run to `spots`: at least `most` of them, if there are so many, and all that
    /// have as many votes as the last of these.
    fn count(&mut self, run: usize, votes: &[u32], most: usize, spots: &mut Vec<Spot>) {
        let Self { counters, exact, groups } = self;
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
        while threshold > FEWEST_VOTES && above + histogram[threshold as usize - 1] <= EXACT_VOTES {
            threshold -= 1;
            above += histogram[threshold as usize];
        }
        let from = spots.len();
        loop {
            exact.clear();
            exact.extend(votes.iter().filter(|bin| pair(**bin) >= threshold));
            exact.sort_unstable();
            summits(exact, threshold, groups, |offset, votes| spots.push(Spot { run, offset, votes }));
            if spots.len() - from >= most || threshold == FEWEST_VOTES {
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

/// Hands out offset and votes of pairs of neighbouring bins with at least `fewest` votes and no better pair near.
fn summits(bins: &[u32], fewest: u32, pairs: &mut Vec<(u32, u32)>, mut sink: impl FnMut(u32, u32)) {
    pairs.clear();
    let mut groups = bins.chunk_by(|a, b| a == b).peekable();
    while let Some(group) = groups.next() {
        let beside = groups.peek().filter(|next| next[0] == group[0] + 1).map_or(0, |next| next.len());
        let votes = (group.len() + beside) as u32;
        if votes >= fewest {
            // The second half of the pair, so that the true offset lies in the middle of the two bins.
            pairs.push((group[0] + u32::from(beside > 0), votes));
        }
    }
    for (i, (bin, votes)) in pairs.iter().enumerate() {
        let before = pairs[..i].iter().rev().take_while(|(other, _)| bin - other <= SAME_BINS);
        let behind = pairs[i + 1..].iter().take_while(|(other, _)| other - bin <= SAME_BINS);
        let beaten = before.into_iter().any(|(_, other)| other >= votes)
            || behind.into_iter().any(|(_, other)| other > votes);
        if !beaten {
            sink(bin * BIN, *votes);
        }
    }
}
