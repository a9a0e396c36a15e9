//! Results of demuxers: packets of one audio track, and events.

use symphonia::core::packet::Packet;

use super::codec::Codec;

/// A packet with its time.
pub(super) struct TimedPacket {
    /// The packet. Its `trim_start` and `trim_end` are in samples for the codecs that use them.
    pub(super) packet: Packet,
    /// Start in seconds, or `None` if unknown.
    pub(super) start: Option<f64>,
    /// Length in seconds according to the container; 0 if unknown.
    pub(super) seconds: f64,
}

/// An event of a demuxer.
pub(super) enum DemuxEvent {
    /// A packet of the chosen track.
    Packet(TimedPacket),
    /// The tracks changed; a track must be chosen again.
    TracksChanged,
    /// A part of the file could not be read. More packets may follow.
    Damaged(String),
    /// Regular end of the packets.
    End,
    /// Premature end of the packets, with the reason.
    Truncated(String),
}

/// The chosen track: its decoder and its declared properties.
pub(super) struct SelectedTrack {
    /// Decoder of the track.
    pub(super) codec: Codec,
    /// Sample rate in hertz, 0 if unknown before decoding.
    pub(super) rate: u32,
    /// Number of channels, 0 if unknown before decoding.
    pub(super) channels: usize,
    /// Length in seconds, if the container declares it exactly.
    pub(super) seconds: Option<f64>,
}
