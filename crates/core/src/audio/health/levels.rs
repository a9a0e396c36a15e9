//! Levels and K-weighted energy of a pair of channels.

use std::array::from_fn;

use super::high_pass::HighPass;
use super::lanes::{Lanes, higher, multiply_add, sum, vectorized};
use super::shelf::Shelf;

/// Levels of some samples of two channels.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct PairLevels {
    pub(super) sums: [f32; 2],
    pub(super) squares: [f32; 2],
    /// Sum of the products of both channels.
    pub(super) product: f32,
    /// Highest magnitude.
    pub(super) peak: [f32; 2],
    /// Sum of squares after the K-weighting filter.
    pub(super) weighted: [f64; 2],
}

/// Measures a pair of channels.
///
/// The energy after both stages of the filter is needed, but not the filtered signal. The shelf does not change low
/// frequencies and the high-pass filter does not change others, so the energy is that after the shelf, less what the
/// high-pass filter removes from the signal at a low sample rate. The difference to the exact filter is below 0.03 dB from
/// 32 kHz on.
#[derive(Debug, Clone)]
pub(super) struct PairMeter {
    shelf: Shelf,
    high_pass: HighPass,
}

impl PairMeter {
    /// Creates a meter for a sample rate of `rate` hertz.
    pub(super) fn new(rate: u32) -> Self {
        let rate = f64::from(rate);
        Self { shelf: Shelf::new(rate), high_pass: HighPass::new(rate) }
    }

    /// Returns the levels of the next samples of both channels. Both slices must have the same length.
    pub(super) fn measure(&mut self, left: &[f32], right: &[f32]) -> PairLevels {
        let energy = self.shelf.energy(left, right);
        let removed = self.high_pass.removed_energy(left, right);
        let weighted =
            [0, 1].map(|channel| f64::from(energy[channel]) * self.high_pass.gain() - removed[channel]);
        PairLevels { weighted, ..levels(left, right) }
    }
}

/// Returns the levels of samples of both channels without the weighted energy.
fn levels(left: &[f32], right: &[f32]) -> PairLevels {
    let ((lefts, left), (rights, right)) = (left.as_chunks(), right.as_chunks());
    let ([mut first, mut second], product) = whole_lanes(lefts, rights);
    // Zeros change no level.
    let [left, right] = [left, right].map(|rest| from_fn(|lane| rest.get(lane).copied().unwrap_or_default()));
    first.add::<false>(left);
    second.add::<false>(right);
    let highest = |lanes: Lanes| lanes.into_iter().fold(0.0, f32::max);
    PairLevels {
        sums: [sum(first.sum), sum(second.sum)],
        squares: [sum(first.squares), sum(second.squares)],
        product: sum(multiply_add::<false>(left, right, product)),
        peak: [highest(first.peak), highest(second.peak)],
        weighted: Default::default(),
    }
}

vectorized! {
    /// Returns the levels of both channels and the sums of their products. It contains only the loop, because with other
    /// code the compiler uses fewer vector instructions.
    fn whole_lanes<const FMA: bool>(left: &[Lanes], right: &[Lanes]) -> ([ChannelLevels; 2], Lanes) {
        let [mut first, mut second] = [ChannelLevels::default(); 2];
        let mut product = Lanes::default();
        for (left, right) in left.iter().zip(right) {
            first.add::<FMA>(*left);
            second.add::<FMA>(*right);
            product = multiply_add::<FMA>(*left, *right, product);
        }
        ([first, second], product)
    } else whole_lanes_plain
}

/// Levels of one channel for each lane.
#[derive(Debug, Clone, Copy, Default)]
struct ChannelLevels {
    sum: Lanes,
    squares: Lanes,
    peak: Lanes,
}

impl ChannelLevels {
    #[inline(always)]
    fn add<const FMA: bool>(&mut self, samples: Lanes) {
        self.sum = from_fn(|lane| self.sum[lane] + samples[lane]);
        self.squares = multiply_add::<FMA>(samples, samples, self.squares);
        self.peak = higher(self.peak, samples);
    }
}

#[cfg(test)]
mod tests;
