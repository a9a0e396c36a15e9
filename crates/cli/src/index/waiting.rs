//! Queue of new tracks that are written to the catalog in batches, because each transaction waits for the disk, and possibly
//! for the network.

use std::time::{Duration, Instant};

use refrain_app::audio_file::Learnt;

/// Number of tracks from which on the batch is written.
const TRACKS: usize = 32;

/// Number of bytes of packed constellations from which on the batch is written.
const BYTES: usize = 16 << 20;

/// Maximum time that a track waits in the queue. About this much work is lost if the process is killed.
pub(super) const LONGEST: Duration = Duration::from_secs(1);

/// New tracks in order of input.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    tracks: Vec<Learnt>,
    bytes: usize,
    since: Option<Instant>,
}

impl Waiting {
    /// Adds a track.
    pub(super) fn push(&mut self, new: Learnt) {
        self.bytes += new.track.constellation.len();
        self.since.get_or_insert_with(Instant::now);
        self.tracks.push(new);
    }

    /// Returns true if the batch should be written.
    pub(super) fn is_due(&self) -> bool {
        let long = self.since.is_some_and(|since| since.elapsed() >= LONGEST);
        long || self.tracks.len() >= TRACKS || self.bytes >= BYTES
    }

    /// Removes and returns all tracks.
    pub(super) fn take(&mut self) -> Vec<Learnt> {
        std::mem::take(self).tracks
    }
}
