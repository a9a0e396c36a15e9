//! Detects the format, completeness and title of a file from its bytes, without decoding it.

use std::io::{self, Read, SeekFrom};

use super::limits::MAX_TAG_VALUE_BYTES;
use super::source::Seekable;
use super::ts::{AudioCoding, FrameFormat, FrameSplitter};

/// First bytes of audio formats that are not supported, with the name of the format for the error message.
const UNSUPPORTED: &[(&[u8], &str)] = &[
    (b"\x30\x26\xB2\x75\x8E\x66\xCF\x11", "Windows Media (ASF)"),
    (b"FLV\x01", "Flash Video"),
    (b"MThd", "MIDI (notes instead of audio)"),
    (b"MAC ", "Monkey's Audio"),
    (b"wvpk", "WavPack"),
    (b"TTA1", "True Audio"),
    (b"MPCK", "Musepack"),
    (b"MP+", "Musepack"),
    (b"DSD ", "DSD"),
    (b"FRM8", "DSD"),
    (b".RMF", "RealMedia"),
    (b"#!AMR", "AMR"),
    (b"\x7F\xFE\x80\x01", "DTS"),
    (b"ADIF", "AAC in ADIF"),
];

/// Returns the name of the unsupported format that the first bytes of a file identify, or `None` if they identify none.
pub(super) fn unsupported(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"AVI ") {
        return Some("AVI");
    }
    if head.starts_with(b"OggS") && head.get(28..36) == Some(b"Speex   ") {
        return Some("Speex");
    }
    UNSUPPORTED.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| *name)
}

/// Returns true if a file begins with a frame of AC-3 or E-AC-3.
pub(super) fn is_ac3(head: &[u8]) -> bool {
    let mut splitter = FrameSplitter::new(AudioCoding::Ac3);
    splitter.push(head, None);
    splitter.finish();
    // A frame counts only if another one follows it, or if it ends with the file.
    head.starts_with(b"\x0B\x77") && splitter.next_frame().is_some_and(|frame| head.starts_with(&frame.data))
}

/// Returns false if the container (Ogg or MP4) shows that the file is truncated. Returns true for other containers, and
/// if reading fails.
pub(super) fn is_complete(file: &mut dyn Seekable, length: u64, head: &[u8]) -> bool {
    let complete = if head.starts_with(b"OggS") {
        ogg_is_complete(file, length)
    } else if head.get(4..8) == Some(b"ftyp") {
        mp4_is_complete(file, length)
    } else {
        return true;
    };
    complete.unwrap_or(true)
}

/// Returns true if the last page of an Ogg file is marked as the last one (RFC 3533, 6: header type flag 4).
fn ogg_is_complete(file: &mut dyn Seekable, length: u64) -> io::Result<bool> {
    /// Number of bytes at the end of the file that are searched for the last page. The largest page has 27 + 255 +
    /// 255·255 bytes.
    const TAIL_BYTES: u64 = 66 << 10;
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut tail = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut tail)?;
    let last = tail.windows(6).rfind(|page| page.starts_with(b"OggS\0"));
    Ok(last.is_some_and(|page| page[5] & 4 != 0))
}

/// Returns true if the boxes of an MP4 file end exactly at the end of the file (ISO/IEC 14496-12, 4.2).
fn mp4_is_complete(file: &mut dyn Seekable, length: u64) -> io::Result<bool> {
    /// Maximum number of boxes that are examined, with a seek and a read for each. A file with more boxes counts as
    /// complete. A fragmented recording has two boxes per fragment. At half this value, truncated recordings of more
    /// than 1,024 fragments are not detected. At twice this value, opening a crafted file takes 8,192 reads.
    const MAX_BOXES: usize = 4_096;
    let mut at = 0_u64;
    for _ in 0..MAX_BOXES {
        if at >= length {
            return Ok(at == length);
        }
        if length - at < 8 {
            return Ok(false); // not even a header
        }
        let mut header = [0; 16];
        // The last box can be shorter than the long form of a header, which has 16 bytes.
        let known = usize::try_from(length - at).map_or(16, |remaining| remaining.min(16));
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut header[..known])?;
        let [a, b, c, d, _, _, _, _, large @ ..] = header;
        // A box that is smaller than its header is invalid. Its size is raised, so that the loop always moves forward.
        at = match u32::from_be_bytes([a, b, c, d]) {
            0 => return Ok(true), // the box extends to the end of the file
            1 => at.saturating_add(u64::from_be_bytes(large).max(16)),
            small => at + u64::from(small.max(8)),
        };
    }
    Ok(true)
}

