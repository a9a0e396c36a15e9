use std::f64::consts::TAU;

use super::*;
use crate::audio::health::biquad::{HIGH_PASS, HIGH_PASS_CORNER, SHELF, SHELF_CORNER};

/// Filters samples as the recommendation describes it, and returns the energy.
fn exact_energy(samples: &[f32], rate: f64) -> f64 {
    let stages = [SHELF.at_rate(rate, SHELF_CORNER), HIGH_PASS.at_rate(rate, HIGH_PASS_CORNER)];
    let mut states = [[0.0; 2]; 2];
    let weighted = |sample: &f32| {
        stages.iter().zip(&mut states).fold(f64::from(*sample), |x, (c, state)| {
            let y = c.b[0] * x + state[0];
            *state = [c.b[1] * x + state[1] - c.a[0] * y, c.b[2] * x - c.a[1] * y];
            y
        })
    };
    samples.iter().map(weighted).map(|y| y * y).sum()
}

/// Filters pieces of some lengths and returns the energy of the second channel; the first one has the opposite sign.
fn energy(samples: &[f32], rate: u32, lengths: &[usize]) -> f64 {
    let mut filter = PairMeter::new(rate);
    let inverted: Vec<f32> = samples.iter().map(|sample| -sample).collect();
    let (mut at, mut sum) = (0, [0.0; 2]);
    for length in lengths.iter().cycle() {
        let range = at..samples.len().min(at + length);
        let energy = filter.measure(&inverted[range.clone()], &samples[range.clone()]).weighted;
        sum = [sum[0] + energy[0], sum[1] + energy[1]];
        at = range.end;
        if at == samples.len() {
            break;
        }
    }
    assert!((sum[0] - sum[1]).abs() <= 1e-6 * sum[1], "the channels have different energies: {sum:?}");
    sum[1]
}

fn assert_decibels(found: f64, expected: f64, tolerance: f64, what: &str) {
    let error = 10.0 * (found / expected).log10();
    assert!(error.abs() <= tolerance, "{what}: {error} dB");
}

#[test]
fn energy_is_that_of_the_exact_filter() {
    for (rate, tolerance) in [(8_000, 0.4), (32_000, 0.03), (44_100, 0.03), (48_000, 0.03), (96_000, 0.03)] {
        for hertz in [20.0, 38.0, 60.0, 120.0, 250.0, 500.0, 1_000.0, 2_500.0, 3_900.0] {
            let samples: Vec<f32> = (0..4 * rate)
                .map(|n| 0.5 * (TAU * hertz * f64::from(n) / f64::from(rate)).sin() as f32)
                .collect();
            let expected = exact_energy(&samples, f64::from(rate));
            let what = format!("{hertz} Hz at {rate} Hz");
            assert_decibels(energy(&samples, rate, &[1_024, 362]), expected, tolerance, &what);
        }
    }
}

#[test]
fn lengths_of_pieces_do_not_change_the_energy() {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    let samples: Vec<f32> = std::iter::repeat_with(&mut noise).take(50_021).collect();
    let expected = exact_energy(&samples, 48_000.0);
    for lengths in [&[1][..], &[7, 1], &[1_024], &[4_800], &[333, 1_025, 2], &[50_021]] {
        assert_decibels(energy(&samples, 48_000, lengths), expected, 0.02, &format!("{lengths:?}"));
    }
}

#[test]
fn silence_after_sound_has_no_energy_and_leaves_no_state() {
    let mut filter = PairMeter::new(48_000);
    filter.measure(&[0.9; 1_000], &[-0.9; 1_000]);
    let silence = vec![0.0; 48_000];
    (0..10).for_each(|_| _ = filter.measure(&silence, &silence));
    let energy = filter.measure(&silence, &silence).weighted;
    assert!(energy.iter().all(|energy| energy.abs() < 1e-12), "{energy:?}");
}

#[test]
fn levels_of_any_number_of_samples_are_those_of_their_definitions() {
    for length in [0, 1, 3, 16, 17, 1_023] {
        let left: Vec<f32> = (0..length).map(|n| (n as f32 * 0.7).sin()).collect();
        let right: Vec<f32> = left.iter().map(|sample| 0.1 - 0.5 * sample).collect();
        let levels = PairMeter::new(48_000).measure(&left, &right);
        let close =
            |found: f32, expected: f32| assert!((found - expected).abs() < 1e-3, "{found} {expected}");
        close(levels.product, left.iter().zip(&right).map(|(l, r)| l * r).sum());
        for (channel, samples) in [left, right].iter().enumerate() {
            close(levels.sums[channel], samples.iter().sum());
            close(levels.squares[channel], samples.iter().map(|sample| sample * sample).sum());
            assert_eq!(
                levels.peak[channel],
                samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()))
            );
        }
    }
}

#[test]
fn processors_without_vector_instructions_measure_the_same() {
    let samples: Vec<Lanes> =
        (0..128).map(|n| from_fn(|lane| 0.5 * ((8 * n + lane) as f32 * 0.05).sin())).collect();
    let (([found, _], product), ([expected, _], _)) =
        (whole_lanes(&samples, &samples), whole_lanes_plain(&samples, &samples));
    let close = |found: &[f32], expected: &[f32]| {
        let pairs = found.iter().zip(expected);
        pairs.map(|(found, expected)| (found - expected).abs()).fold(0.0, f32::max) <= 1e-3
    };
    assert!(close(&found.sum, &expected.sum), "{found:?} {expected:?}");
    assert!(
        close(&found.squares, &expected.squares) && close(&product, &expected.squares),
        "{found:?} {product:?}"
    );
    assert_eq!(found.peak, expected.peak);
}
