//! Packetised elementary streams: a header with a time stamp, then the stream's bytes (ISO/IEC 13818-1, 2.4.3.6).

/// Bytes before the variable part of a header.
const FIXED: usize = 9;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing until the next unit starts.
    #[default]
    Idle,
    Header,
    Body,
}

/// Follows the PES packets of one stream.
#[derive(Debug, Default)]
pub(super) struct Pes {
    state: State,
    header: Vec<u8>,
    /// Bytes of the body still to come; nothing if the header does not say or packets were lost.
    left: Option<usize>,
}

/// Bytes of the elementary stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    /// The time stamp of the first frame that begins in this PES packet, with its first bytes.
    pub(super) pts: Option<u64>,
    /// The bytes.
    pub(super) bytes: &'a [u8],
}

impl Pes {
    /// Notes that packets are missing.
    pub(super) fn gap(&mut self) {
        self.left = None;
        if self.state == State::Header {
            self.state = State::Idle;
        }
    }

    /// Takes a packet's payload. An error is a header that is none.
    pub(super) fn push<'a>(&mut self, payload: &'a [u8], unit_start: bool) -> Result<Option<Piece<'a>>, ()> {
        if unit_start {
            self.header.clear();
            self.state = State::Header;
        }
        let (mut bytes, mut pts) = (payload, None);
        if self.state == State::Header {
            let known = self.header.len();
            self.header.extend_from_slice(payload);
            let Some(header) = Header::read(&self.header).inspect_err(|()| self.state = State::Idle)? else {
                return Ok(None);
            };
            self.state = State::Body;
            (self.left, pts) = (header.body, header.pts);
            bytes = &payload[header.length - known..];
        }
        if self.state != State::Body {
            return Ok(None);
        }
        if let Some(left) = &mut self.left {
            bytes = &bytes[..bytes.len().min(*left)];
            *left -= bytes.len();
        }
        Ok(Some(Piece { pts, bytes }))
    }
}

struct Header {
    /// Bytes of the header.
    length: usize,
    /// Bytes of the body, if known.
    body: Option<usize>,
    pts: Option<u64>,
}

impl Header {
    /// Reads a header; nothing while bytes are missing.
    fn read(bytes: &[u8]) -> Result<Option<Self>, ()> {
        if !bytes.iter().zip(&[0, 0, 1]).all(|(a, b)| a == b) {
            return Err(());
        }
        let &[_, _, _, stream, high, low, marker, flags, extra, ref rest @ ..] = bytes else {
            return Ok(None);
        };
        // Maps, padding, private streams 2 and control messages have no such header, and no audio.
        if matches!(stream, 0..=0xBC | 0xBE | 0xBF | 0xF0..=0xF2 | 0xF8 | 0xFF) || marker & 0xC0 != 0x80 {
            return Err(());
        }
        let extra = usize::from(extra);
        if rest.len() < extra {
            return Ok(None);
        }
        let size = usize::from(u16::from_be_bytes([high, low]));
        let body = if size == 0 { None } else { Some(size.checked_sub(3 + extra).ok_or(())?) };
        let pts = if flags & 0x80 != 0 && extra >= 5 { pts(rest) } else { None };
        Ok(Some(Self { length: FIXED + extra, body, pts }))
    }
}

/// A time stamp of 33 bits, spread over five bytes with a marker bit after each part.
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

    /// A PES packet of an audio stream.
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
    fn bodies_and_time_stamps_come_out_however_the_packets_are_cut() {
        let whole = packet(0x1_2345_6789, b"frames");
        for cut in 1..whole.len() {
            let mut pes = Pes::default();
            let (mut body, mut stamps) = (Vec::new(), Vec::new());
            let stuffed = [&whole[cut..], b"stuffing"].concat();
            for (payload, start) in [(&whole[..cut], true), (&stuffed, false)] {
                if let Some(piece) = pes.push(payload, start).unwrap() {
                    body.extend(piece.bytes);
                    stamps.extend(piece.pts);
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
    fn what_is_no_header_is_skipped_to_the_next_unit() {
        let mut pes = Pes::default();
        assert_eq!(pes.push(b"middle", false), Ok(None));
        assert_eq!(pes.push(b"\0\0\x02garbage", true), Err(()));
        assert_eq!(pes.push(b"more", false), Ok(None));
        assert!(pes.push(&packet(5, b"ok"), true).unwrap().is_some());
    }
}
