//! Reads the corrections of the masking curve (delta bit allocation, ATSC A/52:2018, 5.4.3.47 to 5.4.3.57).

use super::fields::{Ac3Result, FieldReader};
use super::tables::BANDS;

/// Corrections of the masking curve of a channel, in units of the power spectrum. The first one belongs to the first
/// band of the channel.
pub(super) type Delta = [i16; BANDS];

/// Update of the corrections of a channel in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeltaUpdate {
    /// The corrections of the block before stay in use.
    Keep,
    /// New corrections follow.
    New,
    /// No corrections are in use.
    None,
}

impl DeltaUpdate {
    /// Reads the update of one channel.
    pub(super) fn read(fields: &mut FieldReader<'_>) -> Ac3Result<Self> {
        match fields.number(2)? {
            0 => Ok(Self::Keep),
            1 => Ok(Self::New),
            2 => Ok(Self::None),
            _ => Err("reserved correction of the bit allocation"),
        }
    }

    /// Changes the corrections of a channel. Reads the new corrections if there are any.
    pub(super) fn apply(self, fields: &mut FieldReader<'_>, delta: &mut Delta) -> Ac3Result<()> {
        match self {
            Self::Keep => {}
            Self::None => *delta = [0; BANDS],
            Self::New => *delta = read(fields)?,
        }
        Ok(())
    }
}

fn read(fields: &mut FieldReader<'_>) -> Ac3Result<Delta> {
    let mut delta = [0; BANDS];
    let segments = fields.number(3)? + 1;
    let mut band = 0;
    for _ in 0..segments {
        band += fields.number(5)?; // from the end of the segment before
        let length = fields.number(4)?;
        // The codes are -4 to -1 and 1 to 4, in steps of 6 dB.
        let code = fields.number(3)? as i16;
        let correction = (if code >= 4 { code - 3 } else { code - 4 }) * 128;
        delta.iter_mut().skip(band).take(length).for_each(|value| *value = correction);
        band += length;
    }
    Ok(delta)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_begin_after_each_other_and_stay_within_the_bands() {
        // Two segments: 3 bands from band 2 on with code 0, 15 bands from band 5 + 31 on with code 7.
        let bits = "001".to_owned() + "00010" + "0011" + "000" + "11111" + "1111" + "111";
        let bits = format!("{bits:0<32}");
        let bytes: Vec<u8> =
            (0..4).map(|i| u8::from_str_radix(&bits[8 * i..8 * i + 8], 2).unwrap()).collect();
        let mut delta = [1; BANDS];
        DeltaUpdate::New.apply(&mut FieldReader::new(&bytes), &mut delta).unwrap();
        assert_eq!(delta[..7], [0, 0, -512, -512, -512, 0, 0]);
        assert_eq!((delta[35], delta[36], delta[49]), (0, 512, 512));
        DeltaUpdate::None.apply(&mut FieldReader::new(&[]), &mut delta).unwrap();
        assert_eq!(delta, [0; BANDS]);
        assert!(DeltaUpdate::New.apply(&mut FieldReader::new(&[0xFF]), &mut delta).is_err());
        assert!(DeltaUpdate::read(&mut FieldReader::new(&[0xC0])).is_err());
    }
}
