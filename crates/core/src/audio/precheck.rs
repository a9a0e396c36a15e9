//! Checks the first bytes of a file (the head) before the file is passed to a parser.
//!
//! The parsers of symphonia recurse and allocate memory according to numbers in the file. These checks reject the known
//! dangerous cases with a message that contains the reason. The resource limits of the decoding process stop all other
//! cases.

use crate::bits::BitReader;

/// Maximum depth of nested frames in an ID3v2 tag. Files in practice have a depth of one: the title of a chapter. The
/// limit is far below the depth at which the recursion of the parser overflows its stack.
const MAX_ID3_DEPTH: usize = 4;

/// Maximum number of values in all codebooks of a Vorbis stream: the sum of entries times dimensions. Encoders stay
/// below 200,000. At this limit, the decoder allocates 8 MiB for them; twice this value would permit 16 MiB.
const MAX_VORBIS_VALUES: u64 = 1 << 21;

/// Returns the reason why a file cannot be decoded safely, or `None` if its head passes all checks.
pub(super) fn reject_reason(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"ID3") && id3_depth(head) > MAX_ID3_DEPTH {
        return Some("the chapters of its ID3 tag are nested too deeply");
    }
    if head.starts_with(b"OggS") && vorbis_values(head).is_some_and(|values| values > MAX_VORBIS_VALUES) {
        return Some("its Vorbis codebooks are too large");
    }
    if head.starts_with(b"caff") && !caf_table_fits(head) {
        return Some("it contains a table that is larger than the file");
    }
    if head.starts_with(b"RIFF") && wave_rate(head) == Some(0) {
        return Some("its sample rate is 0");
    }
    None
}

/// Returns the depth of nested frames in the part of an ID3v2 tag that `head` contains; 0 without nested frames. Only
/// chapters (CHAP) and tables of contents (CTOC) contain frames (ID3v2 Chapter Frame Addendum 1.0). Nested frames are
/// found by their names, and their sizes are ignored, because some parsers also descend into frames with a wrong size.
fn id3_depth(head: &[u8]) -> usize {
    /// Length in bytes of a frame header: identifier, size and flags.
    const FRAME_HEADER: usize = 10;
    let mut depth = 0;
    let mut at = 10; // after the header of the tag
    while let Some(rest) = head.get(at..).filter(|rest| rest.len() > FRAME_HEADER) {
        let body = rest.get(FRAME_HEADER..).unwrap_or_default();
        let inner = match rest.get(..4) {
            // Before the nested frames: element id, a zero byte, four numbers of 32 bits.
            Some(b"CHAP") => body.iter().position(|byte| *byte == 0).map(|end| end + 1 + 16),
            // Before the nested frames: element id, a zero byte, flags, number of child ids, child ids.
            Some(b"CTOC") => contents_header(body),
            _ => None,
        };
        let Some(inner) = inner else { break };
        depth += 1;
        at += FRAME_HEADER + inner;
    }
    depth
}

fn contents_header(body: &[u8]) -> Option<usize> {
    let end = body.iter().position(|byte| *byte == 0)?;
    let count = usize::from(*body.get(end + 2)?);
    let mut at = end + 3;
    for _ in 0..count {
        at += body.get(at..)?.iter().position(|byte| *byte == 0)? + 1;
    }
    Some(at)
}

/// Returns the number of values (entries times dimensions) of all codebooks in the setup header of a Vorbis stream
/// (Vorbis I specification, 3.2.1). Codebooks that the head does not contain completely are left out. Returns `None` if
/// the head contains no setup header.
fn vorbis_values(head: &[u8]) -> Option<u64> {
    let packets = ogg_payload(head);
    let at = packets.windows(7).position(|bytes| bytes == b"\x05vorbis")?;
    let mut bits = BitReader::new(packets.get(at + 7..)?);
    let count = bits.bits(8)? + 1;
    let mut values = 0u64;
    for _ in 0..count {
        match codebook(&mut bits) {
            Some(size) => values = values.saturating_add(size),
            // The remaining codebooks are beyond the head, or damaged.
            None => break,
        }
        if values > MAX_VORBIS_VALUES {
            break;
        }
    }
    Some(values)
}

/// Reads one codebook and returns its number of values: entries times dimensions. Returns `None` if the codebook is
/// damaged or incomplete.
fn codebook(bits: &mut BitReader<'_>) -> Option<u64> {
    const SYNC: u64 = 0x56_43_42;
    if bits.bits(24)? != SYNC {
        return None;
    }
    let dimensions = bits.bits(16)?;
    let entries = bits.bits(24)?;
    let values = entries * dimensions.max(1);
    // The lengths of the entries follow. They are not read for a codebook that is too large, because it is rejected
    // anyway.
    if values > MAX_VORBIS_VALUES {
        return Some(values);
    }
    if bits.bits(1)? == 1 {
        bits.bits(5)?;
        // Lengths are listed in runs. An empty run still consumes bits, so the loop ends at the end of the head at the
        // latest.
        let mut known = 0;
        while known < entries {
            let width = u64::BITS - (entries - known).leading_zeros();
            known += bits.bits(width)?;
        }
    } else {
        let is_sparse = bits.bits(1)? == 1;
        for _ in 0..entries {
            if !is_sparse || bits.bits(1)? == 1 {
                bits.bits(5)?;
            }
        }
    }
    let lookup = bits.bits(4)?;
    if lookup != 0 {
        bits.bits(32)?;
        bits.bits(32)?;
        let width = bits.bits(4)? + 1;
        bits.bits(1)?;
        let count = if lookup == 1 { lookup1_values(entries, dimensions) } else { values };
        for _ in 0..count {
            bits.bits(width as u32)?;
        }
    }
    Some(values)
}

