//! Reads headers of audio frames: ADTS (ISO/IEC 13818-7, 6.2), MPEG audio (ISO/IEC 11172-3, 2.4.1.3 and 13818-3), AC-3
//! and E-AC-3 (ATSC A/52), and LOAS, the frame around LATM (ISO/IEC 14496-3, 1.7.2).

use super::super::aac_config::AAC_RATES;
use super::super::ac3::{BLOCK_SAMPLES, HEADER_BYTES, SyncHeader};
use super::{flac, opus};

/// Coding of the audio frames in an elementary stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AudioCoding {
    /// AAC with an ADTS header before each frame.
    Adts,
    /// AAC in the multiplex layer LATM, with a LOAS header before each element.
    Latm,
    /// MPEG-1 or MPEG-2 audio, layers I to III.
    Mpeg,
    /// Opus with a control header before each packet.
    Opus,
    /// FLAC frames.
    Flac,
    /// AC-3 or E-AC-3. Each frame says which one it is.
    Ac3,
}

/// Format of the audio in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameFormat {
    /// A raw AAC block of 1,024 samples.
    Aac {
        /// Sample rate of the low-complexity core in hertz.
        rate: u32,
        /// MPEG-4 channel configuration: 1 for mono, 2 for stereo, 6 for 5.1, 7 for 7.1. 0 means that the audio data
        /// defines the layout.
        channel_configuration: u8,
    },
    /// An MPEG audio frame with its header.
    Mpeg {
        /// Layer: 1, 2 or 3.
        layer: u8,
        /// Sample rate in hertz.
        rate: u32,
        /// Number of samples per channel in the frame.
        samples: u32,
    },
    /// An Opus packet without its control header.
    Opus {
        /// Number of samples per channel in the packet, at 48 kHz.
        samples: u32,
    },
    /// A FLAC frame with its header.
    Flac {
        /// Sample rate in hertz.
        rate: u32,
        /// Number of channels.
        channels: u8,
        /// Bits per sample.
        bits: u8,
        /// Number of samples per channel in the frame.
        samples: u32,
    },
    /// A frame of AC-3 or E-AC-3 with its header.
    Ac3 {
        /// Sample rate in hertz.
        rate: u32,
        /// Number of samples per channel in the frame.
        samples: u32,
        /// True for E-AC-3.
        enhanced: bool,
    },
}

impl FrameFormat {
    /// Returns the number of samples per channel in a frame.
    #[must_use]
    pub fn samples(&self) -> u32 {
        match *self {
            Self::Aac { .. } => 1_024,
            Self::Mpeg { samples, .. }
            | Self::Opus { samples }
            | Self::Flac { samples, .. }
            | Self::Ac3 { samples, .. } => samples,
        }
    }

    /// Returns the sample rate in hertz.
    #[must_use]
    pub fn rate(&self) -> u32 {
        match *self {
            Self::Aac { rate, .. }
            | Self::Mpeg { rate, .. }
            | Self::Flac { rate, .. }
            | Self::Ac3 { rate, .. } => rate,
            Self::Opus { .. } => opus::RATE,
        }
    }

    /// Returns true if one decoder can decode frames of both formats. Frames of Opus, FLAC and E-AC-3 can differ in
    /// their length.
    #[must_use]
    pub fn has_same_decoder(&self, other: &Self) -> bool {
        match (*self, *other) {
            (Self::Opus { .. }, Self::Opus { .. }) => true,
            (Self::Flac { rate, channels, bits, .. }, Self::Flac { rate: r, channels: c, bits: b, .. }) => {
                (rate, channels, bits) == (r, c, b)
            }
            (Self::Ac3 { rate, enhanced, .. }, Self::Ac3 { rate: r, enhanced: e, .. }) => {
                (rate, enhanced) == (r, e)
            }
            _ => self == other,
        }
    }
}

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    /// Length in bytes of the whole frame, including the header.
    pub(super) length: usize,
    /// Length in bytes of the header that is removed before decoding. Equals `length` for a frame that is not decoded.
    pub(super) strip: usize,
    /// Format of the audio. `None` for LATM, whose format is inside of the frame.
    pub(super) format: Option<FrameFormat>,
}

impl FrameHeader {
    /// Returns true if the frame is not decoded.
    pub(super) fn is_skipped(&self) -> bool {
        self.strip == self.length
    }

