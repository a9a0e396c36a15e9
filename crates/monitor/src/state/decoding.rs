//! Observations about the decoder.

use refrain_stream::{DecoderReport, Delivery, GapReason, LiveAudio};

use super::Observation;

/// Kind of a delivery with media, or in place of media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaKind {
    /// A whole HLS segment.
    Segment,
    /// Media of unknown length.
    Piece,
    /// A segment that the playlist marks as missing.
    Missing,
}

/// Reason if the playlist marks segments as missing.
const MARKED_REASON: &str = "the playlist marks segments as missing (EXT-X-GAP)";

impl MediaKind {
    /// Returns the kind of a delivery, or `None` if it has none.
    pub(crate) fn of(delivery: &Delivery) -> Option<Self> {
        match delivery {
            Delivery::HlsSegment(segment) => Some(if segment.part { Self::Piece } else { Self::Segment }),
            Delivery::Bytes(_) | Delivery::Decoded(_) => Some(Self::Piece),
            Delivery::Live(chunk) => match &chunk.audio {
                // An empty chunk marks the end of a connection.
                LiveAudio::Bytes(bytes) => (!bytes.is_empty()).then_some(Self::Piece),
                LiveAudio::Samples(_) => Some(Self::Piece),
            },
            Delivery::Gap(gap) => (gap.reason == GapReason::Marked).then_some(Self::Missing),
            Delivery::Title(_) | Delivery::Reconnected => None,
        }
    }
}

/// Returns the observation about the last job of the decoder. `seconds_before` is the duration of the audio decoded
/// before, and `media` the kind of the delivery. Returns `None` if the job contained neither media nor audio.
pub(crate) fn decoding_of(
    report: &DecoderReport,
    seconds_before: f64,
    media: Option<MediaKind>,
) -> Option<Observation> {
    if media == Some(MediaKind::Missing) {
        return Some(Observation::NoAudio { reason: Some(MARKED_REASON.to_owned()), is_segment: true });
    }
    if report.seconds > seconds_before {
        return Some(Observation::Audio { silence_seconds: report.silence_run_seconds });
    }
    let reason = report.unsupported.as_ref().map(|codec| format!("the codec cannot be decoded: {codec}"));
    media.map(|kind| Observation::NoAudio { reason, is_segment: kind == MediaKind::Segment })
}
