//! States of a stream.

use std::fmt;

use refrain_catalog::StreamState;
use refrain_stream::hls::EndReason;

/// The reason why a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEnd {
    /// The playlist has the end tag `EXT-X-ENDLIST`.
    EndList,
    /// No new media has arrived for the give-up budget of the stream, by default 5 minutes.
    Silent,
    /// The file or pipe was read to its end.
    ReadToEnd,
    /// The station closed the connection and does not accept another.
    StationEnded,
    /// The caller stopped the stream with its [`StreamHandle`](crate::StreamHandle), or left it to another worker.
    Stopped,
}

impl fmt::Display for StreamEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EndList => "the playlist has an end tag",
            Self::Silent => "no media for a long time",
            Self::ReadToEnd => "the input was read to its end",
            Self::StationEnded => "the station closed the connection",
            Self::Stopped => "it was stopped",
        })
    }
}

impl From<EndReason> for StreamEnd {
    fn from(reason: EndReason) -> Self {
        match reason {
            EndReason::EndList => Self::EndList,
            // `EndReason` is non-exhaustive; every other reason is the lack of new media.
            _ => Self::Silent,
        }
    }
}

/// State of a stream. [`StreamStatus::reason`](crate::StreamStatus::reason) contains the reason of the state.
///
/// # Examples
/// ```
/// use refrain_monitor::{StreamEnd, StreamPhase};
///
/// let phase = StreamPhase::Ended(StreamEnd::EndList);
/// assert!(phase.is_end());
/// assert_eq!(phase.to_string(), "ended: the playlist has an end tag");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StreamPhase {
    /// No media was processed yet, and no request has failed.
    #[default]
    Starting,
    /// Audio is being decoded.
    Live,
    /// Media arrives, but no audio can be decoded from it: its codec or encryption is not supported, or it is not media.
    NoAudio,
    /// Audio is being decoded, and its level has been below −60 dBFS for 10 s.
    Silent,
    /// No media has arrived for 10 s (HLS: for [`stalled_after`](refrain_stream::hls::HlsSettings::stalled_after)
    /// target durations, by default 3), although no request fails.
    Stalled,
    /// Requests to the source fail and are repeated, and no audio was decoded for 10 s.
    Retrying,
    /// The stream has ended for this reason.
    Ended(StreamEnd),
    /// The stream could not be opened, contained no audio, or cannot be followed any more. The text is the reason.
    Failed(String),
    /// Several consecutive deliveries killed the decoder process of the stream. The text is the reason.
    DecoderDied(String),
}

impl StreamPhase {
    /// Returns true if the stream has ended or failed, for whatever reason.
    #[must_use]
    pub fn is_end(&self) -> bool {
        self.state().is_over()
    }

    /// Returns the state without its reason, as the catalog stores it.
    #[must_use]
    pub fn state(&self) -> StreamState {
        match self {
            Self::Starting => StreamState::Starting,
            Self::Live => StreamState::Live,
            Self::NoAudio => StreamState::NoAudio,
            Self::Silent => StreamState::Silent,
            Self::Stalled => StreamState::Stalled,
            Self::Retrying => StreamState::Retrying,
            Self::Ended(_) => StreamState::Ended,
            Self::Failed(_) | Self::DecoderDied(_) => StreamState::Failed,
        }
    }

    /// Returns the name of the state, that of [`Self::state`].
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.state().as_str()
    }

    /// Returns the reason of a final state; `None` for every other state.
    pub(crate) fn end_reason(&self) -> Option<String> {
        match self {
            Self::Ended(why) => Some(why.to_string()),
            Self::Failed(why) | Self::DecoderDied(why) => Some(why.clone()),
            _ => None,
        }
    }
}

impl fmt::Display for StreamPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(why) => write!(f, "{}: {why}", self.name()),
            Self::Failed(why) | Self::DecoderDied(why) => write!(f, "{}: {why}", self.name()),
            _ => f.write_str(self.name()),
        }
    }
}
