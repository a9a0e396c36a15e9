//! Settings of the decoder.

use std::time::{SystemTime, UNIX_EPOCH};

/// Settings of a [`StreamDecoder`](super::StreamDecoder).
#[derive(Debug, Clone)]
pub struct DecoderSettings {
    /// Returns the time of day, seconds since 1970. It is called only for streams without segments, when the first byte
    /// of a connection arrives. Default: this machine's clock.
    pub wall_clock: fn() -> f64,
}

impl Default for DecoderSettings {
    fn default() -> Self {
        Self { wall_clock: || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() }
    }
}
