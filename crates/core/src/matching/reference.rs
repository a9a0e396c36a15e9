//! Unpacked tracks for verification: each track is unpacked once and used for many candidates.

use std::collections::HashMap;
use std::sync::Arc;

use crate::fingerprint::{Peak, TICKS_PER_SECOND};
use crate::index::{Candidate, IndexError, POSTING_TICKS, SearchSession, TrackNumber};

/// A track with the peaks of its constellation, unpacked.
#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) number: TrackNumber,
    pub(crate) peaks: Vec<Peak>,
    /// Length, in ticks.
    pub(crate) ticks: f64,
}

/// Maximum number of unpacked tracks in memory: about 100 MB. At half this value, searches with many copies unpack
/// tracks again; at twice this value, the cache takes up to 200 MB for each search.
const MAX_LOADED_TRACKS: usize = 2000;

/// Cache of unpacked tracks of one catalog.
#[derive(Debug, Default)]
pub(crate) struct ReferenceCache {
    loaded: HashMap<TrackNumber, Arc<Reference>>,
}

impl ReferenceCache {
    /// Returns the track of a candidate, unpacked if it is not in the cache, and the time in the track at the start of
    /// the window, in ticks.
    pub(crate) fn of(
        &mut self,
        session: &mut dyn SearchSession,
        candidate: &Candidate,
    ) -> Result<(Arc<Reference>, f64), IndexError> {
        let at = (candidate.at * i64::from(POSTING_TICKS)) as f64;
        let number = candidate.track;
        if let Some(reference) = self.loaded.get(&number) {
            return Ok((Arc::clone(reference), at));
        }
        let constellation = session.constellation(candidate)?;
        let ticks = constellation.seconds * TICKS_PER_SECOND;
        let reference = Arc::new(Reference { number, peaks: constellation.peaks, ticks });
        // The whole cache is emptied instead of the oldest track: this happens rarely, and no order of use has to be
        // stored.
        if self.loaded.len() >= MAX_LOADED_TRACKS {
            self.loaded.clear();
        }
        self.loaded.insert(number, Arc::clone(&reference));
        Ok((reference, at))
    }

    /// Empties the cache if it has more than `max_tracks` tracks. Call it only between searches, because a search
    /// compares tracks by the address of their [`Reference`].
    pub(crate) fn trim(&mut self, max_tracks: usize) {
        if self.loaded.len() > max_tracks {
            self.loaded.clear();
        }
    }
}
