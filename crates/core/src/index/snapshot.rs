//! The view of the index that a search uses.

use std::collections::HashSet;
use std::sync::Arc;

use super::layout::{POSTING_TICKS, TRACK_MARGIN_UNITS, TrackEntry, units_taken};
use super::run::Run;
use super::sections::WriteError;
use super::write::write_tracks;
use super::{IndexError, TrackNumber};
use crate::fingerprint::Constellation;
use crate::fingerprint::landmark::GROUPS;

/// Immutable view of all searchable tracks. A snapshot is cheap to clone and stays valid while the cache changes.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    runs: Vec<Arc<Run>>,
    removed: Arc<HashSet<TrackNumber>>,
    tracks: usize,
    seconds: f64,
    /// Number of postings of each group of hashes in all runs; empty in the default snapshot.
    groups: Arc<[u32]>,
    /// Identity of this snapshot, which it shares only with its clones.
    identity: Arc<()>,
}

impl Snapshot {
    pub(crate) fn new(runs: Vec<Arc<Run>>, removed: Arc<HashSet<TrackNumber>>) -> Result<Self, IndexError> {
        let (mut tracks, mut units) = (0, 0u64);
        let mut groups = vec![0u32; GROUPS];
        for run in &runs {
            tracks += run.tracks();
            // The sum of what all tracks take is the end of the last track. `start` already contains the margin of that
            // track, so one margin is subtracted.
            if let Some(last) = run.tracks().checked_sub(1) {
                let last = run.track(last)?;
                units += u64::from(last.start) + units_taken(last.length) - u64::from(TRACK_MARGIN_UNITS);
            }
            // A saturated sum is exact enough, because the counts only rank groups by how common they are.
            groups.iter_mut().zip(run.groups()?).for_each(|(sum, count)| *sum = sum.saturating_add(count));
            if !removed.is_empty() {
                units -= removed_units(run, &removed)?;
            }
        }
        let ticks = units as f64 * f64::from(POSTING_TICKS);
        let tracks = tracks.saturating_sub(removed.len());
        let seconds = ticks / crate::fingerprint::TICKS_PER_SECOND;
        Ok(Self { runs, removed, tracks, seconds, groups: groups.into(), identity: Arc::default() })
    }

    /// Builds an index of these tracks in memory.
    ///
    /// # Errors
    /// [`IndexError::Unusable`] if the tracks together are too long for one run (about three years of audio).
    ///
    /// # Examples
    ///
    /// ```
    /// use refrain_core::fingerprint::{Constellation, Peak};
    /// use refrain_core::index::{Snapshot, TrackNumber};
    ///
    /// let peak = |time| Peak { time, frequency: 800 + time as u16, rank: 0 };
    /// let constellation = Constellation::new(2.0, (0..9).map(|beat| peak(beat * 30)).collect());
    /// let index = Snapshot::from_tracks(&[(TrackNumber(7), constellation)])?;
    /// assert_eq!(index.tracks(), 1);
    /// assert!(index.track_seconds(TrackNumber(8)).is_none());
    /// # Ok::<(), refrain_core::index::IndexError>(())
    /// ```
    pub fn from_tracks(tracks: &[(TrackNumber, Constellation)]) -> Result<Self, IndexError> {
        let unusable = || IndexError::Unusable { path: "(memory)".into(), reason: "too long" };
        let (bytes, fitted) = write_tracks(Vec::new(), 0, tracks).map_err(|error| match error {
            WriteError::MergeInput(error) => error,
            WriteError::Io(_) => unusable(),
        })?;
        if fitted < tracks.len() {
            return Err(unusable());
        }
        Self::new(vec![Arc::new(Run::from_bytes(bytes, 0)?)], Arc::default())
    }

    /// Returns the number of tracks that can be found, without removed ones.
    #[must_use]
    pub fn tracks(&self) -> usize {
        self.tracks
    }

    /// Returns the number of postings in all runs, including those of removed tracks.
    #[must_use]
    pub fn postings(&self) -> u64 {
        self.runs.iter().map(|r| r.postings()).sum()
    }

    /// Returns the number of runs. Each lookup reads all runs.
    #[must_use]
    pub fn runs_count(&self) -> usize {
        self.runs.len()
    }

    pub(crate) fn runs(&self) -> &[Arc<Run>] {
        &self.runs
    }

    pub(crate) fn is_removed(&self, track: TrackNumber) -> bool {
        self.removed.contains(&track)
    }

    pub(crate) fn groups(&self) -> &[u32] {
        &self.groups
    }

    /// Returns the identity of this snapshot. Clones of a snapshot have the same identity (`Arc::ptr_eq`), other
    /// snapshots a different one.
    pub(crate) fn identity(&self) -> &Arc<()> {
        &self.identity
    }

    /// Returns the length of a track in seconds. Returns `None` if the track is unknown or removed, or if its entry
    /// cannot be read.
    #[must_use]
    pub fn track_seconds(&self, track: TrackNumber) -> Option<f64> {
        let (_, entry) = self.find(track).ok().flatten()?;
        Some(f64::from(entry.length) * f64::from(POSTING_TICKS) / crate::fingerprint::TICKS_PER_SECOND)
    }

    /// Returns the run that contains a track and the entry of the track, or `None` if the track is unknown or
    /// removed.
    pub(crate) fn find(&self, track: TrackNumber) -> Result<Option<(&Run, TrackEntry)>, IndexError> {
        if self.is_removed(track) {
            return Ok(None);
        }
        // All track tables are scanned, because this method is called seldom, and a map from numbers to entries would
        // need memory for every track.
        for run in &self.runs {
            for index in 0..run.tracks() {
                let entry = run.track(index)?;
                if entry.number == track.0 {
                    return Ok(Some((run, entry)));
                }
            }
        }
        Ok(None)
    }

    /// Returns the length of all indexed audio in seconds, including the margins between tracks. It measures the number
    /// of positions at which a match can occur.
    pub(crate) fn seconds(&self) -> f64 {
        self.seconds
    }
}

/// Returns the length that removed tracks take on the time line of a run, including their margins, in units of a
/// posting's time.
fn removed_units(run: &Run, removed: &HashSet<TrackNumber>) -> Result<u64, IndexError> {
    let mut units = 0;
    for index in 0..run.tracks() {
        let track = run.track(index)?;
        if removed.contains(&TrackNumber(track.number)) {
            units += units_taken(track.length);
        }
    }
    Ok(units)
}
