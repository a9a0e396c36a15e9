//! New tracks on their way to the catalogue: written many at once, because each transaction waits for a disk, and
//! perhaps for a network.

use std::time::{Duration, Instant};

use refrain_service::sound::Learnt;

/// Tracks that are written at once.
const TRACKS: usize = 32;

/// Bytes of packed constellations that are written at once.
const BYTES: usize = 16 << 20;

/// Longest time that a track waits for others: about what is lost when the process is killed.
pub(super) const LONGEST: Duration = Duration::from_secs(1);

/// New tracks in order of input.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    tracks: Vec<Learnt>,
    bytes: usize,
    since: Option<Instant>,
}

impl Waiting {
    /// One more.
    pub(super) fn push(&mut self, new: Learnt) {
        self.bytes += new.track.constellation.len();
        self.since.get_or_insert_with(Instant::now);
        self.tracks.push(new);
    }

    /// Whether it is time to write.
    pub(super) fn is_due(&self) -> bool {
        let long = self.since.is_some_and(|since| since.elapsed() >= LONGEST);
        long || self.tracks.len() >= TRACKS || self.bytes >= BYTES
    }

    /// All of them; none wait from here on.
    pub(super) fn take(&mut self) -> Vec<Learnt> {
        std::mem::take(self).tracks
    }
}
