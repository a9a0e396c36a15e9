//! Detects lost and repeated packets by their continuity counters (ISO/IEC 13818-1, 2.4.3.3).

/// Number of possible packet ids, which have 13 bits.
const PIDS: usize = 1 << 13;
/// Value of a continuity counter before the first packet.
const UNKNOWN: u8 = 0xFF;

/// Relation of a packet to the previous packet with the same id, according to their counters.
pub(super) enum Continuity {
    /// The packet follows the previous one.
    Next,
    /// Both packets have the same counter.
    Repeated,
    /// This number of packets, 1 to 14, is missing between both packets. A loss of 16 more packets gives the same
    /// number, because the counter has 4 bits.
    Jump(u64),
}

/// The last continuity counter of each packet id, indexed by packet id.
#[derive(Debug)]
pub(super) struct ContinuityCounters(Vec<u8>);

impl ContinuityCounters {
    /// Creates the counters at the start of a stream.
    pub(super) fn new() -> Self {
        Self(vec![UNKNOWN; PIDS])
    }

    /// Discards the counters of all packet ids, as at the start of a stream.
    pub(super) fn reset(&mut self) {
        self.0.fill(UNKNOWN);
    }

    /// Discards the counter of the packet id `pid`. The next packet with this id is [`Continuity::Next`].
    pub(super) fn reset_pid(&mut self, pid: u16) {
        self.0[usize::from(pid)] = UNKNOWN;
    }

    /// Records the counter of a packet, 0 to 15, and compares it with the counter of the previous packet with the same
    /// id. The first packet with an id is [`Continuity::Next`].
    pub(super) fn record(&mut self, pid: u16, counter: u8) -> Continuity {
        let before = std::mem::replace(&mut self.0[usize::from(pid)], counter);
        match counter.wrapping_sub(before) & 0xF {
            _ if before == UNKNOWN => Continuity::Next,
            0 => Continuity::Repeated,
            1 => Continuity::Next,
            step => Continuity::Jump(u64::from(step) - 1),
        }
    }
}
