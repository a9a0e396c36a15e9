//! Formats of media.

use refrain_core::audio::ts::{AudioCoding, FrameSplitter, TsDemuxer};

use super::fragments::Fragments;
use super::id3::TaggedAudio;

/// Content of a segment, recognized by its bytes.
pub(super) enum SegmentContent<'a> {
    MediaFormat(MediaFormat<'a>),
    /// Bytes without media: an error page, subtitles, encrypted bytes, or no bytes.
    Nothing,
}

/// Format of the media in a segment.
#[derive(Clone, Copy)]
pub(super) enum MediaFormat<'a> {
    Ts,
    Mp4,
    Packed(TaggedAudio<'a>, AudioCoding),
}

/// Format that is being demuxed, with the state of its demuxer.
#[derive(Debug, Default)]
pub(super) enum ActiveDemuxer {
    #[default]
    Unknown,
    Ts(Box<TsDemuxer>),
    Frames(FrameSplitter),
    Mp4(Fragments),
}
