//! Coupling: several channels share their high frequencies (ATSC A/52:2018, 7.4; annex E, 2.3.3).

use std::ops::Range;

use super::bsi::FrameInfo;
use super::channel::{Channel, scale};
use super::fields::{Ac3Result, FieldReader};
use super::{COUPLING, FULL_CHANNELS};

/// Number of subbands of the coupling channel, of 12 coefficients each.
const SUBBANDS: usize = 18;

/// First coefficient of the first subband.
const FIRST_BIN: usize = 37;

/// For each subband, true if E-AC-3 merges it with the subband before unless a block says otherwise (table E2.13).
const DEFAULT_MERGED: [bool; SUBBANDS] = [
    false, false, false, false, false, false, false, false, true, false, true, true, false, true, true, true,
    true, true,
];

/// State of coupling within a frame.
#[derive(Debug, Clone)]
pub(super) struct Coupling {
    /// True if coupling is in use in the current block.
    pub(super) in_use: bool,
    /// For each channel, true if it is coupled.
    pub(super) coupled: [bool; FULL_CHANNELS],
    /// Index of the first subband.
    pub(super) begin: usize,
    /// Coefficients of the coupling channel.
    pub(super) range: Range<usize>,
    /// Initial values of the fast and the slow leak of the masking model.
    pub(super) leaks: (i32, i32),
    has_phases: bool,
    merged: [bool; SUBBANDS],
    /// Ends of the bands, as coefficients.
    ends: [usize; SUBBANDS],
    /// Number of bands.
    bands: usize,
    /// Factor of each channel and band.
    coordinates: [[f32; SUBBANDS]; FULL_CHANNELS],
    /// For each band, true if the second channel has the opposite phase.
    inverted: [bool; SUBBANDS],
    /// In E-AC-3, for each channel, true if its next coordinates have no flag, because they must be present.
    first_coordinates: [bool; FULL_CHANNELS],
    /// In E-AC-3, true if the next leaks have no flag.
    first_leaks: bool,
}

impl Coupling {
    /// Creates the state at the start of a frame.
    pub(super) fn new() -> Self {
        Self {
            in_use: false,
            coupled: [false; FULL_CHANNELS],
            begin: 0,
            range: 0..0,
            leaks: (0, 0),
            has_phases: false,
            merged: DEFAULT_MERGED,
            ends: [0; SUBBANDS],
            bands: 0,
            coordinates: [[0.0; SUBBANDS]; FULL_CHANNELS],
            inverted: [false; SUBBANDS],
            first_coordinates: [true; FULL_CHANNELS],
            first_leaks: true,
        }
    }

    /// Reads a new strategy of AC-3, including the flag that coupling is in use.
    pub(super) fn read_strategy(&mut self, info: &FrameInfo, fields: &mut FieldReader<'_>) -> Ac3Result<()> {
        if !fields.flag()? {
            self.disable();
            return Ok(());
        }
        self.read_channels(info, true, fields)?;
        let begin = fields.number(4)?;
        let end = fields.number(4)? + 3;
        self.set_range(begin, end)?;
        self.read_structure(fields)
    }

    /// Reads a new strategy of E-AC-3 if coupling is in use in the block. `extension` is the first subband of the
    /// spectral extension, counted as a subband of the coupling channel; `None` if the extension is not in use.
    pub(super) fn read_enhanced_strategy(
        &mut self,
        info: &FrameInfo,
        in_use: bool,
        extension: Option<usize>,
        fields: &mut FieldReader<'_>,
    ) -> Ac3Result<()> {
        if !in_use {
            self.disable();
            self.first_coordinates = [true; FULL_CHANNELS];
            self.first_leaks = true;
            return Ok(());
        }
        if fields.flag()? {
            return Err("enhanced coupling is not supported");
        }
        self.read_channels(info, !info.is_stereo(), fields)?;
        let begin = fields.number(4)?;
        let end = match extension {
            Some(end) => end,
            None => fields.number(4)? + 3,
        };
        self.set_range(begin, end)?;
        if fields.flag()? { self.read_structure(fields) } else { self.set_bands() }
    }

    fn disable(&mut self) {
        self.in_use = false;
        self.coupled = [false; FULL_CHANNELS];
        self.has_phases = false;
    }

    /// Reads the coupled channels. Without flags, all channels are coupled.
    fn read_channels(
        &mut self,
        info: &FrameInfo,
        has_flags: bool,
        fields: &mut FieldReader<'_>,
    ) -> Ac3Result<()> {
        self.in_use = true;
        self.coupled = [false; FULL_CHANNELS];
        for coupled in &mut self.coupled[..info.channels] {
            *coupled = !has_flags || fields.flag()?;
        }
        self.has_phases = info.is_stereo() && fields.flag()?;
        self.inverted = [false; SUBBANDS];
        Ok(())
    }

    fn set_range(&mut self, begin: usize, end: usize) -> Ac3Result<()> {
        if begin >= end || end > SUBBANDS {
            return Err("the coupling channel has no coefficients");
        }
        self.begin = begin;
        self.range = FIRST_BIN + 12 * begin..FIRST_BIN + 12 * end;
        Ok(())
    }

    /// Reads which subbands are merged to bands.
    fn read_structure(&mut self, fields: &mut FieldReader<'_>) -> Ac3Result<()> {
        let subbands = self.begin + 1..self.begin + self.range.len() / 12;
        for merged in &mut self.merged[subbands] {
            *merged = fields.flag()?;
        }
        self.set_bands()
    }

