//! Queue of new tracks that are written to the catalog in batches, because each transaction waits for the disk, and possibly
//! for the network.

use std::time::{Duration, Instant};

use refrain_app::audio_file::IndexedTrack;

/// Number of tracks from which on the batch is written. Each transaction waits once for the disk or the network, so
/// writing tracks one by one would limit the rate on a remote database. At twice this value, more fingerprinted tracks
/// are lost by a kill, although `MAX_DELAY` usually writes the batch first.
const MAX_BATCH_TRACKS: usize = 32;

/// Number of bytes of packed constellations from which on the batch is written (16 MiB). It bounds the memory and the
/// size of a transaction if files are hours long: a day of audio has several MB. Songs reach the limit of tracks long
/// before.
const MAX_BATCH_BYTES: usize = 16 << 20;

/// Maximum time that a track waits in the queue. About this much work is lost if the process is killed. At half this
/// value, a slow decode writes batches of a single track more often; at twice this value, twice the work can be lost.
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
        // The time of the first track, which waits longest.
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
