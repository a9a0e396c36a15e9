//! Reads the parameters of the spectral extension of E-AC-3 (ATSC A/52:2018, annex E, 2.2.4).
//!
//! The extension describes high frequencies by a copy of lower ones. It begins at coefficient 49 or higher (4.6 kHz at 48
//! kHz), usually above 8 kHz. These frequencies stay silent: fingerprints use only those below 5 kHz, and a copy would
//! have peaks that the original audio does not have.

use super::FULL_CHANNELS;
use super::bsi::FrameInfo;
use super::fields::{Ac3Result, FieldReader};

/// Number of subbands of the extension, of 12 coefficients each.
const SUBBANDS: usize = 17;

/// First coefficient of the first subband.
const FIRST_BIN: usize = 25;

/// For each subband, true if it is merged with the subband before unless a block says otherwise (table E2.11).
const DEFAULT_MERGED: [bool; SUBBANDS] = [
    false, false, false, false, false, false, false, false, true, false, true, false, true, false, true,
    false, true,
];

/// State of the spectral extension within a frame.
#[derive(Debug, Clone)]
pub(super) struct SpectralExtension {
    /// True if the extension is in use in the current block.
    pub(super) in_use: bool,
    /// For each channel, true if its high frequencies are described by the extension.
    pub(super) channels: [bool; FULL_CHANNELS],
    /// Index of the first subband.
    begin: usize,
    /// Number of bands.
    bands: usize,
    merged: [bool; SUBBANDS],
    /// For each channel, true if its next coordinates have no flag, because they must be present.
    first_coordinates: [bool; FULL_CHANNELS],
}

impl SpectralExtension {
    /// Creates the state at the start of a frame.
    pub(super) fn new() -> Self {
        Self {
            in_use: false,
            channels: [false; FULL_CHANNELS],
            begin: 0,
            bands: 0,
            merged: DEFAULT_MERGED,
            first_coordinates: [true; FULL_CHANNELS],
        }
    }

    /// Returns the end of the coefficients of a channel with the extension.
    pub(super) fn begin_bin(&self) -> usize {
        FIRST_BIN + 12 * self.begin
    }

    /// Returns the first subband of the extension, counted as a subband of the coupling channel. Returns `None` if the
    /// extension is not in use.
    pub(super) fn coupling_end(&self) -> Option<usize> {
        // Subbands of the coupling channel begin at coefficient 37, one subband higher.
        self.in_use.then(|| self.begin - 1)
    }

    /// Returns true if the extension begins so low that stereo has one band less of sums and differences.
    pub(super) fn begins_low(&self) -> bool {
        self.in_use && self.begin_bin() <= 61
    }

    /// Reads the parameters of a block.
    pub(super) fn read(
        &mut self,
        info: &FrameInfo,
        block: usize,
        fields: &mut FieldReader<'_>,
    ) -> Ac3Result<()> {
        if block == 0 || fields.flag()? {
            self.read_strategy(info, fields)?;
        }
        for channel in 0..info.channels {
            if !self.in_use || !self.channels[channel] {
                self.first_coordinates[channel] = true;
                continue;
            }
            let first = std::mem::replace(&mut self.first_coordinates[channel], false);
            if first || fields.flag()? {
                fields.skip(5 + 2 + 6 * self.bands)?; // blend, and the coordinates of the bands
            }
        }
        Ok(())
    }

    fn read_strategy(&mut self, info: &FrameInfo, fields: &mut FieldReader<'_>) -> Ac3Result<()> {
        self.in_use = fields.flag()?;
        self.channels = [false; FULL_CHANNELS];
        if !self.in_use {
            return Ok(());
        }
        for channel in &mut self.channels[..info.channels] {
            *channel = info.mode == 1 || fields.flag()?;
        }
        fields.skip(2)?; // start of the copied frequencies
        let (begin, end) = (fields.number(3)?, fields.number(3)?);
        self.begin = if begin < 6 { begin + 2 } else { 2 * begin - 3 };
        let end = if end < 3 { end + 5 } else { 2 * end + 3 };
        if self.begin >= end {
            return Err("the spectral extension has no coefficients");
        }
        let has_structure = fields.flag()?;
        self.bands = 1;
        for merged in &mut self.merged[self.begin + 1..end] {
            if has_structure {
                *merged = fields.flag()?;
            }
            self.bands += usize::from(!*merged);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::header::SyncHeader;
    use super::*;

    #[test]
    fn the_extension_limits_the_coefficients_of_its_channels() {
        let header = SyncHeader::read(&[0x0B, 0x77, 0x01, 0x7F, 0x34, 0x80]).unwrap();
        let info = FrameInfo { header, mode: 2, channels: 2, lfe: false };
        let mut extension = SpectralExtension::new();
        // In use, for the first channel, start 0, begin 6, end 7, default bands, then 7 bits and 6 for each band.
        let bits = [0b1100_0110, 0b1110_0000, 0, 0, 0, 0, 0, 0, 0, 0];
        extension.read(&info, 0, &mut FieldReader::new(&bits)).unwrap();
        assert_eq!((extension.begin_bin(), extension.bands), (133, 4));
        assert_eq!(extension.coupling_end(), Some(8));
        assert!(!extension.begins_low());
        assert_eq!(extension.channels[..2], [true, false]);
        let invalid = [0b1100_0111, 0, 0];
        assert!(SpectralExtension::new().read(&info, 0, &mut FieldReader::new(&invalid)).is_err());
    }
}