/// Returns true if a file that cannot be opened is probably a damaged audio file: it begins like a container, or
/// contains frames without a container.
pub(super) fn looks_like_audio(head: &[u8]) -> bool {
    const CONTAINERS: [&[u8]; 7] =
        [b"RIFF", b"RF64", b"FORM", b"caff", b"fLaC", b"OggS", b"\x1A\x45\xDF\xA3"];
    const BOXES: [&[u8]; 6] = [b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip"];
    CONTAINERS.iter().any(|magic| head.starts_with(magic))
        || head.get(4..8).is_some_and(|name| BOXES.contains(&name))
        || has_frames(head, "mp3")
        || has_frames(head, "adts")
}

/// Returns true if the first bytes of a file contain valid audio frames. `container` is the detected format: "mp1",
/// "mp2", "mp3" or "adts", which consist of frames without a container. For all other formats, returns true without a
/// check. Demuxers search for frame headers, and bytes that look like one occur in any program or picture.
pub(super) fn has_frames(head: &[u8], container: &str) -> bool {
    /// Number of consecutive frames that prove audio. At half this value, programs and pictures are accepted as audio
    /// more often. At twice this value, files of fewer than eight frames that begin within a frame are rejected.
    const MIN_FRAMES: usize = 4;
    let coding = match container {
        "adts" => AudioCoding::Adts,
        "mp1" | "mp2" | "mp3" => AudioCoding::Mpeg,
        _ => return true,
    };
    // An ID3 tag is sufficient, or a frame of layer II or III at the first byte. Layer I, which is hardly used, is
    // accepted only if its frames begin at the first byte and follow each other. Its header bytes 0xFF 0xFE are also
    // the byte order mark of UTF-16 text, and jump tables of x86 programs look like runs of layer I headers.
    let at_start = matches!(head, [0xFF, second, ..] if second & 0xE0 == 0xE0);
    let layer_1 = matches!(head, [_, second, ..] if second & 6 == 6);
    if head.starts_with(b"ID3") || at_start && !layer_1 {
        return true;
    }
    let mut splitter = FrameSplitter::new(coding);
    splitter.push(head, None);
    splitter.finish();
    let frames = std::iter::from_fn(|| splitter.next_frame());
    let credible =
        frames.filter(|frame| at_start || !matches!(frame.format, FrameFormat::Mpeg { layer: 1, .. }));
    let runs = credible.scan(0, |run, frame| {
        *run = if frame.after_gap { 1 } else { *run + 1 };
        Some(*run)
    });
    runs.max().unwrap_or(0) >= MIN_FRAMES
}

/// Returns the title in the first bytes of a Matroska file (RFC 9559, 5.1.2), which symphonia does not return. Returns
/// `None` for other files and without a title.
pub(super) fn matroska_title(head: &[u8]) -> Option<String> {
    const HEADER: u64 = 0x1A45_DFA3;
    const SEGMENT: u64 = 0x1853_8067;
    const INFO: u64 = 0x1549_A966;
    const TITLE: u64 = 0x7BA9;
    let mut rest = head;
    while !rest.is_empty() {
        let (id, after) = ebml_number(rest, true)?;
        let (size, body) = ebml_number(after, false)?;
        let size = usize::try_from(size).ok()?;
        match id {
            SEGMENT | INFO => rest = body, // the title is inside
            TITLE => {
                let text = String::from_utf8_lossy(body.get(..size.min(MAX_TAG_VALUE_BYTES))?);
                return Some(text.trim_matches(['\0', ' ']).to_owned()).filter(|title| !title.is_empty());
            }
            HEADER => rest = body.get(size..)?,
            _ if rest.len() == head.len() => return None, // not Matroska
            _ => rest = body.get(size..)?,
        }
    }
    None
}

/// Reads a number whose first byte defines its length (RFC 8794, 4). Returns the number and the bytes after it, or
/// `None` if it is invalid. If `keep_marker` is true, the number includes the bit that marks its length.
fn ebml_number(bytes: &[u8], keep_marker: bool) -> Option<(u64, &[u8])> {
    let length = bytes.first()?.leading_zeros() as usize + 1;
    let (number, rest) = bytes.split_at_checked(length).filter(|_| length <= 8)?;
    let value = number.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
    let marker = 1_u64 << (7 * length);
    Some((if keep_marker { value } else { value & (marker - 1) }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn complete(content: &[u8]) -> bool {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        is_complete(&mut file, content.len() as u64, content)
    }

    #[test]
    fn truncated_containers_are_detected() {
        assert!(complete(b"anything"));
        assert!(complete(b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x09mdat!"));
        assert!(!complete(b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x0Amdat!"));
        assert!(!complete(b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0"));
        assert!(complete(b"OggS\0\0....OggS\0\x04...."));
        assert!(!complete(b"OggS\0\x04....OggS\0\0...."));
    }

    #[test]
    fn the_title_of_a_matroska_file_is_found() {
        let info = b"\x15\x49\xA9\x66\x8B\x2A\xD7\xB1\x81\x01\x7B\xA9\x83Hi!";
        let file =
            [b"\x1A\x45\xDF\xA3\x82ab\x18\x53\x80\x67\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF".as_slice(), info]
                .concat();
        assert_eq!(matroska_title(&file).as_deref(), Some("Hi!"));
        assert!((0..file.len()).all(|cut| matroska_title(&file[..cut]).is_none()));
        assert_eq!(matroska_title(b"RIFF...."), None);
    }

    #[test]
    fn few_bytes_that_look_like_a_frame_are_not_audio() {
        let frame = [&[0xFF, 0xFB, 0x10, 0xC0][..], &[0; 100]].concat(); // 32 kbit/s at 44.1 kHz: 104 bytes
        let program = |frames: usize| [b"\x7FELF".as_slice(), &frame.repeat(frames), b"code"].concat();
        assert!(!has_frames(&program(2), "mp3"));
        assert!(has_frames(&program(6), "mp3"));
        assert!(has_frames(&frame, "mp3"), "a short file that is one frame");
        assert!(!has_frames(b"\xFF\xFEt\0e\0x\0t\0", "mp1"));
        let jumps =
            [b"\x7FELF".as_slice(), &b"\xFF\xFF\x25\xC2\x9F\0\0\x68\0\0\0\0\xE9\0\0\0".repeat(100)].concat();
        assert!(!has_frames(&jumps, "mp1"));
        assert!(has_frames(b"RIFF", "wave"));
    }

    #[test]
    fn ac3_is_recognized_by_two_frames() {
        let frame = [&[0x0B, 0x77, 0, 0, 0, 0x40][..], &[7; 122]].concat(); // 32 kbit/s at 48 kHz
        assert!(is_ac3(&frame) && is_ac3(&frame.repeat(3)));
        assert!(!is_ac3(&frame[..100]) && !is_ac3(b"\x0B\x77") && !is_ac3(b""));
        assert!(!is_ac3(&[&b"text"[..], &frame.repeat(3)].concat()));
    }

    #[test]
    fn unsupported_formats_are_named() {
        assert_eq!(unsupported(b"RIFF....AVI LIST"), Some("AVI"));
        assert_eq!(unsupported(b"RIFF....WAVEfmt "), None);
        assert_eq!(unsupported(b"wvpk"), Some("WavPack"));
        assert_eq!(unsupported(b""), None);
    }
}
