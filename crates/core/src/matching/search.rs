//! Candidate search: offsets at which many landmarks of a query and of a track agree (Wang 2003).
//!
//! All tracks of a run share one time line, so a vote is a single number: the time of the posting minus the time of the
//! query's probe. This number identifies both the track and the offset. The candidates and their order do not depend on
//! how tracks are distributed over runs.

mod offset_histogram;

use crate::fingerprint::Peak;
use crate::fingerprint::landmark::{Depth, GROUP_HASHES, Probe, Prober, group};
use crate::index::{Candidate, IndexError, OffsetPeak, SearchSession};

use super::sweep::Scale;
use offset_histogram::OffsetHistogram;

/// Approximate number of postings that a lookup reads per probe. If a lookup would read more, the probes of the most
/// common hashes, which carry the least information, are left out (a simple form of tf-idf). The limit takes effect
/// from some thousands of tracks on and keeps the cost of a search from growing with the catalog. At half this value,
/// searches of large catalogs leave out more probes and miss more degraded recordings; at twice this value, lookups
/// read up to twice as many postings.
const POSTINGS_PER_PROBE: u64 = 64;
/// Lower bound of the limit on the postings that a lookup reads. It lets short queries, which have few probes, use all
/// of them. At half this value, short clips are missed more often in smaller catalogs; at twice this value, short
/// queries cost up to twice as much.
const MIN_POSTINGS_PER_LOOKUP: u64 = 150_000;
/// Upper bound of the limit on the postings that a lookup reads, which bounds the time of a deep lookup. At half this
/// value, more recordings under noise are missed in large catalogs; at twice this value, deep lookups take up to twice
/// the time.
const MAX_POSTINGS_PER_LOOKUP: u64 = 2_500_000;

/// Parameters of one lookup.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CandidateLookup {
    /// Depth of the lookup: the ranks of the query's peaks that are used, and the number of pairs per peak.
    pub(crate) depth: Depth,
    /// Scale of the query; the query's peaks are rescaled to the original speed and pitch before the lookup.
    pub(crate) scale: Scale,
    /// Minimum number of votes of a candidate.
    pub(crate) min_votes: u32,
}

/// Searches for candidates. Owns reusable buffers.
#[derive(Debug, Default)]
pub(crate) struct Search {
    prober: Prober,
    /// Probes of the current lookup.
    lookup_probes: Vec<Probe>,
    /// Probes of all lookups.
    probes: Vec<Probe>,
    /// Votes of each lookup in the current run: one number of an offset bin per vote.
    votes: Vec<Vec<u32>>,
    /// Offsets with the most votes, for each lookup, in all runs.
    offset_peaks: Vec<Vec<OffsetPeak>>,
    offset_histogram: OffsetHistogram,
}

impl Search {
    /// Returns one list of candidates per lookup: the best ones, at most `max_candidates`, best first. The window is
    /// given by its peaks and its start in ticks; the times of candidates refer to this start. `groups` contains the
    /// number of postings of each group of hashes in the index.
    pub(crate) fn candidates(
        &mut self,
        session: &mut dyn SearchSession,
        groups: &[u32],
        window: (&[Peak], u32),
        lookups: &[CandidateLookup],
        max_candidates: usize,
    ) -> Result<Vec<Vec<Candidate>>, IndexError> {
        let Self { prober, lookup_probes, probes, votes, offset_peaks, offset_histogram } = self;
        votes.resize_with(lookups.len(), Vec::new);
        offset_peaks.resize_with(lookups.len(), Vec::new);
        offset_peaks.iter_mut().for_each(Vec::clear);
        probes.clear();
        for (i, CandidateLookup { depth, scale, .. }) in lookups.iter().enumerate() {
            lookup_probes.clear();
            prober.probes(window, *depth, scale.to_original(), i as u32, lookup_probes);
            // The probes are limited per lookup, before the lists are joined, so that the limit of one scale does not
            // depend on the other scales.
            retain_rarest(lookup_probes, groups);
            probes.append(lookup_probes);
        }
        // Sorted by hash, so that probes of the same bucket are adjacent: the lookups of a ladder share most of their
        // buckets.
        probes.sort_unstable_by_key(|probe| probe.low);
        session.vote(probes, votes, &mut |run, votes| {
            for ((lookup, votes), offset_peaks) in lookups.iter().zip(votes).zip(offset_peaks.iter_mut()) {
                offset_histogram.count(run, votes, (max_candidates, lookup.min_votes), offset_peaks);
            }
        })?;
        for offset_peaks in offset_peaks.iter_mut() {
            // The offsets are in order of the runs. This sort and `locate` make the result independent of that order.
            offset_peaks.sort_unstable_by_key(|s| (std::cmp::Reverse(s.votes), s.run, s.offset));
        }
        let lists: Vec<&[OffsetPeak]> = offset_peaks.iter().map(Vec::as_slice).collect();
        session.locate(&lists, max_candidates)
    }
}

/// Removes the probes of the most common hashes until the lookup reads no more postings than its limit.
fn retain_rarest(probes: &mut Vec<Probe>, groups: &[u32]) {
    let allowed = (probes.len() as u64 * POSTINGS_PER_PROBE)
        .clamp(MIN_POSTINGS_PER_LOOKUP, MAX_POSTINGS_PER_LOOKUP)
        * u64::from(GROUP_HASHES);
    let cost = |p: &Probe| {
        // The index stores counts for groups only, so the cost of a probe is estimated by the mean of its group.
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