/// Returns the greatest integer that, raised to the power of `dimensions`, is at most `entries` (Vorbis I
/// specification, 9.2.3).
fn lookup1_values(entries: u64, dimensions: u64) -> u64 {
    let power = u32::try_from(dimensions.max(1)).unwrap_or(u32::MAX);
    let fits = |root: u64| root.checked_pow(power).is_some_and(|product| product <= entries);
    // The floating-point root can be off by one in both directions, so it is corrected with integers.
    let mut root = (entries as f64).powf(1.0 / f64::from(power)) as u64;
    while fits(root + 1) {
        root += 1;
    }
    while root > 0 && !fits(root) {
        root -= 1;
    }
    root
}

/// Returns the content of the consecutive Ogg pages at the start of the head, without the page headers.
fn ogg_payload(mut head: &[u8]) -> Vec<u8> {
    const PAGE_HEADER: usize = 27;
    let mut payload = Vec::with_capacity(head.len());
    while head.starts_with(b"OggS") {
        let Some(segments) = head.get(26).map(|count| usize::from(*count)) else { break };
        let Some(table) = head.get(PAGE_HEADER..PAGE_HEADER + segments) else { break };
        let length: usize = table.iter().map(|lacing| usize::from(*lacing)).sum();
        let body = head.get(PAGE_HEADER + segments..).unwrap_or_default();
        payload.extend_from_slice(body.get(..length).unwrap_or(body));
        head = body.get(length..).unwrap_or_default();
    }
    payload
}

/// Returns true if the tables of a CAF file have plausible sizes. The packet table must have at least one byte for each
/// packet that it lists (Core Audio Format Specification, Packet Table Chunk), and the magic cookie must not be too
/// large. A file without these chunks passes.
fn caf_table_fits(head: &[u8]) -> bool {
    const FILE_HEADER: usize = 8;
    const CHUNK_HEADER: usize = 12;
    /// Maximum size in bytes of a magic cookie. The parser allocates a cookie at once. Cookies of AAC and ALAC have
    /// less than 100 bytes.
    const MAX_COOKIE_BYTES: i64 = 1 << 20;
    let number =
        |at: usize| head.get(at..at + 8).and_then(|bytes| Some(i64::from_be_bytes(bytes.try_into().ok()?)));
    let mut at = FILE_HEADER;
    while let (Some(name), Some(size)) = (head.get(at..at + 4), number(at + 4)) {
        if name == b"pakt" {
            let packets = number(at + CHUNK_HEADER).unwrap_or_default();
            return packets <= size;
        }
        if name == b"kuki" && size > MAX_COOKIE_BYTES {
            return false;
        }
        // A size of -1 marks a last chunk that extends to the end of the file.
        let Some(next) = usize::try_from(size).ok().and_then(|size| (at + CHUNK_HEADER).checked_add(size))
        else {
            break;
        };
        at = next;
    }
    true
}

/// Returns the sample rate of a WAV file in hertz, or `None` if the format chunk is not the first chunk.
fn wave_rate(head: &[u8]) -> Option<u32> {
    (head.get(12..16)? == b"fmt ").then_some(())?;
    Some(u32::from_le_bytes(head.get(24..28)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chapters(depth: usize) -> Vec<u8> {
        let chapter = [b"CHAP\0\0\0\x40\0\0A\0".as_slice(), &[0; 16]].concat();
        [b"ID3\x04\0\0\0\0\x10\0".as_slice(), &chapter.repeat(depth), b"TIT2"].concat()
    }

    #[test]
    fn only_deeply_nested_chapters_are_rejected() {
        assert_eq!(reject_reason(&chapters(1)), None);
        assert_eq!(reject_reason(&chapters(MAX_ID3_DEPTH)), None);
        assert!(reject_reason(&chapters(MAX_ID3_DEPTH + 1)).is_some());
    }

    #[test]
    fn a_sample_rate_of_zero_is_rejected() {
        let header = |rate: u32| {
            [b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".as_slice(), &rate.to_le_bytes()].concat()
        };
        assert_eq!(reject_reason(&header(44_100)), None);
        assert_eq!(reject_reason(&header(0)), Some("its sample rate is 0"));
    }

    #[test]
    fn number_of_quantized_values_follows_the_specification() {
        assert_eq!(
            [lookup1_values(81, 4), lookup1_values(80, 4), lookup1_values(1, 31), lookup1_values(0, 1)],
            [3, 2, 1, 0]
        );
    }

    #[test]
    fn packet_tables_larger_than_their_chunk_are_rejected() {
        let file = |packets: i64| {
            let header = b"caff\0\x01\0\0pakt\0\0\0\0\0\0\0\x20".as_slice();
            [header, &packets.to_be_bytes(), &[0; 24]].concat()
        };
        assert_eq!(reject_reason(&file(8)), None);
        assert!(reject_reason(&file(1 << 28)).is_some());
    }
}
