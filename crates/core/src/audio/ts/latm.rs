//! Reads the multiplex layer LATM (ISO/IEC 14496-3, 1.7.3) in the form that broadcasters use: one program with one
//! layer.

use super::super::aac_config;
use super::super::bits::MsbBitReader;
use super::headers::FrameFormat;

/// The current configuration. A broadcaster sends it with every element, or less often.
#[derive(Debug, Clone, Copy)]
struct Mux {
    format: FrameFormat,
    /// Number of AAC frames in one multiplex element.
    frames: u32,
}

/// Unpacks the multiplex elements of one stream. Keeps the last configuration.
#[derive(Debug, Default)]
pub(super) struct Latm {
    /// The last configuration, or the name of the codec or variant that it describes and that is not supported. `None`
    /// before the first configuration and after a damaged one.
    mux: Option<Result<Mux, String>>,
}

impl Latm {
    /// Returns the name of the codec or variant of the last configuration if it is not supported.
    pub(super) fn unsupported_codec(&self) -> Option<&str> {
        self.mux.as_ref()?.as_ref().err().map(String::as_str)
    }

    /// Returns the raw AAC frames of one element with their format. Returns `None` if the element is damaged or of an
    /// unsupported kind, or if no configuration was received yet.
    pub(super) fn unpack(&mut self, element: &[u8]) -> Option<Vec<(FrameFormat, Vec<u8>)>> {
        let bits = &mut MsbBitReader::new(element);
        let same = bits.flag()?;
        if !same {
            // An invalid configuration also replaces the last valid one: the frames after it belong to the new
            // configuration and would be decoded wrongly with the old one.
            self.mux = read_mux(bits);
        }
        let mux = *self.mux.as_ref()?.as_ref().ok()?;
        (0..mux.frames).map(|_| payload(bits).map(|data| (mux.format, data))).collect()
    }
}

/// Reads a configuration (StreamMuxConfig). Returns `None` if it is damaged, and an error with the name of the codec or
/// variant if it is not supported.
fn read_mux(bits: &mut MsbBitReader<'_>) -> Option<Result<Mux, String>> {
    let version = bits.flag()?;
    if version && bits.flag()? {
        return None; // version A is reserved
    }
    if version {
        variable(bits)?; // buffer fullness
    }
    let same_time = bits.flag()?;
    let frames = bits.take(6)? + 1;
    let (programs, layers) = (bits.take(4)?, bits.take(3)?);
    if !same_time || programs != 0 || layers != 0 {
        return Some(Err("AAC in LATM with several programs or layers".to_owned()));
    }
    let core = if version {
        let length = variable(bits)? as usize;
        let start = bits.position();
        // The configuration of the core may contain extensions, which are not read. Its declared length shows where the
        // next field begins.
        match aac_config::read_core(bits) {
            Ok(core) => {
                bits.skip_to(start + length)?;
                core
            }
            Err(codec) => return Some(Err(codec)),
        }
    } else {
        match aac_config::read_core(bits) {
            Ok(core) => core,
            Err(codec) => return Some(Err(codec)),
        }
    };
    let fixed_length = bits.take(3)?;
    if fixed_length != 0 {
        return Some(Err("AAC in LATM with frames of fixed length".to_owned()));
    }
    bits.take(8)?; // buffer fullness
    if bits.flag()? {
        skip_other_data_length(bits, version)?;
    }
    if bits.flag()? {
        bits.take(8)?; // checksum of the configuration
    }
    let format = FrameFormat::Aac { rate: core.rate, channel_configuration: core.configuration };
    Some(Ok(Mux { format, frames }))
}

fn skip_other_data_length(bits: &mut MsbBitReader<'_>, version: bool) -> Option<()> {
    if version {
        return variable(bits).map(|_| ());
    }
    loop {
        let more = bits.flag()?;
        bits.take(8)?;
        if !more {
            return Some(());
        }
    }
}

/// Reads a number of variable length (LatmGetValue).
fn variable(bits: &mut MsbBitReader<'_>) -> Option<u32> {
    let bytes = bits.take(2)? + 1;
    bits.take(8 * bytes)
}

/// Reads the bytes of one frame (PayloadLengthInfo and PayloadMux). Returns `None` if the element is too short.
fn payload(bits: &mut MsbBitReader<'_>) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let more = bits.take(8)?;
        // A byte of 255 means that another one follows.
        length += more as usize;
        if more != 255 {
            return bits.bytes(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packs pairs of a value and its width in bits into bytes.
    fn pack(fields: &[(u32, u32)]) -> Vec<u8> {
        let bits: String = fields.iter().map(|&(v, w)| format!("{v:0w$b}", w = w as usize)).collect();
        let whole = bits.len().div_ceil(8) * 8;
        let bits = format!("{bits:0<whole$}");
        (0..whole / 8).map(|i| u8::from_str_radix(&bits[8 * i..8 * i + 8], 2).unwrap()).collect()
    }

    #[test]
    fn elements_with_and_without_configuration_are_unpacked() {
        let asc = (0b0001_0010_0000_1000, 16); // LC, 44,100 Hz, mono
        let mut latm = Latm::default();
        assert!(latm.unpack(&pack(&[(1, 1), (2, 8), (0xABCD, 16)])).is_none(), "no configuration yet");
        let head = [(0, 1), (0, 1), (1, 1), (0, 6), (0, 4), (0, 3), asc, (0, 3), (0xFF, 8), (0, 1), (0, 1)];
        let first = pack(&[&head[..], &[(2, 8), (0xABCD, 16)]].concat());
        let format = FrameFormat::Aac { rate: 44_100, channel_configuration: 1 };
        assert_eq!(latm.unpack(&first), Some(vec![(format, vec![0xAB, 0xCD])]));
        assert_eq!(latm.unpack(&pack(&[(1, 1), (1, 8), (0x77, 8)])), Some(vec![(format, vec![0x77])]));
        assert_eq!(latm.unpack(&pack(&[(1, 1), (9, 8), (0x77, 8)])), None, "cut");
        assert_eq!(latm.unsupported_codec(), None);
    }

    #[test]
    fn unsupported_codecs_are_named() {
        let head = [(0, 1), (0, 1), (1, 1), (0, 6), (0, 4), (0, 3)];
        let mut latm = Latm::default();
        // AOT 42, 48,000 Hz, stereo.
        let usac = pack(&[&head[..], &[(31, 5), (10, 6), (3, 4), (2, 4), (0, 32)]].concat());
        assert_eq!(latm.unpack(&usac), None);
        assert_eq!(latm.unsupported_codec(), Some("xHE-AAC (USAC)"));
        assert_eq!(latm.unpack(&pack(&[(1, 1), (1, 8), (0x77, 8)])), None, "the configuration stays in use");
        assert!(latm.unsupported_codec().is_some());
        let layers = [(0, 1), (0, 1), (1, 1), (0, 6), (0, 4), (1, 3), (0, 32)];
        assert_eq!(latm.unpack(&pack(&layers)), None);
        assert!(latm.unsupported_codec().unwrap().contains("layers"));
    }
}
