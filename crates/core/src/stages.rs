//! Single stages of the engine, for the benches only: no part of the interface.

use crate::fingerprint::Peak;
use crate::fingerprint::decimate::Decimator;
use crate::fingerprint::landmark;
use crate::fingerprint::spectrogram::Spectrogram;
use crate::index::{Home, IndexError, Snapshot};
use crate::matching::search::{self, Search};
use crate::matching::sweep::Scale;
use crate::matching::window::{DEEP, SHALLOW};

/// Samples at 44.1 kHz as the spectrogram takes them.
#[must_use]
pub fn decimate(samples: &[f32]) -> Vec<f32> {
    let (mut decimator, mut out) = (Decimator::new(), Vec::new());
    decimator.push(samples, |block| out.extend_from_slice(block));
    decimator.flush(|block| out.extend_from_slice(block));
    out
}

/// Sum of all powers in the spectrogram of decimated samples.
#[must_use]
pub fn spectrogram(decimated: &[f32]) -> f32 {
    let mut sum = 0.0;
    Spectrogram::new().push(decimated, |row| sum += row.iter().sum::<f32>());
    sum
}

/// Hashes of a reference's landmarks.
#[must_use]
pub fn landmarks(peaks: &[Peak]) -> Vec<u32> {
    let mut hashes = Vec::new();
    landmark::landmarks(peaks, |landmark| hashes.push(landmark.hash));
    hashes
}

/// What one lookup would read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lookup {
    /// Ranges of hashes.
    pub probes: usize,
    /// Bytes of all their postings.
    pub bytes: u64,
}

/// Size of the first (or `deep`) lookup of a query of one window.
///
/// # Errors
/// [`IndexError`] if the directory is damaged.
pub fn lookup(snapshot: &Snapshot, peaks: &[Peak], deep: bool) -> Result<Lookup, IndexError> {
    let mut probes = Vec::new();
    let depth = if deep { DEEP } else { SHALLOW };
    landmark::Prober::default().probes((peaks, 0), depth, Scale::PLAIN.undone(), 0, &mut probes);
    let mut lookup = Lookup { probes: probes.len(), bytes: 0 };
    for run in snapshot.runs() {
        for probe in &probes {
            lookup.bytes += run.cost(probe.low, probe.high)?;
        }
    }
    Ok(lookup)
}

/// Searches candidates as [`crate::matching::identify`] does; keeps its buffers.
#[derive(Debug, Default)]
pub struct Finder(Search);

impl Finder {
    /// Votes of the best candidates, best first, of the first (or `deep`) lookup.
    ///
    /// # Errors
    /// [`IndexError`] if the index is damaged.
    pub fn find(&mut self, snapshot: &Snapshot, peaks: &[Peak], deep: bool) -> Result<Vec<u32>, IndexError> {
        let depth = if deep { DEEP } else { SHALLOW };
        let lookup = search::Lookup { depth, scale: Scale::PLAIN, least: 3 };
        let (session, groups) = (&mut *snapshot.session(), Home::groups(snapshot));
        let found = self.0.candidates(session, groups, (peaks, 0), &[lookup], 32)?;
        Ok(found.iter().flatten().map(|candidate| candidate.votes).collect())
    }
}
