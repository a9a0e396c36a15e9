//! Time of the last arrival of a live stream without segments.

/// The last arrival of audio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LastArrival {
    /// Samples of the stream up to this arrival.
    pub(super) head: u64,
    /// Time of the arrival, seconds since 1970.
    pub(super) time: f64,
    /// Time until which nothing more is known to have arrived, seconds since 1970.
    pub(super) until: f64,
}

impl LastArrival {
    /// Returns the time when the last audio arrived and the time until which nothing more did, in seconds since 1970.
    pub(super) fn span(&self) -> (f64, f64) {
        (self.time, self.until)
    }
}
