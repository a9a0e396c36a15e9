//! Limits for the decoding of complete files.

use refrain_core::audio::Limits;

/// Returns the default decoder limits, which the commands and the service use for complete files.
#[must_use]
pub fn limits() -> Limits {
    Limits::default()
}
