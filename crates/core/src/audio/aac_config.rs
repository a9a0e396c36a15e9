//! Reads the AudioSpecificConfig of AAC (ISO/IEC 14496-3, 1.6.2.1) and reduces it to the low-complexity core.
//!
//! HE-AAC is an AAC-LC stream (the core) at half the sample rate. Additional data describes the upper half of the
//! spectrum (SBR) and stereo (PS), and an LC decoder skips this data. Half the band is enough for a fingerprint, so the
//! configuration is rewritten to describe only the core.

use super::bits::MsbBitReader;

/// Sample rates of AAC in hertz by their index (ISO/IEC 14496-3, table 1.18).
pub(super) const AAC_RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

const AOT_LC: u32 = 2;
const AOT_SBR: u32 = 5;
const AOT_PS: u32 = 29;
const AOT_USAC: u32 = 42;
const ESCAPED_RATE: u32 = 15;

/// Properties of the low-complexity core of an AAC stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Core {
    /// Sample rate of the core in hertz.
    pub(super) rate: u32,
    /// Channel configuration of the core (ISO/IEC 14496-3, table 1.19): 1 for mono, 2 for stereo, 6 for 5.1, 7 for 7.1.
    pub(super) configuration: u8,
}

impl Core {
    /// Returns true if the core has one or two channels.
    pub(super) fn is_mono_or_stereo(self) -> bool {
        matches!(self.configuration, 1 | 2)
    }
}

/// Reads an AudioSpecificConfig and returns the core that it describes. An error names the variant of AAC that cannot
/// be decoded.
pub(super) fn read_core(bits: &mut MsbBitReader<'_>) -> Result<Core, String> {
    let damaged = || "AAC with a damaged configuration".to_owned();
    let mut object = object_type(bits).ok_or_else(damaged)?;
    if object == AOT_USAC {
        return Err("xHE-AAC (USAC)".to_owned());
    }
    let rate = sample_rate(bits).ok_or_else(damaged)?;
    let channels = bits.take(4).ok_or_else(damaged)?;
    if object == AOT_SBR || object == AOT_PS {
        // For SBR and PS, the first rate and the channels are those of the core. A second rate follows, then the object
        // type of the core.
        sample_rate(bits).ok_or_else(damaged)?; // of the full band, which is not decoded
        object = object_type(bits).ok_or_else(damaged)?;
    }
    if object != AOT_LC {
        return Err(format!("AAC of object type {object} ({}), not low complexity", object_name(object)));
    }
    let short_frames = bits.flag().ok_or_else(damaged)?;
    if bits.flag().ok_or_else(damaged)? {
        bits.take(14).ok_or_else(damaged)?; // delay of a core coder
    }
    bits.flag().ok_or_else(damaged)?; // extension, empty for this object type
    if short_frames {
        return Err("AAC with 960 samples a frame".to_owned());
    }
    // A rate that is not in the table can be any 24-bit number. No encoder uses a rate outside of this range, and for
    // unusual rates the resampler needs long blocks.
    if !(1_000..=96_000).contains(&rate) {
        return Err(format!("AAC at {rate} Hz"));
    }
    match channels {
        0 => Err("AAC with a custom channel layout (program config element)".to_owned()),
        1..=7 | 11..=14 => Ok(Core { rate, configuration: channels as u8 }),
        _ => Err(format!("AAC with channel configuration {channels}")),
    }
}

/// Returns an AudioSpecificConfig that describes only `core`.
pub(super) fn write_core(core: Core) -> Box<[u8]> {
    let channels = u64::from(core.configuration);
    let index = AAC_RATES.iter().position(|&rate| rate == core.rate);
    match index {
        Some(index) => {
            // The last three bits are zero: 1,024 samples per frame, no core coder, no extension.
            let word = (AOT_LC << 11) | ((index as u32) << 7) | ((channels as u32) << 3);
            word.to_be_bytes()[2..].into()
        }
        None => {
            let lead = (u64::from(AOT_LC) << 4) | u64::from(ESCAPED_RATE);
            let word = (lead << 31) | (u64::from(core.rate) << 7) | (channels << 3);
            word.to_be_bytes()[3..].into()
        }
    }
}

fn object_type(bits: &mut MsbBitReader<'_>) -> Option<u32> {
    match bits.take(5)? {
        31 => Some(32 + bits.take(6)?),
        object => Some(object),
    }
}

fn sample_rate(bits: &mut MsbBitReader<'_>) -> Option<u32> {
    match bits.take(4)? {
        ESCAPED_RATE => bits.take(24),
        index => AAC_RATES.get(index as usize).copied(),
    }
}

fn object_name(object: u32) -> &'static str {
    match object {
        1 => "Main",
        3 => "SSR",
        4 => "LTP",
        23 => "LD",
        39 => "ELD",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn core(asc: &[u8]) -> Result<Core, String> {
        read_core(&mut MsbBitReader::new(asc))
    }

    #[test]
    fn plain_and_high_efficiency_configurations_have_the_same_core() {
        assert_eq!(core(&[0x12, 0x10]), Ok(Core { rate: 44_100, configuration: 2 }));
        // AOT 5, 22,050 Hz, stereo, SBR 44,100 Hz, AOT 2.
        assert_eq!(core(&[0x2B, 0x92, 0x08, 0x00]), Ok(Core { rate: 22_050, configuration: 2 }));
        // AOT 29, 22,050 Hz, mono core, 44,100 Hz, AOT 2.
        assert_eq!(core(&[0xEB, 0x8A, 0x08, 0x00]), Ok(Core { rate: 22_050, configuration: 1 }));
    }

    #[test]
    fn written_cores_are_read_back() {
        for rate in AAC_RATES.into_iter().chain([44_056, 7_000]) {
            for configuration in [1, 2, 6, 7, 12] {
                let one = Core { rate, configuration };
                assert_eq!(core(&write_core(one)), Ok(one));
            }
        }
    }

    #[test]
    fn errors_name_the_unsupported_variant() {
        // AOT 42, 44,100 Hz, stereo.
        assert_eq!(core(&[0xF9, 0x48, 0x40]).unwrap_err(), "xHE-AAC (USAC)");
        assert!(core(&[0x12, 0x00]).unwrap_err().contains("custom channel layout"));
        assert!(core(&[0x12, 0x40]).unwrap_err().contains("configuration 8"));
        assert!(core(&[0x0A, 0x10]).unwrap_err().contains("Main"));
        assert!(core(&[0x12, 0x14]).unwrap_err().contains("960"));
        assert!(core(&[0x12]).unwrap_err().contains("damaged"));
        assert!(core(&[]).is_err());
    }
}
