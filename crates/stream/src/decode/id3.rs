//! Parser of the ID3 tags before packed audio, one of which contains the time stamp of the first frame (RFC 8216, 3.4;
//! ID3v2.4.0 structure, 3 and 4).

/// Length of the header of an ID3 tag, and of the header of each ID3 frame in it, in bytes.
const HEADER_BYTES: usize = 10;

/// Owner identifier of the PRIV frame that contains the time stamp.
const OWNER: &[u8] = b"com.apple.streaming.transportStreamTimestamp\0";

/// Packed audio, and the time stamp in the ID3 tags before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TaggedAudio<'a> {
    /// Time stamp of the first audio frame, 33 bits at 90 kHz; `None` if no tag contains one.
    pub(super) pts: Option<u64>,
    /// Audio after the tags.
    pub(crate) audio: &'a [u8],
}

/// Separates packed audio from the ID3 tags before it.
pub(crate) fn split(mut bytes: &[u8]) -> TaggedAudio<'_> {
    let mut pts = None;
    // Some packagers write a second tag with metadata before or after the one with the time stamp.
    while let Some((length, body)) = tag(bytes) {
        pts = pts.or_else(|| time_stamp(body));
        // A tag that is longer than the segment leaves no audio. It is not an error, because the next segment is
        // independent of it.
        bytes = bytes.get(length..).unwrap_or_default();
    }
    TaggedAudio { pts, audio: bytes }
}

/// Returns the length in bytes of the ID3 tag at the start of `bytes`, and the ID3 frames in it; `None` if there is no
/// valid tag.
fn tag(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let [b'I', b'D', b'3', _, _, flags, a, b, c, d, rest @ ..] = bytes else { return None };
    let size = synchsafe([*a, *b, *c, *d])?;
    let footer = if flags & 0x10 != 0 { HEADER_BYTES } else { 0 };
    Some((HEADER_BYTES + size + footer, rest.get(..size).unwrap_or(rest)))
}

/// Returns the time stamp in the PRIV frame of [`OWNER`]; `None` if there is no such frame.
fn time_stamp(mut frames: &[u8]) -> Option<u64> {
    loop {
        let [name @ .., a, b, c, d, _, _] = frames.get(..HEADER_BYTES)? else { return None };
        let size = synchsafe([*a, *b, *c, *d])?;
        let body = frames.get(HEADER_BYTES..HEADER_BYTES + size)?;
        if name == b"PRIV"
            && let Some(value) = body.strip_prefix(OWNER).and_then(|value| value.first_chunk())
        {
            return Some(u64::from_be_bytes(*value) & 0x1_FFFF_FFFF);
        }
        frames = frames.get(HEADER_BYTES + size..)?;
    }
}

/// Decodes an integer of 28 bits, seven in each byte; `None` if a byte has more than seven bits.
fn synchsafe(bytes: [u8; 4]) -> Option<usize> {
    bytes.iter().try_fold(0, |value, &byte| (byte < 0x80).then_some(value << 7 | usize::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag_of(frames: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
        let frame = |(name, body): &(&[u8; 4], Vec<u8>)| {
            [&name[..], &[0, 0, 0, body.len() as u8, 0, 0], &body[..]].concat()
        };
        let body: Vec<u8> = frames.iter().flat_map(frame).collect();
        [b"ID3\x04\0\0\0\0".as_slice(), &[(body.len() >> 7) as u8, body.len() as u8 & 0x7F], &body].concat()
    }

    #[test]
    fn time_stamp_is_read_from_the_frame_of_its_owner() {
        let stamp = |owner: &[u8]| (b"PRIV", [owner, &[0, 0, 0, 1, 0, 0, 0, 9]].concat());
        let bytes = [tag_of(&[stamp(b"someone.else\0"), stamp(OWNER)]), vec![0xFF, 0xF1]].concat();
        assert_eq!(split(&bytes), TaggedAudio { pts: Some(0x1_0000_0009), audio: &[0xFF, 0xF1] });
        let other = tag_of(&[(b"TIT2", vec![3, b'x']), stamp(b"someone.else\0")]);
        assert_eq!(split(&other), TaggedAudio { pts: None, audio: &[] });
        let two = [other, bytes].concat();
        assert_eq!(split(&two).pts, Some(0x1_0000_0009));
        assert_eq!(split(&[0xFF, 0xF1]), TaggedAudio { pts: None, audio: &[0xFF, 0xF1] });
    }

    #[test]
    fn damaged_tags_give_no_time_stamp() {
        let intact = tag_of(&[(b"PRIV", [OWNER, &[0; 8]].concat())]);
        for cut in 0..intact.len() {
            assert_eq!(split(&intact[..cut]).pts, None);
        }
        assert_eq!(split(b"ID3\x04\0\0\xFF\xFF\xFF\xFFxx").pts, None);
    }
}
