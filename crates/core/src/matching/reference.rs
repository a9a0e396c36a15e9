//! Tracks as verification needs them, unpacked once for many candidates.

use std::collections::HashMap;
use std::sync::Arc;

use crate::fingerprint::{Peak, TICKS_PER_SECOND};
use crate::index::{Candidate, IndexError, POSTING_TICKS, Session, TrackNumber};

/// A track as verification needs it.
#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) number: TrackNumber,
    pub(crate) peaks: Vec<Peak>,
    /// Length in ticks.
    pub(crate) ticks: f64,
}

/// Tracks that are kept unpacked at once: about 100 MB.
const MOST_LOADED: usize = 2000;

/// Tracks that were unpacked, of one catalogue.
#[derive(Debug, Default)]
pub(crate) struct References {
    loaded: HashMap<TrackNumber, Arc<Reference>>,
}

impl References {
    /// The track of a candidate, and the time in it at the window's start.
    pub(crate) fn of(
        &mut self,
        session: &mut dyn Session,
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
        if self.loaded.len() >= MOST_LOADED {
            self.loaded.clear();
        }
        self.loaded.insert(number, Arc::clone(&reference));
        Ok((reference, at))
    }

    /// Forgets all if they are more than this: between searches, for within one each track must stay the same.
    pub(crate) fn trim(&mut self, most: usize) {
        if self.loaded.len() > most {
            self.loaded.clear();
        }
    }
}