    /// Returns true if the frames of both headers can follow each other in one stream. Skipped frames can follow, and be
    /// followed by, any frame.
    pub(super) fn is_compatible(&self, other: &Self) -> bool {
        if self.is_skipped() || other.is_skipped() {
            return true;
        }
        match (&self.format, &other.format) {
            (Some(one), Some(other)) => one.has_same_decoder(other),
            (one, other) => one == other,
        }
    }
}

/// Result of reading a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderResult {
    /// The bytes begin with this header.
    Header(FrameHeader),
    /// There are too few bytes to read a header.
    Incomplete,
    /// The bytes begin with this number of bytes that contain no complete frame.
    Damaged(usize),
    /// The bytes do not begin with a valid header.
    None,
}

/// Reads the header of a frame at the start of `bytes`.
pub(super) fn read(coding: AudioCoding, bytes: &[u8]) -> HeaderResult {
    let (size, header) = match coding {
        AudioCoding::Adts => (7, bytes.first_chunk().and_then(adts)),
        AudioCoding::Latm => (3, bytes.first_chunk().and_then(loas)),
        AudioCoding::Mpeg => (4, bytes.first_chunk().and_then(mpeg)),
        AudioCoding::Opus => return opus::read(bytes),
        AudioCoding::Flac => return flac::read(bytes, false),
        AudioCoding::Ac3 => (HEADER_BYTES, bytes.first_chunk().and_then(ac3)),
    };
    match header {
        Some(header) => HeaderResult::Header(header),
        None if bytes.len() < size => HeaderResult::Incomplete,
        None => HeaderResult::None,
    }
}

fn adts(b: &[u8; 7]) -> Option<FrameHeader> {
    let sync = b[0] == 0xFF && b[1] & 0xF6 == 0xF0;
    let rate = *AAC_RATES.get(usize::from(b[2] >> 2 & 0xF))?;
    let channel_configuration = (b[2] & 1) << 2 | b[3] >> 6;
    let length = usize::from(b[3] & 3) << 11 | usize::from(b[4]) << 3 | usize::from(b[5] >> 5);
    let strip = if b[1] & 1 == 1 { 7 } else { 9 };
    let one_block = b[6] & 3 == 0; // several blocks per frame are legal, but not in use
    let format = Some(FrameFormat::Aac { rate, channel_configuration });
    (sync && one_block && length > strip).then_some(FrameHeader { length, strip, format })
}

fn loas(b: &[u8; 3]) -> Option<FrameHeader> {
    let sync = b[0] == 0x56 && b[1] & 0xE0 == 0xE0;
    let length = usize::from(b[1] & 0x1F) << 8 | usize::from(b[2]);
    (sync && length > 0).then_some(FrameHeader { length: 3 + length, strip: 3, format: None })
}

