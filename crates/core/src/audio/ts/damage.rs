//! Counts of damage in a transport stream.

/// Counts of damage since the start of the transport stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TsDamage {
    /// Number of missing packets of the audio stream, according to their continuity counters.
    pub lost_packets: u64,
    /// Number of packets with a wrong sync byte or marked as damaged by the receiver. A place after which the sync
    /// bytes had to be searched for again counts as one packet.
    pub bad_packets: u64,
    /// Number of tables with an invalid checksum or structure, and of PES packets without a valid header.
    pub bad_sections: u64,
    /// Number of encrypted packets of the audio stream.
    pub scrambled_packets: u64,
    /// Number of places where audio frames were damaged or lost.
    pub bad_frames: u64,
}
