//! Queue of new tracks that are written to the catalog in batches, because each transaction waits for the disk, and possibly
//! for the network.

use std::time::{Duration, Instant};

use refrain_app::audio_file::IndexedTrack;

/// Number of tracks from which on the batch is written.
const MAX_BATCH_TRACKS: usize = 32;

/// Number of bytes of packed constellations from which on the batch is written.
const MAX_BATCH_BYTES: usize = 16 << 20;

/// Maximum time that a track waits in the queue. About this much work is lost if the process is killed.
pub(super) const MAX_DELAY: Duration = Duration::from_secs(1);

/// New tracks in order of input.
#[derive(Debug, Default)]
pub(super) struct TrackBatch {
    tracks: Vec<IndexedTrack>,
    bytes: usize,
    since: Option<Instant>,
}

impl TrackBatch {
    /// Adds a track.
    pub(super) fn push(&mut self, new: IndexedTrack) {
        self.bytes += new.track.constellation.len();
        self.since.get_or_insert_with(Instant::now);
        self.tracks.push(new);
    }

    /// Returns true if the batch should be written.
    pub(super) fn is_due(&self) -> bool {
        let is_old = self.since.is_some_and(|since| since.elapsed() >= MAX_DELAY);
        is_old || self.tracks.len() >= MAX_BATCH_TRACKS || self.bytes >= MAX_BATCH_BYTES
    }

    /// Removes and returns all tracks.
    pub(super) fn take(&mut self) -> Vec<IndexedTrack> {
        std::mem::take(self).tracks
    }
}
