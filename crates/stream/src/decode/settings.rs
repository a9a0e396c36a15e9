//! Settings of the decoder.

use std::time::{SystemTime, UNIX_EPOCH};

/// Settings of a [`StreamDecoder`](super::StreamDecoder).
#[derive(Debug, Clone)]
pub struct DecoderSettings {
    /// Function that returns the time of day, seconds since 1970. Default: this machine's clock.
    /// [`StreamDecoder::process`](super::StreamDecoder::process) calls it at the first bytes of a connection, only for
    /// streams with neither segments nor arrival times.
    pub wall_clock: fn() -> f64,
}

impl Default for DecoderSettings {
    fn default() -> Self {
        Self { wall_clock: || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() }
    }
}
