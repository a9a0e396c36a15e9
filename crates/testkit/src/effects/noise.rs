//! Noise with a given signal-to-noise ratio.

use crate::rng::{Rng, White};

/// Colour of noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noise {
    /// Equal power per hertz.
    White,
    /// Equal power per octave.
    Pink,
}

/// Returns `samples` samples of noise within ±1.
#[must_use]
pub fn noise(color: Noise, samples: usize, seed: u64) -> Vec<f32> {
    let mut white = White::new(&mut Rng::new(seed));
    match color {
        Noise::White => (0..samples).map(|_| white.next()).collect(),
        Noise::Pink => pink(samples, &mut white),
    }
}

/// Adds noise whose root mean square is `snr_db` decibels below that of `samples`.
#[must_use]
pub fn add_noise(samples: &[f32], color: Noise, snr_db: f64, seed: u64) -> Vec<f32> {
    super::add_at(samples, &noise(color, samples.len(), seed), snr_db)
}

/// Creates pink noise by the algorithm of Voss and McCartney: a sum of random values, each of which is updated half as
/// often as the previous one.
fn pink(samples: usize, white: &mut White) -> Vec<f32> {
    // The slowest row changes every 2^13 samples, about 5 times per second, which is below the range of hearing.
    const ROWS: usize = 14;
    let mut rows: [f32; ROWS] = std::array::from_fn(|_| white.next());
    (1..=samples)
        .map(|i| {
            // Each further trailing zero is half as frequent, and so is the update of its row.
            let row = (i.trailing_zeros() as usize).min(ROWS - 1);
            rows[row] = white.next();
            (rows.iter().sum::<f32>() + white.next()) / (ROWS + 1) as f32
        })
        .collect()
}
