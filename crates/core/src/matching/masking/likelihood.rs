//! Likelihood ratios of found and missing peaks, by the depth of their place.

use std::sync::LazyLock;

use crate::fingerprint::relief::DEPTH_STEP_DB;

/// Hypotheses of the level of a track, in decibels below the loudest sound nearby. They are 3 to 6 dB apart. With half
/// as many, the best level fits worse and true songs get a penalty; with twice as many, the check costs twice as much.
const LEVELS_DB: [f64; 8] = [4.0, 7.0, 10.0, 14.0, 18.0, 23.0, 28.0, 34.0];
/// Logarithms of the transition probabilities between the levels of neighboring bands, by the distance of the two
/// levels in [`LEVELS_DB`]. Neighboring bands seldom have very different levels. At half these values, each band can
/// take a separate level and too many missing peaks count as masked; at twice these values, filtered audio gets a
/// penalty.
pub(super) const LEVEL_TRANSITIONS: PerLevel = [-1.0, -1.4, -2.6, -4.0, -5.5, -7.0, -8.5, -10.0];
/// Scale of the distribution of the track's peaks around the level, in decibels. At half this value, normal variation
/// of a song counts against it; at twice this value, the levels hardly differ and the check rejects fewer wrong tracks.
const LEVEL_SPREAD_DB: f64 = 4.0;
/// Assumed fraction of the found peaks that are chance hits. At half this value, chance hits count against true songs
/// in noise; at twice this value, found peaks hardly determine the level.
const CHANCE_FRACTION: f32 = 0.4;
/// Assumed fraction of the missing peaks whose place carries no information. It limits the effect of one missing peak
/// to a factor of ten. At half this value, single missing peaks can reject a true match; at twice this value, more
/// wrong matches pass the check.
const UNINFORMATIVE_FRACTION: f32 = 0.1;
/// Number of depths that are distinguished, in steps of [`DEPTH_STEP_DB`] (3 dB). Places deeper than 39 dB are outside
/// of the transmitted band and carry no information.
pub(super) const DEPTHS: usize = 13;

/// A value for each of the [`LEVELS_DB`].
pub(super) type PerLevel = [f32; LEVELS_DB.len()];
/// A value for each depth, in steps of [`DEPTH_STEP_DB`].
pub(super) type Depths = [f32; DEPTHS];

/// Normalizes counts to fractions.
pub(super) fn normalized(counts: Depths) -> Depths {
    let sum: f32 = counts.iter().sum();
    counts.map(|n| n / sum)
}

/// Fraction of a track's peaks that have at least a given depth, by the level of the track and the depth.
static DEEPER_FRACTIONS: LazyLock<[[f32; DEPTHS + 1]; LEVELS_DB.len()]> = LazyLock::new(|| {
    LEVELS_DB.map(|level| {
        let deeper = |i: usize| 1.0 / (1.0 + ((i as f64 * DEPTH_STEP_DB - level) / LEVEL_SPREAD_DB).exp());
        std::array::from_fn(|i| if i < DEPTHS { (deeper(i) / deeper(0)) as f32 } else { 0.0 })
    })
});

/// Returns, for each depth, the fraction of places that are at least as deep. `free` is the distribution of the depths
/// of places without a peak.
fn fraction_at_least(free: &Depths) -> [f32; DEPTHS + 1] {
    let mut deeper = [0.0; DEPTHS + 1];
    (0..DEPTHS).rev().for_each(|i| deeper[i] = deeper[i + 1] + free[i]);
    deeper
}

/// Returns, for each level, the log-likelihood ratio of a missing peak at a place of this depth. `free` is the
/// distribution of the depths of places without a peak.
pub(super) fn masked(free: &Depths, depth: usize) -> PerLevel {
    let deeper = fraction_at_least(free);
    let free = free[depth].max(f32::MIN_POSITIVE);
    std::array::from_fn(|level| {
        let deeper_fractions = &DEEPER_FRACTIONS[level];
        let masked =
            deeper[depth] * deeper_fractions[depth] - deeper[depth + 1] * deeper_fractions[depth + 1];
        (UNINFORMATIVE_FRACTION + (1.0 - UNINFORMATIVE_FRACTION) * masked / free).ln()
    })
}

/// Returns, for each level, the log-likelihood ratio of a found peak at a place of this depth. `free` and `found` are
/// the distributions of the depths of places without and with a peak.
pub(super) fn unmasked(free: &Depths, found: &Depths, depth: usize) -> PerLevel {
    let deeper = fraction_at_least(free);
    std::array::from_fn(|level| {
        let deeper_fractions = &DEEPER_FRACTIONS[level];
        let unmasked: Depths = std::array::from_fn(|i| {
            (deeper_fractions[i] - deeper_fractions[i + 1]) * (deeper[i] + deeper[i + 1])
        });
        (CHANCE_FRACTION + (1.0 - CHANCE_FRACTION) * normalized(unmasked)[depth] / found[depth]).ln()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::significance::{BANDS, mean};

    /// Counts of each depth in a query, at places without a peak.
    const PLACES: Depths =
        [30.0, 150.0, 220.0, 260.0, 240.0, 190.0, 130.0, 90.0, 50.0, 30.0, 20.0, 10.0, 5.0];
    /// Counts of each depth in a query, at places with a peak.
    const PEAK_DEPTHS: Depths = [8.0, 6.0, 4.0, 2.0, 1.0, 0.5, 0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1];

    #[test]
    fn mean_likelihood_ratio_under_chance_is_one() {
        let (free, peak_depths) = (normalized(PLACES), normalized(PEAK_DEPTHS));
        let [missing, found]: [[PerLevel; DEPTHS]; 2] = [
            std::array::from_fn(|depth| masked(&free, depth)),
            std::array::from_fn(|depth| unmasked(&free, &peak_depths, depth)),
        ];
        for (gains, normalized) in [(missing, free), (found, peak_depths)] {
            for level in 0..LEVELS_DB.len() {
                let mean: f32 =
                    gains.iter().zip(normalized).map(|(gain, part)| part * gain[level].exp()).sum();
                assert!((mean - 1.0).abs() < 1e-4, "{mean}");
            }
        }
    }

    #[test]
    fn masked_missing_peaks_support_a_track_and_unmasked_ones_contradict_it() {
        let (free, peaks) = (normalized(PLACES), normalized(PEAK_DEPTHS));
        let sum = |missed: &[usize], peak_depths: &[usize]| {
            let mut sums = PerLevel::default();
            let missing = missed.iter().map(|depth| masked(&free, *depth));
            let all = missing.chain(peak_depths.iter().map(|depth| unmasked(&free, &peaks, *depth)));
            all.for_each(|gain| sums.iter_mut().zip(gain).for_each(|(sum, gain)| *sum += gain));
            mean(&[sums; BANDS], &LEVEL_TRANSITIONS, 1.0)
        };
        assert!(sum(&[1, 2, 2, 3].repeat(10), &[0, 1, 2].repeat(8)) > 5.0);
        assert!(sum(&[3, 4, 6, 7].repeat(10), &[0, 1, 2].repeat(8)) < -5.0);
        assert!(
            (-2.0..=0.5).contains(&mean(&[PerLevel::default(); BANDS], &LEVEL_TRANSITIONS, 1.0)),
            "without any depths"
        );
    }
}
