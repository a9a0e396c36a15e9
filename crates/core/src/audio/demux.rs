//! Results of demuxers: events, such as packets of one audio track.

use symphonia::core::packet::Packet;

use super::codec::Codec;

/// A packet of the selected track with its time.
pub(super) struct TimedPacket {
    /// The packet. `trim_start` and `trim_end` are numbers of samples to drop, for the codecs that use them.
    pub(super) packet: Packet,
    /// Start in seconds of the container's clock, or `None` if unknown.
    pub(super) start: Option<f64>,
    /// Length in seconds according to the container; 0 if unknown.
    pub(super) seconds: f64,
}

/// An event of a demuxer.
pub(super) enum DemuxEvent {
    /// A packet of the selected track.
    Packet(TimedPacket),
    /// The tracks of the file have changed. A track must be selected again.
    TracksChanged,
    /// A part of the file is damaged; the text describes the damage. More packets may follow.
    Damaged(String),
    /// Regular end of the packets.
    End,
    /// Premature end of the packets. The text is the reason.
    Truncated(String),
}

/// The selected track: its decoder and its declared properties.
pub(super) struct SelectedTrack {
    /// Decoder of the track.
    pub(super) codec: Codec,
    /// Sample rate in hertz; 0 if unknown before decoding.
    pub(super) rate: u32,
    /// Number of channels; 0 if unknown before decoding.
    pub(super) channels: usize,
    /// Length in seconds, or `None` if the container does not declare it exactly.
    pub(super) seconds: Option<f64>,
}
