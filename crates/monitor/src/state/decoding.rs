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

/// Durations of the audio that was decoded and of the repeated audio that was left out, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct AudioSeconds {
    decoded: f64,
    repeated: f64,
}

impl AudioSeconds {
    pub(crate) fn of(report: &DecoderReport) -> Self {
        Self { decoded: report.seconds, repeated: report.repeated_seconds }
    }
}

/// Returns the observation about the last job of the decoder. `before` is the audio before the job, and `media` the kind of
/// the delivery. Returns `None` if the job contained neither media nor audio, or only repeated audio.
pub(crate) fn decoding_of(
    report: &DecoderReport,
    before: AudioSeconds,
    media: Option<MediaKind>,
) -> Option<Observation> {
    if media == Some(MediaKind::Missing) {
        return Some(Observation::NoAudio { reason: Some(MARKED_REASON.to_owned()), is_segment: true });
    }
    let now = AudioSeconds::of(report);
    if now.decoded > before.decoded {
        return Some(Observation::Audio { silence_seconds: report.silence_run_seconds });
    }
    if now.repeated > before.repeated {
        return None;
    }
    let reason = report.unsupported.as_ref().map(|codec| format!("the codec cannot be decoded: {codec}"));
    media.map(|kind| Observation::NoAudio { reason, is_segment: kind == MediaKind::Segment })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_audio_is_neither_audio_nor_a_failure() {
        let segment = Some(MediaKind::Segment);
        let mut report = DecoderReport::default();
        let before = AudioSeconds::of(&report);
        let no_audio = Observation::NoAudio { reason: None, is_segment: true };
        assert_eq!(decoding_of(&report, before, segment), Some(no_audio));
        report.repeated_seconds = 2.0;
        assert_eq!(decoding_of(&report, before, segment), None);
        report.seconds = 0.1;
        let audio = Observation::Audio { silence_seconds: 0.0 };
        assert_eq!(decoding_of(&report, before, segment), Some(audio));
    }
}
