//! Limits of files.

use refrain_core::audio::Limits;

/// Limits of files.
#[must_use]
pub fn limits() -> Limits {
    Limits::default()
}