fn mpeg(b: &[u8; 4]) -> Option<FrameHeader> {
    /// Bit rates in kbit/s by index, for layers I, II and III of MPEG-1, and for layers I and II/III of MPEG-2.
    const BIT_RATES: [[u32; 14]; 5] = [
        [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
        [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
        [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
        [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
        [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ];
    let sync = b[0] == 0xFF && b[1] & 0xE0 == 0xE0;
    // The sample rates of MPEG-2 are half of those of MPEG-1, and those of MPEG-2.5 a quarter.
    let halvings = match b[1] >> 3 & 3 {
        3 => 0,
        2 => 1,
        0 => 2,
        _ => return None,
    };
    // The field counts down: 3 is layer I, 1 is layer III, and 0 is reserved.
    let layer = 4_u8.checked_sub(b[1] >> 1 & 3).filter(|&layer| layer < 4)?;
    let rate = [44_100, 48_000, 32_000].get(usize::from(b[2] >> 2 & 3))? >> halvings;
    let table = match (halvings, layer) {
        (0, layer) => usize::from(layer) - 1,
        (_, 1) => 3,
        _ => 4,
    };
    // Index 0 is the free format, whose frame length is not in the header. Index 15 is reserved.
    let bits = 1_000 * BIT_RATES[table].get(usize::from(b[2] >> 4).checked_sub(1)?)?;
    let padding = u32::from(b[2] >> 1 & 1);
    let (samples, length) = match (layer, halvings) {
        // Layer I counts padding and length in slots of four bytes.
        (1, _) => (384, (12 * bits / rate + padding) * 4),
        (3, 1..) => (576, 72 * bits / rate + padding),
        _ => (1_152, 144 * bits / rate + padding),
    };
    let format = Some(FrameFormat::Mpeg { layer, rate, samples });
    sync.then_some(FrameHeader { length: length as usize, strip: 0, format })
}

fn ac3(bytes: &[u8; HEADER_BYTES]) -> Option<FrameHeader> {
    let header = SyncHeader::read(bytes)?;
    let samples = (header.blocks * BLOCK_SAMPLES) as u32;
    // Frames of other substreams of E-AC-3 follow those of the main program. They are skipped.
    let strip = if header.is_main() { 0 } else { header.length };
    let format = Some(FrameFormat::Ac3 { rate: header.rate, samples, enhanced: header.is_enhanced() });
    Some(FrameHeader { length: header.length, strip, format })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_give_the_length_and_format_of_a_frame() {
        let adts = [0xFF, 0xF1, 0x50, 0x80, 0x02, 0x1F, 0xFC];
        let format = Some(FrameFormat::Aac { rate: 44_100, channel_configuration: 2 });
        assert_eq!(
            read(AudioCoding::Adts, &adts),
            HeaderResult::Header(FrameHeader { length: 16, strip: 7, format })
        );
        let mp3 = [0xFF, 0xFB, 0x90, 0x00];
        let format = Some(FrameFormat::Mpeg { layer: 3, rate: 44_100, samples: 1_152 });
        assert_eq!(
            read(AudioCoding::Mpeg, &mp3),
            HeaderResult::Header(FrameHeader { length: 417, strip: 0, format })
        );
        let mp2 = [0xFF, 0xFD, 0x84, 0x00];
        let format = Some(FrameFormat::Mpeg { layer: 2, rate: 48_000, samples: 1_152 });
        assert_eq!(
            read(AudioCoding::Mpeg, &mp2),
            HeaderResult::Header(FrameHeader { length: 384, strip: 0, format })
        );
        let low = [0xFF, 0xF3, 0x40, 0xC0]; // MPEG-2 layer III, 32 kbit/s at 22,050 Hz
        let format = Some(FrameFormat::Mpeg { layer: 3, rate: 22_050, samples: 576 });
        assert_eq!(
            read(AudioCoding::Mpeg, &low),
            HeaderResult::Header(FrameHeader { length: 104, strip: 0, format })
        );
    }

    #[test]
    fn frames_of_other_substreams_are_skipped() {
        let format = |enhanced| Some(FrameFormat::Ac3 { rate: 48_000, samples: 1_536, enhanced });
        let read = |b: &[u8]| read(AudioCoding::Ac3, b);
        let ac3 = [0x0B, 0x77, 0, 0, 0x14, 0x40];
        let main = FrameHeader { length: 768, strip: 0, format: format(false) };
        assert_eq!(read(&ac3), HeaderResult::Header(main));
        let dependent = [0x0B, 0x77, 0x40, 0xFF, 0x34, 0x80];
        let skipped = FrameHeader { length: 512, strip: 512, format: format(true) };
        assert_eq!(read(&dependent), HeaderResult::Header(skipped));
        assert!(main.is_compatible(&skipped) && skipped.is_compatible(&main) && !main.is_skipped());
        assert_eq!(read(&ac3[..5]), HeaderResult::Incomplete);
        assert_eq!(read(&[0x0B, 0x78, 0, 0, 0x14, 0x40]), HeaderResult::None);
    }

    #[test]
    fn headers_with_reserved_values_are_rejected() {
        let bad =
            [[0xFF, 0xEB, 0x90, 0], [0xFF, 0xF9, 0x90, 0], [0xFF, 0xFB, 0xF0, 0], [0xFF, 0xFB, 0x9C, 0]];
        assert!(bad.iter().all(|b| read(AudioCoding::Mpeg, b) == HeaderResult::None));
        assert_eq!(read(AudioCoding::Mpeg, &[0xFF, 0xFB]), HeaderResult::Incomplete);
        assert_eq!(read(AudioCoding::Latm, &[0x56, 0xE0, 0x00]), HeaderResult::None);
        assert_eq!(read(AudioCoding::Adts, &[0xFF, 0xF1, 0x50, 0x80, 0, 0x1F, 0xFC]), HeaderResult::None);
    }
}
