//! Limits for the decoding of files.

use refrain_core::audio::Limits;

/// Returns the limits for the decoding of files.
#[must_use]
pub fn limits() -> Limits {
    Limits::default()
}
