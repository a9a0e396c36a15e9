//! The source of the times of a stream.

use serde::{Deserialize, Serialize};

/// The source of the times of day of a stream's audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClockSource {
    /// Dates in the stream (EXT-X-PROGRAM-DATE-TIME).
    ProgramDateTime,
    /// Arrival of the first audio, by this machine's clock.
    Arrival,
}

impl ClockSource {
    /// Returns the name of this source in JSON responses: `programDateTime` or `arrival`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProgramDateTime => "programDateTime",
            Self::Arrival => "arrival",
        }
    }
}
