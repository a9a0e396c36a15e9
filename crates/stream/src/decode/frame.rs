//! Frames between the demuxer and the playback.

use refrain_core::audio::ts::FrameFormat;

/// An encoded frame with its properties.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) data: &'a [u8],
    /// Format of the frame; `None` if the decoder was opened for its track.
    pub(super) format: Option<FrameFormat>,
    pub(super) seconds: f64,
    /// Time stamp in seconds.
    pub(super) time: Option<f64>,
    /// True if data was lost directly before the frame.
    pub(super) after_loss: bool,
}

/// Time of the next frame, from its segment or its connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeMark {
    /// EXT-X-PROGRAM-DATE-TIME, seconds since 1970.
    pub(super) program_date_time: Option<f64>,
    /// Time of reception less the durations of the segment and the media after it, seconds since 1970: an upper bound.
    pub(super) arrival: f64,
    /// True if the media was received as soon after its production as the source allows.
    pub(super) live: bool,
    /// True if the times are known to restart with this frame.
    pub(super) certain: bool,
}
