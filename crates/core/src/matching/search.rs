//! Candidates: offsets at which many landmarks of a query and of a track agree (Wang 2003).
//!
//! All tracks of a run lie on one time line, so a vote is one number, the posting's time minus the query's,
//! and tells track and offset together. Which candidates come out, and in which order, does not depend on how
//! tracks are spread over runs.

mod tally;

use crate::fingerprint::Peak;
use crate::fingerprint::landmark::{Depth, GROUP_HASHES, Probe, Prober, group};
use crate::index::{Candidate, IndexError, Session, Spot};

use super::sweep::Scale;
use tally::Tally;

/// Postings that a search reads for each probe that it makes, about; the probes of the commonest hashes, which
/// tell least, are left out: tf-idf at its plainest. It binds from some thousands of tracks on and keeps the cost
/// of a search from growing with the catalogue …
const POSTINGS_PER_PROBE: u64 = 64;
/// … but not less than this, nor more.
const POSTINGS_AT_LEAST: u64 = 150_000;
const POSTINGS_AT_MOST: u64 = 2_500_000;

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
    prober: Prober,
    /// Probes of one lookup, and of all.
    own: Vec<Probe>,
    probes: Vec<Probe>,
    /// Votes and candidates' places of each lookup.
    votes: Vec<Vec<u32>>,
    spots: Vec<Vec<Spot>>,
    tally: Tally,
}

impl Search {
    /// For each lookup the `most` best candidates for a window, best first. The window is its peaks and its start in
    /// ticks, from which times are counted. `groups` says how common hashes are.
    pub(crate) fn candidates(
        &mut self,
        session: &mut dyn Session,
        groups: &[u32],
        window: (&[Peak], u32),
        lookups: &[Lookup],
        most: usize,
    ) -> Result<Vec<Vec<Candidate>>, IndexError> {
        let Self { prober, own, probes, votes, spots, tally } = self;
        votes.resize_with(lookups.len(), Vec::new);
        spots.resize_with(lookups.len(), Vec::new);
        spots.iter_mut().for_each(Vec::clear);
        probes.clear();
        for (i, Lookup { depth, scale, .. }) in lookups.iter().enumerate() {
            own.clear();
            prober.probes(window, *depth, scale.undone(), i as u32, own);
            keep_rarest(own, groups);
            probes.append(own);
        }
        // Neighbours in the index one after the other: the lookups of a ladder share most of their buckets.
        probes.sort_unstable_by_key(|probe| probe.low);
        session.vote(probes, votes, &mut |run, votes| {
            for ((lookup, votes), spots) in lookups.iter().zip(votes).zip(spots.iter_mut()) {
                tally.count(run, votes, (most, lookup.least), spots);
            }
        })?;
        for spots in spots.iter_mut() {
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
