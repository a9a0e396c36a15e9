//! Reads the program tables, which list the streams and their packet ids (ISO/IEC 13818-1, 2.4.4).

use super::headers::AudioCoding;
use super::role::AudioPurpose;

/// Maximum size of a section of a program table in bytes, including the header.
const MAX_SECTION_BYTES: usize = 1_024;
/// Maximum number of programs of a transport stream that are examined. Each program takes a buffer for its table. At
/// half this value, the audio of later programs in a large multiplex would not be found. At twice this value, a crafted
/// stream takes 128 KiB of memory instead of 64 KiB.
pub(super) const MAX_PROGRAMS: usize = 64;

/// Assembles the sections of a program table. A section can begin at any byte of a packet and span several packets.
#[derive(Debug, Default)]
pub(super) struct SectionAssembler {
    buffer: Vec<u8>,
    /// True if `buffer` begins with the start of a section; false while bytes are skipped.
    in_section: bool,
}

impl SectionAssembler {
    /// Discards an incomplete section after a packet was lost.
    pub(super) fn gap(&mut self) {
        self.in_section = false;
    }

    /// Adds the payload of a packet. Returns the sections that are complete now and have a valid checksum, and adds the
    /// number of invalid sections to `damaged`. `unit_start` is true if a section begins in this packet.
    pub(super) fn push(&mut self, payload: &[u8], unit_start: bool, damaged: &mut u64) -> Vec<Vec<u8>> {
        let mut complete = Vec::new();
        if !unit_start {
            self.append(payload, damaged, &mut complete);
            return complete;
        }
        let Some((&pointer, rest)) = payload.split_first() else { return complete };
        let Some((old, new)) = rest.split_at_checked(pointer.into()) else {
            *damaged += 1;
            self.in_section = false;
            return complete;
        };
        // The bytes before the new section are the end of a section that began in an earlier packet.
        self.append(old, damaged, &mut complete);
        // If that section is still incomplete, its rest was lost, and its buffer is cleared.
        self.buffer.clear();
        self.in_section = true;
        self.append(new, damaged, &mut complete);
        complete
    }

    fn append(&mut self, bytes: &[u8], damaged: &mut u64, complete: &mut Vec<Vec<u8>>) {
        if !self.in_section {
            return;
        }
        self.buffer.extend_from_slice(bytes);
        while let &[table, high, low, ..] = self.buffer.as_slice() {
            let length = 3 + (usize::from(high & 0x0F) << 8 | usize::from(low));
            if table == 0xFF || length > MAX_SECTION_BYTES {
                *damaged += u64::from(table != 0xFF); // 0xFF is stuffing up to the next unit
                self.in_section = false;
                return;
            }
            if self.buffer.len() < length {
                return;
            }
            // Several sections can follow each other in one packet, so the loop continues after a section.
            let section: Vec<u8> = self.buffer.drain(..length).collect();
            if section_checksum(&section) == 0 {
                complete.push(section);
            } else {
                *damaged += 1;
            }
        }
    }
}

/// Returns the packet ids of the program map tables that a program association table lists. Returns `None` if the
/// section is not a valid, current table of this kind.
pub(super) fn read_pat(section: &[u8]) -> Option<Vec<u16>> {
    let entries = body(section, 0)?.chunks_exact(4);
    let programs = entries.filter(|e| e[0] != 0 || e[1] != 0); // program 0 is the network table
    Some(programs.map(|e| pid(e[2], e[3])).take(MAX_PROGRAMS).collect())
}

/// An audio stream of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PmtEntry {
    pub(super) pid: u16,
    /// Coding of the audio. The error is the name of an audio codec that is not supported.
    pub(super) coding: Result<AudioCoding, &'static str>,
    pub(super) purpose: AudioPurpose,
}

/// Returns the audio streams that a program map table lists. Returns `None` if the section is not a valid, current
/// table of this kind.
pub(super) fn read_pmt(section: &[u8]) -> Option<Vec<PmtEntry>> {
    let body = body(section, 2)?;
    let info = length(*body.get(2)?, *body.get(3)?);
    let mut rest = body.get(4 + info..)?;
    let mut streams = Vec::new();
    while let &[stream_type, high, low, length_high, length_low, ..] = rest {
        let end = 5 + length(length_high, length_low);
        let descriptors = rest.get(5..end)?;
        if let Some(coding) = coding(stream_type, descriptors) {
            let purpose = AudioPurpose::read(descriptors);
            streams.push(PmtEntry { pid: pid(high, low), coding, purpose });
        }
        rest = &rest[end..];
    }
    Some(streams)
}

