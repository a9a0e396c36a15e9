//! Last arrival of audio on a live stream without segments.

/// The last arrival of new audio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LastArrival {
    /// End of the audio that had arrived, in samples at 44.1 kHz since the first sample of the stream.
    pub(super) head: u64,
    /// Time of this arrival, seconds since 1970.
    pub(super) time: f64,
    /// Time up to which no audio after `head` arrived, seconds since 1970.
    pub(super) until: f64,
}

impl LastArrival {
    /// Returns `time` and `until`: when the last audio arrived, and until when no further audio arrived, in seconds
    /// since 1970.
    pub(super) fn span(&self) -> (f64, f64) {
        (self.time, self.until)
    }
}
