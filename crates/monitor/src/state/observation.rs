//! Observations about a stream.

use super::StreamPhase;

/// An observation about a stream, an input of [`StateMachine`](super::StateMachine).
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Observation {
    /// The source is in this condition.
    Source(SourceCondition),
    /// Media was received.
    Media,
    /// Audio was decoded. It ends with this number of seconds of silence.
    Audio {
        /// Length of the silence in seconds; 0 if the audio ends with sound.
        silence_seconds: f64,
    },
    /// Media was processed, and no audio was decoded from it.
    NoAudio {
        /// Reason; `None` if it is unknown.
        reason: Option<String>,
        /// True for a whole HLS segment; false for media of unknown length, which can end within a frame.
        is_segment: bool,
    },
    /// The stream ends in this final state. Later observations have no effect.
    End(StreamPhase),
}

/// Condition of the source of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SourceCondition {
    /// Nothing was received yet, and no request has failed. Contains the reason if this lasts too long.
    Opening(&'static str),
    /// The source delivers media.
    Receiving,
    /// Requests fail, for this reason, and are repeated.
    Failing(String),
    /// The media cannot be decrypted, for this reason.
    Undecryptable(String),
    /// The source delivers nothing new although no request fails. Contains the reason.
    Stalled(&'static str),
}

impl SourceCondition {
    /// Returns the reason why no media is received; `None` if the source works.
    pub(super) fn failure(&self) -> Option<&str> {
        match self {
            Self::Failing(reason) | Self::Undecryptable(reason) => Some(reason),
            Self::Stalled(reason) => Some(reason),
            Self::Opening(_) | Self::Receiving => None,
        }
    }
}