/// Returns the bytes between the header and the checksum of a section. Returns `None` if the section has another table
/// id than `table` or is not current.
fn body(section: &[u8], table: u8) -> Option<&[u8]> {
    let current = section.get(5)? & 1 == 1;
    let inner = section.get(8..section.len().checked_sub(4)?)?;
    // A table can be sent before it becomes valid. Such a section must not change the selected stream yet.
    Some(inner).filter(|_| section[0] == table && section[1] & 0x80 != 0 && current)
}

fn pid(high: u8, low: u8) -> u16 {
    u16::from_be_bytes([high & 0x1F, low])
}

fn length(high: u8, low: u8) -> usize {
    usize::from(u16::from_be_bytes([high & 0x0F, low]))
}

/// Returns the audio coding of a stream from its type and descriptors (table 2-34, ETSI EN 300 468, ATSC A/53,
/// Blu-ray). The error is the name of an audio codec that is not supported. Returns `None` if the stream is not audio.
fn coding(stream_type: u8, descriptors: &[u8]) -> Option<Result<AudioCoding, &'static str>> {
    let has = |tag: u8, content: &[u8]| {
        let mut rest = descriptors;
        while let &[this, size, ref data @ ..] = rest {
            let (now, later) = data.split_at(data.len().min(size.into()));
            if this == tag && now.starts_with(content) {
                return true;
            }
            rest = later;
        }
        false
    };
    Some(match stream_type {
        0x03 | 0x04 => Ok(AudioCoding::Mpeg),
        0x0F => Ok(AudioCoding::Adts),
        0x11 => Ok(AudioCoding::Latm),
        0x1C => Err("AAC without framing in MPEG-TS"),
        0x2D | 0x2E => Err("MPEG-H 3D Audio in MPEG-TS"),
        0x80 if has(0x05, b"HDMV") => Err("Blu-ray PCM in MPEG-TS"),
        0x81 | 0x84 | 0x87 => Ok(AudioCoding::Ac3),
        0x82 | 0x85 | 0x86 | 0x8A => Err("DTS in MPEG-TS"),
        0x83 => Err("Dolby TrueHD in MPEG-TS"),
        0x06 if has(0x6A, b"") || has(0x7A, b"") => Ok(AudioCoding::Ac3),
        0x06 if has(0x05, b"AC-3") || has(0x05, b"EAC3") => Ok(AudioCoding::Ac3),
        0x06 if has(0x7B, b"") || has(0x05, b"DTS") => Err("DTS in MPEG-TS"),
        // The extension descriptors of DVB: DTS-HD, DTS-UHD, AC-4 (ETSI EN 300 468, table 109).
        0x06 if has(0x7F, b"\x0E") || has(0x7F, b"\x21") => Err("DTS in MPEG-TS"),
        0x06 if has(0x7F, b"\x15") || has(0x05, b"AC-4") => Err("Dolby AC-4 in MPEG-TS"),
        0x06 if has(0x7F, b"\x16") => Err("MPEG-H 3D Audio in MPEG-TS"),
        // Sample encryption of Apple, which is removed before the demuxer if the key is available.
        0xCF => Err("AAC encrypted by SAMPLE-AES"),
        0xC1 => Err("AC-3 encrypted by SAMPLE-AES"),
        0xC2 => Err("E-AC-3 encrypted by SAMPLE-AES"),
        // The number of channels is in the extension descriptor of Opus.
        0x06 if has(0x05, b"Opus") => match (0..=2).any(|channels| has(0x7F, &[0x80, channels])) {
            true => Ok(AudioCoding::Opus),
            false => Err("Opus with more than two channels in MPEG-TS"),
        },
        0x06 if has(0x05, b"fLaC") => Ok(AudioCoding::Flac),
        _ => return None,
    })
}

