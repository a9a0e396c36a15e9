//! Reads packetised elementary streams (PES). A PES packet consists of a header with a time stamp and bytes of the
//! elementary stream (ISO/IEC 13818-1, 2.4.3.6).

/// Length in bytes of the fixed part of a PES header.
const FIXED_HEADER_BYTES: usize = 9;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum PesState {
    /// Skipping bytes until the next PES packet starts.
    #[default]
    Idle,
    PesHeader,
    Body,
}

/// Extracts the bytes of one elementary stream from its PES packets.
#[derive(Debug, Default)]
pub(super) struct Pes {
    state: PesState,
    header: Vec<u8>,
    /// Number of remaining bytes of the PES packet. `None` if the header does not contain the length, or if transport
    /// packets were lost.
    remaining: Option<usize>,
}

/// A piece of the elementary stream, from one transport packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PesPayload<'a> {
    /// Time stamp (90 kHz) of the first frame that begins in the PES packet. `None` if the PES packet has none, or if
    /// this is not its first piece.
    pub(super) pts: Option<u64>,
    /// Bytes of the elementary stream, without the PES header.
    pub(super) bytes: &'a [u8],
}

impl Pes {
    /// Records that transport packets are missing.
    pub(super) fn gap(&mut self) {
        // The missing packets contained an unknown number of bytes of the PES packet, so the remaining length is
        // unknown too.
        self.remaining = None;
        if self.state == PesState::PesHeader {
            self.state = PesState::Idle;
        }
    }

    /// Reads the payload of a transport packet. `unit_start` is true if a PES packet starts in `payload`. Returns the
    /// bytes of the elementary stream, or `None` if the header of the PES packet is missing or still incomplete.
    /// Returns an error if the PES header is invalid.
    pub(super) fn push<'a>(
        &mut self,
        payload: &'a [u8],
        unit_start: bool,
    ) -> Result<Option<PesPayload<'a>>, ()> {
        if unit_start {
            self.header.clear();
            self.state = PesState::PesHeader;
        }
        let (mut bytes, mut pts) = (payload, None);
        if self.state == PesState::PesHeader {
            let known = self.header.len();
            self.header.extend_from_slice(payload);
            // A PES header can be split between transport packets. It has at most 264 bytes, which limits the buffer.
            let Some(header) = PesHeader::read(&self.header).inspect_err(|()| self.state = PesState::Idle)?
            else {
                return Ok(None);
            };
            self.state = PesState::Body;
            (self.remaining, pts) = (header.body, header.pts);
            // Only the transport packet that ends the header contains bytes after it.
            bytes = &payload[header.length - known..];
        }
        if self.state != PesState::Body {
            return Ok(None);
        }
        if let Some(remaining) = &mut self.remaining {
            bytes = &bytes[..bytes.len().min(*remaining)];
            *remaining -= bytes.len();
        }
        Ok(Some(PesPayload { pts, bytes }))
    }
}

struct PesHeader {
    /// Length of the header in bytes.
    length: usize,
    /// Length in bytes of the PES packet after the header, or `None` if unknown.
    body: Option<usize>,
    pts: Option<u64>,
}

impl PesHeader {
    /// Reads a PES header. Returns `None` if more bytes are needed, and an error if the bytes are not a valid header of
    /// a stream that can contain audio.
    fn read(bytes: &[u8]) -> Result<Option<Self>, ()> {
        if !bytes.iter().zip(&[0, 0, 1]).all(|(a, b)| a == b) {
            return Err(());
        }
        let &[_, _, _, stream, high, low, marker, flags, extra, ref rest @ ..] = bytes else {
            return Ok(None);
        };
        // Streams with these ids (program stream maps, padding, private streams 2 and control messages) contain no
        // audio and have no such header.
        if matches!(stream, 0..=0xBC | 0xBE | 0xBF | 0xF0..=0xF2 | 0xF8 | 0xFF) || marker & 0xC0 != 0x80 {
            return Err(());
        }
        let extra = usize::from(extra);
        if rest.len() < extra {
            return Ok(None);
        }
        let size = usize::from(u16::from_be_bytes([high, low]));
        // A length of 0 is legal only for video, but some packagers write it for audio. The PES packet then ends where
        // the next one starts.
        let body = if size == 0 { None } else { Some(size.checked_sub(3 + extra).ok_or(())?) };
        let pts = if flags & 0x80 != 0 && extra >= 5 { pts(rest) } else { None };
        Ok(Some(Self { length: FIXED_HEADER_BYTES + extra, body, pts }))
    }
}

/// Reads a time stamp of 33 bits, which is split over five bytes with marker bits in between. Returns `None` if a
/// marker bit is missing.
fn pts(bytes: &[u8]) -> Option<u64> {
    let &[a, b, c, d, e, ..] = bytes else { return None };
    if a & c & e & 1 == 0 {
        return None;
    }
    let [a, b, c, d, e] = [a, b, c, d, e].map(u64::from);
    Some((a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Returns a PES packet of an audio stream.
    pub(in super::super) fn packet(pts: u64, body: &[u8]) -> Vec<u8> {
        let size = (8 + body.len()) as u16;
        let mut bytes = vec![0, 0, 1, 0xC0];
        bytes.extend(size.to_be_bytes());
        bytes.extend([0x80, 0x80, 5, 0x21 | (pts >> 29) as u8 & 0xE, (pts >> 22) as u8]);
        bytes.extend([(pts >> 14) as u8 | 1, (pts >> 7) as u8, (pts << 1) as u8 | 1]);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn bodies_and_time_stamps_do_not_depend_on_packet_boundaries() {
        let whole = packet(0x1_2345_6789, b"frames");
        for cut in 1..whole.len() {
            let mut pes = Pes::default();
            let (mut body, mut stamps) = (Vec::new(), Vec::new());
            let stuffed = [&whole[cut..], b"stuffing"].concat();
            for (payload, start) in [(&whole[..cut], true), (&stuffed, false)] {
                if let Some(pes_payload) = pes.push(payload, start).unwrap() {
                    body.extend(pes_payload.bytes);
                    stamps.extend(pes_payload.pts);
                }
            }
            assert_eq!(
                (body.as_slice(), stamps),
                (b"frames".as_slice(), vec![0x1_2345_6789]),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn invalid_headers_are_skipped_to_the_next_unit() {
        let mut pes = Pes::default();
        assert_eq!(pes.push(b"middle", false), Ok(None));
        assert_eq!(pes.push(b"\0\0\x02garbage", true), Err(()));
        assert_eq!(pes.push(b"more", false), Ok(None));
        assert!(pes.push(&packet(5, b"ok"), true).unwrap().is_some());
    }
}
