//! Reads fields of a transport stream packet (ISO/IEC 13818-1, 2.4.3).

use super::sync::PACKET_BYTES;

/// Returns the payload of a packet, and true if the packet announces a discontinuity of its continuity counter.
/// `control` is byte 3 of the packet. Returns `None` if the packet has no payload or is damaged.
pub(super) fn payload(packet: &[u8; PACKET_BYTES], control: u8) -> Option<(&[u8], bool)> {
    match control >> 4 & 3 {
        1 => Some((&packet[4..], false)),
        3 => {
            let length = usize::from(packet[4]);
            let announced = length > 0 && packet[5] & 0x80 != 0;
            // A damaged length can point beyond the packet.
            packet.get(5 + length..).map(|payload| (payload, announced))
        }
        _ => None,
    }
}

/// Returns true if `packet` is a duplicate of `before`, the previous packet (ISO/IEC 13818-1, 2.4.3.3). The clock in
/// the adaptation field of a duplicate may differ, so bytes 4 to 11 are not compared. The other bytes are enough to
/// distinguish packets.
pub(super) fn is_duplicate(packet: &[u8; PACKET_BYTES], before: &[u8; PACKET_BYTES]) -> bool {
    /// Offset of the first byte after the clock field: 4 bytes of header, 2 of length and flags, 6 of clock.
    const CLOCK_END: usize = 12;
    packet[..4] == before[..4] && packet[CLOCK_END..] == before[CLOCK_END..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_differ_only_in_their_clock() {
        let mut one = [0xAA; PACKET_BYTES];
        one[..6].copy_from_slice(&[0x47, 0x01, 0x00, 0x3F, 7, 0x10]);
        let mut duplicate = one;
        duplicate[8] = 0;
        assert!(is_duplicate(&duplicate, &one));
        duplicate[100] = 0;
        assert!(!is_duplicate(&duplicate, &one));
        assert_eq!(
            payload(&one, 0x3F).map(|(bytes, announced)| (bytes.len(), announced)),
            Some((176, false))
        );
        one[4] = 200;
        assert_eq!(payload(&one, 0x3F), None);
    }
}