/// Computes the checksum of a section (ISO/IEC 13818-1, annex A), which is 0 over a complete valid section.
///
/// # Examples
/// ```
/// use refrain_core::audio::ts::section_checksum;
///
/// let mut section = b"content".to_vec();
/// section.extend(section_checksum(b"content").to_be_bytes());
/// assert_eq!(section_checksum(&section), 0);
/// ```
#[must_use]
pub fn section_checksum(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x04C1_1DB7;
    bytes.iter().fold(u32::MAX, |crc, &byte| {
        // Tables have a few hundred bytes and are sent ten times a second, so a lookup table would save no measurable
        // time.
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
            (crc << 1) ^ (POLYNOMIAL & 0_u32.wrapping_sub(crc >> 31))
        })
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Returns a section with this table id and body.
    pub(in super::super) fn section(table: u8, body: &[u8]) -> Vec<u8> {
        let length = 5 + body.len() + 4;
        let mut bytes = vec![table, 0xB0 | (length >> 8) as u8, length as u8, 0, 1, 0xC1, 0, 0];
        bytes.extend_from_slice(body);
        let sum = section_checksum(&bytes);
        bytes.extend_from_slice(&sum.to_be_bytes());
        bytes
    }

    const PMT: &[u8] = &[
        0xE1, 0x00, 0xF0, 0x02, 0x05, 0x00, // clock, two bytes of descriptors
        0x1B, 0xE1, 0x00, 0xF0, 0x00, // H.264
        0x06, 0xE1, 0x01, 0xF0, 0x03, 0x7B, 0x01, 0x00, // DTS
        0x0F, 0xE1, 0x02, 0xF0, 0x00, // AAC
    ];

    #[test]
    fn tables_are_read_and_checked() {
        let pat = section(0, &[0, 0, 0xE0, 0x10, 0, 1, 0xF0, 0x00]);
        assert_eq!(read_pat(&pat), Some(vec![0x1000]));
        let entries = read_pmt(&section(2, PMT)).unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!((entries[0].pid, entries[0].coding.is_err()), (0x101, true));
        assert_eq!((entries[1].pid, entries[1].coding), (0x102, Ok(AudioCoding::Adts)));
        assert_eq!(read_pat(&section(2, PMT)), None);
        assert_eq!(read_pmt(&section(2, &PMT[..9])), Some(vec![]));
        assert_eq!(read_pmt(&section(2, &PMT[..3])), None);
    }

    #[test]
    fn unsupported_codecs_are_named() {
        let name = |stream_type, descriptors: &[u8]| coding(stream_type, descriptors).unwrap().unwrap_err();
        assert!(name(0x06, b"\x05\x04DTS2").contains("DTS"));
        assert!(name(0x06, &[0x7F, 2, 0x0E, 0]).contains("DTS"));
        assert!(name(0x06, &[0x0A, 4, b'd', b'e', b'u', 0, 0x7F, 3, 0x15, 0, 0]).contains("AC-4"));
        assert!(name(0x06, b"\x05\x04AC-4").contains("AC-4"));
        assert!(name(0x2D, b"").contains("MPEG-H"));
        assert!(name(0xCF, b"").contains("SAMPLE-AES"));
        assert_eq!(coding(0x06, &[0x7F, 2, 0x06, 0]), None, "supplementary audio is no codec");
        assert_eq!(coding(0xDB, b""), None, "encrypted video");
        assert!(name(0x06, b"\x05\x04Opus\x7F\x02\x80\x06").contains("Opus"));
    }

    #[test]
    fn private_streams_are_recognized_by_their_registration() {
        assert_eq!(coding(0x06, b"\x05\x04Opus\x7F\x02\x80\x02"), Some(Ok(AudioCoding::Opus)));
        assert_eq!(coding(0x06, b"\x05\x04fLaC"), Some(Ok(AudioCoding::Flac)));
        assert_eq!(coding(0x06, b""), None);
    }

    #[test]
    fn ac3_is_recognized_by_its_type_or_its_descriptors() {
        let ac3 = Some(Ok(AudioCoding::Ac3));
        assert!([0x81, 0x84, 0x87].into_iter().all(|stream_type| coding(stream_type, &[]) == ac3));
        let descriptors: [&[u8]; 4] =
            [&[0x6A, 1, 0], &[0x0A, 4, b'd', b'e', b'u', 0, 0x7A, 1, 0], b"\x05\x04AC-3", b"\x05\x04EAC3"];
        assert!(descriptors.into_iter().all(|bytes| coding(0x06, bytes) == ac3));
        assert_eq!(coding(0x06, &[0x0A, 4, b'd', b'e', b'u', 0]), None);
    }

    #[test]
    fn sections_can_span_and_share_packets() {
        let (one, two) = (section(0, &[1; 40]), section(2, &[2; 300]));
        let (mut sections, mut damaged) = (SectionAssembler::default(), 0);
        let first = [&[0][..], &one, &two[..100]].concat();
        assert_eq!(sections.push(&first, true, &mut damaged), std::slice::from_ref(&one));
        assert!(sections.push(&two[100..280], false, &mut damaged).is_empty());
        let last = [&[(two.len() - 280) as u8][..], &two[280..], &one, &[0xFF; 30]].concat();
        assert_eq!(sections.push(&last, true, &mut damaged), [two, one.clone()]);
        assert_eq!(damaged, 0);
        let mut bad = one;
        bad[10] ^= 1;
        assert!(sections.push(&[&[0][..], &bad].concat(), true, &mut damaged).is_empty());
        assert!(sections.push(&[200, 1], true, &mut damaged).is_empty());
        assert_eq!(damaged, 2);
    }
}
