//! Single stages of the engine, for benchmarks. This module is not part of the public interface.

use crate::fingerprint::Peak;
use crate::fingerprint::decimate::Decimator;
use crate::fingerprint::landmark;
use crate::fingerprint::spectrogram::Spectrogram;
use crate::index::{IndexError, SearchIndex, Snapshot};
use crate::matching::search::{self, Search};
use crate::matching::sweep::Scale;
use crate::matching::window::{DEEP, SHALLOW};

/// Decimates samples at 44.1 kHz to the sample rate of the spectrogram.
#[must_use]
pub fn decimate(samples: &[f32]) -> Vec<f32> {
    let (mut decimator, mut out) = (Decimator::new(), Vec::new());
    decimator.push(samples, |block| out.extend_from_slice(block));
    decimator.flush(|block| out.extend_from_slice(block));
    out
}

/// Returns the sum of all powers in the spectrogram of decimated samples.
#[must_use]
pub fn spectrogram(decimated: &[f32]) -> f32 {
    let mut sum = 0.0;
    Spectrogram::new().push(decimated, |row| sum += row.iter().sum::<f32>());
    sum
}

/// Returns the hashes of the landmarks of a track, whose peaks have the reference density.
#[must_use]
pub fn landmarks(peaks: &[Peak]) -> Vec<u32> {
    let mut hashes = Vec::new();
    landmark::landmarks(peaks, |landmark| hashes.push(landmark.hash));
    hashes
}

/// Amount of index data that one lookup reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LookupCost {
    /// Number of probes: ranges of hashes that are looked up.
    pub probes: usize,
    /// Total size of the postings that are read for all probes, in bytes.
    pub bytes: u64,
}

/// Returns the amount of index data that one lookup of a query reads: the deep lookup if `deep` is true, else the
/// shallow one. `peaks` are the peaks of one window.
///
/// # Errors
/// [`IndexError`] if the directory of a run is damaged.
pub fn lookup(snapshot: &Snapshot, peaks: &[Peak], deep: bool) -> Result<LookupCost, IndexError> {
    let mut probes = Vec::new();
    let depth = if deep { DEEP } else { SHALLOW };
    landmark::Prober::default().probes((peaks, 0), depth, Scale::ORIGINAL.to_original(), 0, &mut probes);
    let mut lookup = LookupCost { probes: probes.len(), bytes: 0 };
    for run in snapshot.runs() {
        for probe in &probes {
            lookup.bytes += run.cost(probe.low, probe.high)?;
        }
    }
    Ok(lookup)
}

/// Searches for candidates in the same way as [`crate::matching::identify`]. A finder keeps its buffers for the next
/// search.
#[derive(Debug, Default)]
pub struct Finder(Search);

impl Finder {
    /// Returns the numbers of votes of the best candidates, at most 32, in descending order. `peaks` are the peaks of
    /// one window. The deep lookup is used if `deep` is true, else the shallow one.
    ///
    /// # Errors
    /// [`IndexError`] if the index is damaged.
    pub fn find(&mut self, snapshot: &Snapshot, peaks: &[Peak], deep: bool) -> Result<Vec<u32>, IndexError> {
        let depth = if deep { DEEP } else { SHALLOW };
        let lookup = search::CandidateLookup { depth, scale: Scale::ORIGINAL, min_votes: 3 };
        let (session, groups) = (&mut *snapshot.session(), SearchIndex::groups(snapshot));
        let found = self.0.candidates(session, groups, (peaks, 0), &[lookup], 32)?;
        Ok(found.iter().flatten().map(|candidate| candidate.votes).collect())
    }
}
