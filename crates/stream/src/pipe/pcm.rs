//! Formats of raw PCM, which has no header.

use std::fmt;
use std::str::FromStr;

/// Supported sample rates in Hz: from telephone codecs to the highest rate of studio interfaces. A rate outside this
/// range is more likely a typing error than a real rate, and resampling it would need very long filters.
const SAMPLE_RATES_HZ: std::ops::RangeInclusive<u32> = 2_000..=384_000;

/// Maximum number of channels: that of the largest digital audio interfaces (MADI). The number of channels comes from
/// the user, so this limit bounds the size of a frame.
const MAX_CHANNELS: usize = 64;

/// Encoding of one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleEncoding {
    /// Unsigned 8-bit integers.
    U8,
    /// Signed 16-bit integers.
    S16 {
        /// True if the most significant byte is first.
        big_endian: bool,
    },
    /// Signed 24-bit integers in three bytes.
    S24 {
        /// True if the most significant byte is first.
        big_endian: bool,
    },
    /// Signed 32-bit integers.
    S32 {
        /// True if the most significant byte is first.
        big_endian: bool,
    },
    /// 32-bit floating point, nominally within ±1.
    F32 {
        /// True if the most significant byte is first.
        big_endian: bool,
    },
}

/// Format of raw PCM. The text form is `s16le:48000:2`, with ffmpeg's names of sample formats.
///
/// # Examples
/// ```
/// use refrain_stream::{PcmFormat, SampleEncoding};
///
/// let format: PcmFormat = "s16le:48000:2".parse()?;
/// assert_eq!(format.encoding, SampleEncoding::S16 { big_endian: false });
/// assert_eq!((format.rate, format.channels), (48_000, 2));
/// assert!("mp3:48000:2".parse::<PcmFormat>().is_err());
/// # Ok::<(), refrain_stream::PcmError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PcmFormat {
    /// Encoding of a sample.
    pub encoding: SampleEncoding,
    /// Sample rate in Hz.
    pub rate: u32,
    /// Number of interleaved channels.
    pub channels: usize,
}

/// Error of parsing a [`PcmFormat`]: the text is not a valid raw PCM format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid PCM format {0:?}; write ENCODING:RATE:CHANNELS, for example s16le:48000:2, with the encoding u8, s16le, s16be, \
     s24le, s24be, s32le, s32be, f32le or f32be, 2000 to 384000 Hz and 1 to 64 channels"
)]
pub struct PcmError(String);

impl FromStr for PcmFormat {
    type Err = PcmError;

    fn from_str(text: &str) -> Result<Self, PcmError> {
        let error = || PcmError(text.to_owned());
        let mut parts = text.split(':');
        let mut next = || parts.next().ok_or_else(error);
        let (encoding, rate, channels) = (next()?, next()?, next()?);
        let encoding = encoding_of(encoding).ok_or_else(error)?;
        let rate = rate.parse().ok().filter(|rate| SAMPLE_RATES_HZ.contains(rate)).ok_or_else(error)?;
        let fits = |channels: &usize| (1..=MAX_CHANNELS).contains(channels);
        let channels = channels.parse().ok().filter(fits).ok_or_else(error)?;
        if parts.next().is_some() { Err(error()) } else { Ok(Self { encoding, rate, channels }) }
    }
}

fn encoding_of(name: &str) -> Option<SampleEncoding> {
    if name == "u8" {
        return Some(SampleEncoding::U8);
    }
    let (kind, order) = name.split_at_checked(3)?;
    let big_endian = match order {
        "le" => false,
        "be" => true,
        _ => return None,
    };
    match kind {
        "s16" => Some(SampleEncoding::S16 { big_endian }),
        "s24" => Some(SampleEncoding::S24 { big_endian }),
        "s32" => Some(SampleEncoding::S32 { big_endian }),
        "f32" => Some(SampleEncoding::F32 { big_endian }),
        _ => None,
    }
}

