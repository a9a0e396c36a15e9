//! State of a decoder, which is kept outside its process.

use serde::{Deserialize, Serialize};

use super::clock::StreamClock;
use super::report::DecoderReport;

/// State from which a new [`StreamDecoder`](super::StreamDecoder) can continue a stream after the process of the old
/// decoder was lost.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DecoderState {
    /// End of the emitted audio and gaps, in samples at 44.1 kHz since the first sample of the stream.
    pub position: u64,
    /// The clock, which maps positions to the time of day.
    pub clock: StreamClock,
    /// Counters of the stream so far.
    pub report: DecoderReport,
}
