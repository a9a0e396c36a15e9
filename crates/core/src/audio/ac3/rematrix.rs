//! Rematrixing: stereo as sums and differences (ATSC A/52:2018, 7.5).

use super::channel::Channel;
use super::coupling::Coupling;
use super::extension::SpectralExtension;
use super::fields::{Ac3Result, FieldReader};

/// Limits of the bands, as coefficients (table 7.25).
const LIMITS: [usize; 5] = [13, 25, 37, 61, 253];

/// For each band, true if the two channels contain sum and difference.
#[derive(Debug, Clone, Default)]
pub(super) struct Rematrixing {
    flags: [bool; 4],
}

impl Rematrixing {
    /// Reads the flags of a block with stereo. `always` is true if the block contains them without a flag.
    pub(super) fn read(
        &mut self,
        always: bool,
        coupling: &Coupling,
        extension: &SpectralExtension,
        fields: &mut FieldReader<'_>,
    ) -> Ac3Result<()> {
        if always || fields.flag()? {
            for flag in &mut self.flags[..bands(coupling, extension)] {
                *flag = fields.flag()?;
            }
        }
        Ok(())
    }

    /// Replaces sums and differences by left and right. The first two channels are left and right.
    pub(super) fn apply(&self, coupling: &Coupling, extension: &SpectralExtension, channels: &mut [Channel]) {
        let [left, right, ..] = channels else { return };
        let end = left.range.end.min(right.range.end);
        for band in 0..bands(coupling, extension) {
            if !self.flags[band] {
                continue;
            }
            let bins = LIMITS[band].min(end)..LIMITS[band + 1].min(end);
            let pairs = left.coefficients[bins.clone()].iter_mut().zip(&mut right.coefficients[bins]);
            for (left, right) in pairs {
                (*left, *right) = (*left + *right, *left - *right);
            }
        }
    }
}

/// Returns the number of bands in use: those below the coupling channel or the spectral extension.
fn bands(coupling: &Coupling, extension: &SpectralExtension) -> usize {
    match (coupling.in_use, coupling.begin) {
        (true, 0) => 2,
        (true, 1 | 2) => 3,
        (false, _) if extension.begins_low() => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_differences_become_left_and_right() {
        let mut channels = vec![Channel::new(); 2];
        for (channel, value) in channels.iter_mut().zip([0.5, 0.25]) {
            (channel.range, channel.coefficients) = (0..30, [value; 253]);
        }
        let rematrixing = Rematrixing { flags: [false, true, true, false] };
        rematrixing.apply(&Coupling::new(), &SpectralExtension::new(), &mut channels);
        let at = |bin: usize| (channels[0].coefficients[bin], channels[1].coefficients[bin]);
        assert_eq!([at(24), at(25), at(29), at(30)], [(0.5, 0.25), (0.75, 0.25), (0.75, 0.25), (0.5, 0.25)]);
    }

    #[test]
    fn the_number_of_flags_depends_on_coupling() {
        let mut coupling = Coupling::new();
        assert_eq!(bands(&coupling, &SpectralExtension::new()), 4);
        coupling.in_use = true;
        let numbers = [0, 1, 2, 3].map(|begin| {
            coupling.begin = begin;
            bands(&coupling, &SpectralExtension::new())
        });
        assert_eq!(numbers, [2, 3, 3, 4]);
    }
}
