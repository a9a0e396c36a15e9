//! Time that the stages of processing take.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Wall-clock time that each stage of processing took since the start of a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct StageTimes {
    /// Demultiplexing, decoding and resampling.
    pub decode: Duration,
    /// Spectrogram and peaks.
    pub fingerprint: Duration,
    /// Searching and verifying.
    pub matching: Duration,
}
