//! Queue of new tracks. They are written to the catalog in batches, because each transaction waits for the disk or the
//! network.

use std::time::{Duration, Instant};

use refrain_app::audio_file::IndexedTrack;

/// Number of tracks at which a batch is written. Each transaction waits for the disk or the network, so single tracks
/// would limit the speed of indexing with a remote database. A larger batch loses more work if the process is killed,
/// although [`MAX_DELAY`] usually triggers the write first.
const MAX_BATCH_TRACKS: usize = 32;

/// Size of the packed constellations in bytes at which a batch is written (16 MiB). It limits the memory and the size
/// of a transaction if files are hours long; a day of audio has several MB. With songs, the limit of
/// [`MAX_BATCH_TRACKS`] is reached first.
const MAX_BATCH_BYTES: usize = 16 << 20;

/// Maximum time that a track waits in the queue, and so the amount of work that is lost if the process is killed. With
/// half of it, more batches contain a single track if decoding is slow; with twice the time, up to 2 s of work are
/// lost.
pub(super) const MAX_DELAY: Duration = Duration::from_secs(1);

/// The queued tracks in the order of the input files, and the time since which the first one waits.
#[derive(Debug, Default)]
pub(super) struct TrackBatch {
    tracks: Vec<IndexedTrack>,
    bytes: usize,
    since: Option<Instant>,
}

impl TrackBatch {
    /// Adds a track to the end of the queue.
    pub(super) fn push(&mut self, new: IndexedTrack) {
        self.bytes += new.track.constellation.len();
        // The time is that of the first track, which waits longest.
        self.since.get_or_insert_with(Instant::now);
        self.tracks.push(new);
    }

    /// Returns true if the batch has reached a limit of tracks, bytes or time, and should be written.
    pub(super) fn is_due(&self) -> bool {
        let is_old = self.since.is_some_and(|since| since.elapsed() >= MAX_DELAY);
        is_old || self.tracks.len() >= MAX_BATCH_TRACKS || self.bytes >= MAX_BATCH_BYTES
    }

    /// Removes and returns all tracks of the queue.
    pub(super) fn take(&mut self) -> Vec<IndexedTrack> {
        std::mem::take(self).tracks
    }
}
