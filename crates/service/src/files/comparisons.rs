//! Tracks that wait for the comparison with earlier ones.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use refrain_catalog::TrackNumber;
use tokio::sync::Notify;

/// Tracks that this process has added and not yet compared.
#[derive(Debug, Default)]
pub(super) struct Comparisons {
    own: Mutex<BTreeSet<TrackNumber>>,
    added: Notify,
}

impl Comparisons {
    /// Adds a new track.
    pub(super) fn add(&self, track: TrackNumber) {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).insert(track);
        self.added.notify_one();
    }

    /// Returns the tracks in order of their numbers.
    pub(super) fn own(&self) -> Vec<TrackNumber> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// Removes a track after it was compared, or after it was removed from the catalog.
    pub(super) fn forget(&self, track: TrackNumber) {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).remove(&track);
    }

    /// Waits until a track is added. Returns at once if a track was added since the last call.
    pub(super) async fn added(&self) {
        self.added.notified().await;
    }
}