    fn set_bands(&mut self) -> Ac3Result<()> {
        self.bands = 0;
        for subband in self.begin..self.begin + self.range.len() / 12 {
            if subband == self.begin || !self.merged[subband] {
                self.bands += 1;
            }
            self.ends[self.bands - 1] = FIRST_BIN + 12 * (subband + 1);
        }
        Ok(())
    }

    /// Reads the coordinates of a block, with which the channels differ.
    pub(super) fn read_coordinates(
        &mut self,
        info: &FrameInfo,
        fields: &mut FieldReader<'_>,
    ) -> Ac3Result<()> {
        if !self.in_use {
            return Ok(());
        }
        let mut has_new = false;
        for channel in 0..info.channels {
            if !self.coupled[channel] {
                self.first_coordinates[channel] = true;
                continue;
            }
            let first = std::mem::replace(&mut self.first_coordinates[channel], false) && info.is_enhanced();
            if !(first || fields.flag()?) {
                continue;
            }
            has_new = true;
            let master = 3 * fields.number(2)?;
            for coordinate in &mut self.coordinates[channel][..self.bands] {
                let exponent = fields.number(4)?;
                let mantissa = fields.number(4)?;
                // The highest exponent has mantissas without an implicit leading bit. Coordinates are scaled by 8.
                let numerator = if exponent == 15 { 2 * mantissa } else { mantissa + 16 };
                *coordinate = numerator as f32 / 4.0 * scale((exponent + master) as u8);
            }
        }
        if self.has_phases && has_new {
            for inverted in &mut self.inverted[..self.bands] {
                *inverted = fields.flag()?;
            }
        }
        Ok(())
    }

    /// Reads the initial leaks of the masking model.
    pub(super) fn read_leaks(&mut self, info: &FrameInfo, fields: &mut FieldReader<'_>) -> Ac3Result<()> {
        if !self.in_use {
            return Ok(());
        }
        let first = std::mem::replace(&mut self.first_leaks, false) && info.is_enhanced();
        if first || fields.flag()? {
            let fast = (fields.integer(3)? << 8) + 768;
            self.leaks = (fast, (fields.integer(3)? << 8) + 768);
        }
        Ok(())
    }

    /// Computes the high frequencies of the coupled channels from those of the coupling channel.
    pub(super) fn apply(&self, channels: &mut [Channel]) {
        let Some((coupling, channels)) = channels.get_mut(..=COUPLING).and_then(<[_]>::split_last_mut) else {
            return;
        };
        if !self.in_use {
            return;
        }
        for (number, channel) in channels.iter_mut().enumerate().take(FULL_CHANNELS) {
            if !self.coupled[number] {
                continue;
            }
            let mut start = self.range.start;
            for band in 0..self.bands {
                let sign = if number == 1 && self.inverted[band] { -1.0 } else { 1.0 };
                let factor = sign * self.coordinates[number][band];
                let bins = start..self.ends[band];
                let from = &coupling.coefficients[bins.clone()];
                for (to, from) in channel.coefficients[bins].iter_mut().zip(from) {
                    *to = factor * from;
                }
                start = self.ends[band];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::CHANNELS;
    use super::super::header::SyncHeader;
    use super::*;

    fn info() -> FrameInfo {
        // AC-3, stereo.
        let header = SyncHeader::read(&[0x0B, 0x77, 0, 0, 0x14, 0x40]).unwrap();
        FrameInfo { header, mode: 2, channels: 2, lfe: false }
    }

    fn bytes(bits: &str) -> Vec<u8> {
        let bits: String = bits.chars().filter(|c| !c.is_whitespace()).collect();
        let width = bits.len().div_ceil(8) * 8;
        let bits = format!("{bits:0<width$}");
        (0..bits.len() / 8).map(|i| u8::from_str_radix(&bits[8 * i..8 * i + 8], 2).unwrap()).collect()
    }

    #[test]
    fn channels_get_the_coupling_channel_by_bands() {
        let mut coupling = Coupling::new();
        // In use, both channels, with phases, subbands 8 to 10, of which the second is merged with the first.
        let strategy = bytes("1 1 1 1 1000 1000 1 0");
        coupling.read_strategy(&info(), &mut FieldReader::new(&strategy)).unwrap();
        assert_eq!((coupling.range.clone(), coupling.bands), (133..169, 2));
        // Left: 1/2 * 8 / 8, 1/32 * 8 * 4; right: nothing; inverted second band.
        let coordinates = bytes("1 01 0000 0000  1111 0000  0  0 1");
        coupling.read_coordinates(&info(), &mut FieldReader::new(&coordinates)).unwrap();
        coupling.coordinates[1] = [2.0; SUBBANDS];
        let mut channels = vec![Channel::new(); CHANNELS];
        channels[COUPLING].coefficients = [1.0; 253];
        coupling.apply(&mut channels);
        assert_eq!(
            [132, 133, 156, 157, 168, 169].map(|bin: usize| channels[0].coefficients[bin]),
            [0.0, 0.5, 0.5, 0.0, 0.0, 0.0]
        );
        assert_eq!(
            [133, 156, 157, 168].map(|bin: usize| channels[1].coefficients[bin]),
            [2.0, 2.0, -2.0, -2.0]
        );
    }

    #[test]
    fn invalid_ranges_are_rejected() {
        let mut coupling = Coupling::new();
        let strategy = bytes("1 1 1 0 1111 0000 000");
        assert!(coupling.read_strategy(&info(), &mut FieldReader::new(&strategy)).is_err());
        assert!(coupling.read_strategy(&info(), &mut FieldReader::new(&[0xFF])).is_err());
    }
}