impl fmt::Display for PcmFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, big_endian) = match self.encoding {
            SampleEncoding::U8 => return write!(f, "u8:{}:{}", self.rate, self.channels),
            SampleEncoding::S16 { big_endian } => ("s16", big_endian),
            SampleEncoding::S24 { big_endian } => ("s24", big_endian),
            SampleEncoding::S32 { big_endian } => ("s32", big_endian),
            SampleEncoding::F32 { big_endian } => ("f32", big_endian),
        };
        let order = if big_endian { "be" } else { "le" };
        write!(f, "{name}{order}:{}:{}", self.rate, self.channels)
    }
}

impl PcmFormat {
    /// Returns the number of bytes of one frame: one sample of each channel.
    pub(super) fn frame(&self) -> usize {
        let bytes = match self.encoding {
            SampleEncoding::U8 => 1,
            SampleEncoding::S16 { .. } => 2,
            SampleEncoding::S24 { .. } => 3,
            SampleEncoding::S32 { .. } | SampleEncoding::F32 { .. } => 4,
        };
        bytes * self.channels
    }

    /// Appends the samples in `bytes` to `samples`. An incomplete sample at the end is ignored.
    pub(super) fn read(&self, bytes: &[u8], samples: &mut Vec<f32>) {
        match self.encoding {
            SampleEncoding::U8 => samples.extend(bytes.iter().map(|&b| (f32::from(b) - 128.0) / 128.0)),
            SampleEncoding::S16 { big_endian } => {
                words(bytes, big_endian, samples, |b| f32::from(i16::from_le_bytes(b)) / 32_768.0);
            }
            SampleEncoding::S24 { big_endian } => words(bytes, big_endian, samples, |[a, b, c]| {
                (i32::from_le_bytes([0, a, b, c]) >> 8) as f32 / 8_388_608.0
            }),
            SampleEncoding::S32 { big_endian } => {
                words(bytes, big_endian, samples, |b| i32::from_le_bytes(b) as f32 / 2_147_483_648.0);
            }
            SampleEncoding::F32 { big_endian } => words(bytes, big_endian, samples, f32::from_le_bytes),
        }
    }
}

/// Appends the value of each word of `N` bytes to `samples`; an incomplete word at the end is ignored. `value` receives
/// the word in little-endian order. If `big` is true, the words in `bytes` are big-endian.
fn words<const N: usize>(bytes: &[u8], big: bool, samples: &mut Vec<f32>, value: impl Fn([u8; N]) -> f32) {
    let (words, _) = bytes.as_chunks::<N>();
    samples.extend(words.iter().map(|&word| {
        let mut word = word;
        if big {
            word.reverse();
        }
        value(word)
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_is_parsed_and_decoded() {
        let half: [(&str, &[u8]); 9] = [
            ("u8", &[192]),
            ("s16le", &[0, 64]),
            ("s16be", &[64, 0]),
            ("s24le", &[0, 0, 64]),
            ("s24be", &[64, 0, 0]),
            ("s32le", &[0, 0, 0, 64]),
            ("s32be", &[64, 0, 0, 0]),
            ("f32le", &[0, 0, 0, 63]),
            ("f32be", &[63, 0, 0, 0]),
        ];
        for (name, bytes) in half {
            let text = format!("{name}:48000:2");
            let format: PcmFormat = text.parse().unwrap();
            assert_eq!((format.to_string(), format.frame()), (text, 2 * bytes.len()));
            let mut samples = Vec::new();
            format.read(&[bytes, bytes, &bytes[1..]].concat(), &mut samples);
            assert_eq!(samples, [0.5, 0.5], "{name}");
        }
        let mut low = Vec::new();
        "s24le:8000:1".parse::<PcmFormat>().unwrap().read(&[0, 0, 0x80], &mut low);
        assert_eq!(low, [-1.0]);
    }

    #[test]
    fn invalid_formats_are_rejected() {
        for text in
            ["", "s16le", "s16le:48000", "s16le:48000:2:1", "s17le:48000:2", "s16:48000:2", "s16le:0:2"]
        {
            assert!(text.parse::<PcmFormat>().is_err(), "{text}");
        }
        let error = "mp3:44100:2".parse::<PcmFormat>().unwrap_err().to_string();
        assert!(error.contains("s16le:48000:2"), "{error}");
        assert!("s16le:48000:0".parse::<PcmFormat>().is_err());
        assert!("s16le:999999:2".parse::<PcmFormat>().is_err());
    }
}
