//! The first stage of the K-weighting filter for two channels.

use std::array::from_fn;

use super::biquad::{Coefficients, SHELF, SHELF_CORNER};
use super::lanes::{LANES, Lanes, multiply_add, vectorized};

/// Share of the state that may be missing where a part of the samples starts: −80 dB. At half or twice this value, the
/// start of a part takes 4 samples more or less.
const MAX_UNSETTLED: f64 = 1e-4;

/// Magnitude below which the state is replaced by 0: −600 dB. Filters that ring out in silence would otherwise compute
/// with denormal numbers, which are slow. These begin near 1e-38, so half or twice this value has no effect.
const NEGLIGIBLE: f32 = 1e-30;

/// Number of parts of the samples that are filtered at the same time, each with two channels.
const PARTS: usize = LANES / 2;

/// A filter of second order in the state-space form of the transposed direct form II, in which a new state follows from the
/// old state and the input without the output. That makes the chain of dependent instructions shorter.
#[derive(Debug, Clone)]
pub(super) struct Shelf {
    gains: Gains,
    /// Number of samples after which the filter has forgotten its state.
    settling: usize,
    /// Both states after the last sample, for both channels.
    state: [[f32; 2]; 2],
}

#[derive(Debug, Clone)]
struct Gains {
    /// From the input to the output and to the two states.
    input: [f32; 3],
    /// From the first state to both.
    feedback: [f32; 2],
}

impl Shelf {
    /// Creates a filter for a sample rate of `rate` hertz.
    pub(super) fn new(rate: f64) -> Self {
        let Coefficients { b, a } = SHELF.at_rate(rate, SHELF_CORNER);
        let input = [b[0], b[1] - a[0] * b[0], b[2] - a[1] * b[0]];
        // The poles are a complex pair, whose magnitude is the root of the last coefficient.
        let settling = MAX_UNSETTLED.ln() / a[1].sqrt().ln();
        Self {
            gains: Gains { input: input.map(|gain| gain as f32), feedback: a.map(|gain| -gain as f32) },
            settling: settling.ceil() as usize,
            state: Default::default(),
        }
    }

    /// Filters samples of two channels, of the same length, and returns the sum of squares of each.
    ///
    /// Parts of the samples are filtered at the same time: the filter forgets its state, so a later part can start some
    /// samples earlier with any state.
    pub(super) fn energy(&mut self, left: &[f32], right: &[f32]) -> [f32; 2] {
        let length = left.len().min(right.len()) / PARTS;
        if length < self.settling {
            return self.energy_in_order(left, right);
        }
        let part = |channel: usize, from: usize, to: usize| {
            let samples = if channel == 0 { left } else { right };
            samples.get(from..to).unwrap_or_default()
        };
        // Lane by lane: the left and the right channel of the first part, then of the second part, and so on.
        let starts: [usize; LANES] = from_fn(|lane| lane / 2 * length);
        let mut state = [Lanes::default(); 2];
        let before = |lane: usize| starts[lane].saturating_sub(self.settling);
        // The first part has a state already. It gets samples of the same number here, whose result is not used.
        let settling = from_fn(|lane| part(lane % 2, before(lane), before(lane) + self.settling));
        self.run(&mut state, settling);
        for (lanes, [left, right]) in state.iter_mut().zip(self.state) {
            (lanes[0], lanes[1]) = (left, right);
        }
        let parts = from_fn(|lane| part(lane % 2, starts[lane], starts[lane] + length));
        let sums = self.run(&mut state, parts);
        self.state = state.map(|lanes| [lanes[LANES - 2], lanes[LANES - 1]]);
        let rest = PARTS * length;
        let last = self.energy_in_order(part(0, rest, left.len()), part(1, rest, right.len()));
        from_fn(|channel| last[channel] + sums.iter().skip(channel).step_by(2).sum::<f32>())
    }

    fn energy_in_order(&mut self, left: &[f32], right: &[f32]) -> [f32; 2] {
        let mut state = self.state.map(|channels| from_fn(|lane| channels[lane % 2]));
        let sums = self.run(&mut state, from_fn(|lane| if lane % 2 == 0 { left } else { right }));
        let flushed = |value: f32| if value.abs() < NEGLIGIBLE { 0.0 } else { value };
        self.state = state.map(|lanes| [flushed(lanes[0]), flushed(lanes[1])]);
        [sums[0], sums[1]]
    }

    fn run(&self, state: &mut [Lanes; 2], signals: [&[f32]; LANES]) -> Lanes {
        filter(&self.gains, state, signals)
    }
}

vectorized! {
    /// Filters signals of the same length and returns the sum of squares of each.
    fn filter<const FMA: bool>(gains: &Gains, state: &mut [Lanes; 2], signals: [&[f32]; LANES]) -> Lanes {
        let length = signals.iter().map(|signal| signal.len()).min().unwrap_or_default();
        // Equal lengths let the compiler leave out the checks of the indices.
        let signals = signals.map(|signal| &signal[..length]);
        let (input, feedback) = (gains.input.map(|gain| [gain; LANES]), gains.feedback.map(|gain| [gain; LANES]));
        let [mut first, mut second] = *state;
        let mut sums = Lanes::default();
        #[expect(clippy::needless_range_loop, reason = "the index is that of all signals")]
        for at in 0..length {
            let x: Lanes = from_fn(|lane| signals[lane][at]);
            let y = multiply_add::<FMA>(input[0], x, first);
            let next = multiply_add::<FMA>(feedback[0], first, multiply_add::<FMA>(input[1], x, second));
            second = multiply_add::<FMA>(feedback[1], first, from_fn(|lane| input[2][lane] * x[lane]));
            first = next;
            sums = multiply_add::<FMA>(y, y, sums);
        }
        *state = [first, second];
        sums
    } else filter_plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_without_vector_instructions_filter_the_same() {
        let shelf = Shelf::new(44_100.0);
        let samples: Vec<f32> = (0..1_024).map(|n| 0.5 * (n as f32 * 0.05).sin()).collect();
        let [mut state, mut plain] = [[Lanes::default(); 2]; 2];
        let sums = filter(&shelf.gains, &mut state, [&samples; LANES]);
        let expected = filter_plain(&shelf.gains, &mut plain, [&samples; LANES]);
        let close = |found: &[f32], expected: &[f32]| {
            found
                .iter()
                .zip(expected)
                .all(|(found, expected)| (found - expected).abs() <= 1e-4 * expected.abs())
        };
        assert!(
            close(&sums, &expected) && close(state.as_flattened(), plain.as_flattened()),
            "{sums:?} {expected:?}"
        );
    }
}
