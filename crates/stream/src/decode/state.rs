//! State of a decoder that outlives its process.

use serde::{Deserialize, Serialize};

use super::clock::StreamClock;
use super::report::DecoderReport;

/// State from which a new [`StreamDecoder`](super::StreamDecoder) can continue a stream after the process of the old one was lost.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DecoderState {
    /// Samples at 44.1 kHz from the first one of the stream to the end of the emitted audio.
    pub position: u64,
    /// The map from position to time of day.
    pub clock: StreamClock,
    /// Counters of the stream so far.
    pub report: DecoderReport,
}
