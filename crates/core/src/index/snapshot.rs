//! What a search sees.

use std::collections::HashSet;
use std::sync::Arc;

use super::layout::{POSTING_TICKS, TRACK_MARGIN, TrackEntry, taken};
use super::run::Run;
use super::write::{WriteError, write_tracks};
use super::{IndexError, TrackNumber};
use crate::fingerprint::Constellation;
use crate::fingerprint::landmark::GROUPS;

/// Immutable view of every searchable track; cheap to clone, safe to keep while the cache changes.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    runs: Vec<Arc<Run>>,
    removed: Arc<HashSet<TrackNumber>>,
    tracks: usize,
    seconds: f64,
    /// Postings of each group of hashes; empty for none.
    groups: Arc<[u32]>,
    /// Its own, shared with its clones only.
    identity: Arc<()>,
}

impl Snapshot {
    pub(crate) fn new(runs: Vec<Arc<Run>>, removed: Arc<HashSet<TrackNumber>>) -> Result<Self, IndexError> {
        let (mut tracks, mut units) = (0, 0u64);
        let mut groups = vec![0u32; GROUPS];
        for run in &runs {
            tracks += run.tracks();
            if let Some(last) = run.tracks().checked_sub(1) {
                let last = run.track(last)?;
                units += u64::from(last.start) + taken(last.length) - u64::from(TRACK_MARGIN);
            }
            groups.iter_mut().zip(run.groups()?).for_each(|(sum, count)| *sum = sum.saturating_add(count));
            if !removed.is_empty() {
                units -= gone(run, &removed)?;
            }
        }
        let ticks = units as f64 * f64::from(POSTING_TICKS);
        let tracks = tracks.saturating_sub(removed.len());
        let seconds = ticks / crate::fingerprint::TICKS_PER_SECOND;
        Ok(Self { runs, removed, tracks, seconds, groups: groups.into(), identity: Arc::default() })
    }

    /// An index in memory, of these tracks.
    ///
    /// # Errors
    /// [`IndexError::Unusable`] if they are too long together for one run (about three years of sound).
    pub fn from_tracks(tracks: &[(TrackNumber, Constellation)]) -> Result<Self, IndexError> {
        let unusable = || IndexError::Unusable { path: "(memory)".into(), reason: "too long" };
        let (bytes, fitted) = write_tracks(Vec::new(), 0, tracks).map_err(|error| match error {
            WriteError::Source(error) => error,
            WriteError::Io(_) => unusable(),
        })?;
        if fitted < tracks.len() {
            return Err(unusable());
        }
        Self::new(vec![Arc::new(Run::from_bytes(bytes, 0)?)], Arc::default())
    }

    /// Number of tracks that can be found.
    #[must_use]
    pub fn tracks(&self) -> usize {
        self.tracks
    }

    /// Postings in all runs.
    #[must_use]
    pub fn postings(&self) -> u64 {
        self.runs.iter().map(|r| r.postings()).sum()
    }

    /// Number of runs: each lookup asks all of them.
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

    /// What tells this view from every other: clones share it.
    pub(crate) fn identity(&self) -> &Arc<()> {
        &self.identity
    }

    /// Length of a track, seconds; `None` if the track is unknown or its entry cannot be read.
    #[must_use]
    pub fn track_seconds(&self, track: TrackNumber) -> Option<f64> {
        let (_, entry) = self.find(track).ok().flatten()?;
        Some(f64::from(entry.length) * f64::from(POSTING_TICKS) / crate::fingerprint::TICKS_PER_SECOND)
    }

    /// The run that holds a track, and the track's entry, unless it was removed.
    pub(crate) fn find(&self, track: TrackNumber) -> Result<Option<(&Run, TrackEntry)>, IndexError> {
        if self.is_removed(track) {
            return Ok(None);
        }
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

    /// Length of all indexed sound with its margins, seconds: the number of places where a match can lie.
    pub(crate) fn seconds(&self) -> f64 {
        self.seconds
    }
}

/// Part of a run's time line that belongs to removed tracks.
fn gone(run: &Run, removed: &HashSet<TrackNumber>) -> Result<u64, IndexError> {
    let mut units = 0;
    for index in 0..run.tracks() {
        let track = run.track(index)?;
        if removed.contains(&TrackNumber(track.number)) {
            units += taken(track.length);
        }
    }
    Ok(units)
}
