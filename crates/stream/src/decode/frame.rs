//! Frames that the demuxer passes to the playback, and the times that apply to them.

use refrain_core::audio::ts::FrameFormat;

/// An encoded audio frame with its format, duration and time stamp.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) data: &'a [u8],
    /// Format of the frame; `None` for MP4, where the decoder is opened for the whole track.
    pub(super) format: Option<FrameFormat>,
    pub(super) seconds: f64,
    /// Time stamp in seconds; `None` if the frame has none.
    pub(super) time: Option<f64>,
    /// True if data was lost directly before the frame.
    pub(super) after_loss: bool,
}

/// Time of the next frame, derived from its segment or its connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeMark {
    /// EXT-X-PROGRAM-DATE-TIME, seconds since 1970; `None` if there is no date.
    pub(super) program_date_time: Option<f64>,
    /// Latest possible time of the frame by arrival, seconds since 1970. For a segment, it is the time of its first
    /// listing minus the durations of the segment and of the media listed after it.
    pub(super) arrival: f64,
    /// True for a segment of a live playlist, whose `arrival` may correct the clock.
    pub(super) live: bool,
    /// True if times restart with this frame: after a discontinuity or at the start of a connection.
    pub(super) certain: bool,
    /// True if the date shows what an encoder lost or repeats at a restart: for a discontinuity of a live playlist, except
    /// at the end of an ad, after which a packager can continue with older media.
    pub(super) is_restart: bool,
}

impl TimeMark {
    /// Returns the mark of the first frame of a connection that began at `arrival`, seconds since 1970.
    pub(super) fn connected_at(arrival: f64) -> Self {
        Self { program_date_time: None, arrival, live: false, certain: true, is_restart: false }
    }
}
