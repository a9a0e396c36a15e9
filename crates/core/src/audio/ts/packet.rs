//! What one packet says (ISO/IEC 13818-1, 2.4.3).

use super::sync::PACKET;

/// A packet's payload, and whether a jump of its counter is announced; nothing if there is no payload.
pub(super) fn payload(packet: &[u8; PACKET], control: u8) -> Option<(&[u8], bool)> {
    match control >> 4 & 3 {
        1 => Some((&packet[4..], false)),
        3 => {
            let length = usize::from(packet[4]);
            let announced = length > 0 && packet[5] & 0x80 != 0;
            packet.get(5 + length..).map(|payload| (payload, announced))
        }
        _ => None,
    }
}

/// Whether a packet is another's copy (ISO/IEC 13818-1, 2.4.3.3). The clock in an adaptation field may differ, so only
/// the end is compared: all of most packets, enough of the others.
pub(super) fn is_copy(packet: &[u8; PACKET], before: &[u8; PACKET]) -> bool {
    /// Bytes behind the longest clock field: 4 of header, 2 of flags, 6 of clock.
    const CLOCK_END: usize = 12;
    packet[..4] == before[..4] && packet[CLOCK_END..] == before[CLOCK_END..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_differs_in_nothing_but_its_clock() {
        let mut one = [0xAA; PACKET];
        one[..6].copy_from_slice(&[0x47, 0x01, 0x00, 0x3F, 7, 0x10]);
        let mut copy = one;
        copy[8] = 0;
        assert!(is_copy(&copy, &one));
        copy[100] = 0;
        assert!(!is_copy(&copy, &one));
        assert_eq!(
            payload(&one, 0x3F).map(|(bytes, announced)| (bytes.len(), announced)),
            Some((176, false))
        );
        one[4] = 200;
        assert_eq!(payload(&one, 0x3F), None);
    }
}
