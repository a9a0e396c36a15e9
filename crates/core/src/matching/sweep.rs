//! The scale ladder: the speeds, tempi and pitches at which a query is looked up.
//!
//! A hash tolerates a change of about two per cent in both directions, so about forty steps cover a wide range without
//! growing the index (Gunfinger and Panako 2.0 search finer or store more; Ellis proposed the ladder for audfprint).
//! The scales with the most votes are searched again in smaller steps.

use crate::fingerprint::landmark::Rescaling;

use super::settings::{Effort, MatchSettings, Ranges};

/// Change of speed and pitch of a track.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    /// Ticks of the track per tick of the query.
    pub(crate) speed: f64,
    /// Frequency in the query divided by the frequency in the track.
    pub(crate) pitch: f64,
}

impl Scale {
    /// The scale of an unchanged track.
    pub(crate) const ORIGINAL: Self = Self { speed: 1.0, pitch: 1.0 };

    /// Returns the rescaling that turns a query of this scale back to the speed and pitch of its track.
    pub(crate) fn to_original(self) -> Rescaling {
        Rescaling { time: self.speed as f32, frequency: (1.0 / self.pitch) as f32 }
    }

    /// Returns this scale with each of the [`FINE_CHANGES`]. A factor of exactly 1 stays 1.
    pub(crate) fn fine(self) -> [Self; FINE_CHANGES.len()] {
        FINE_CHANGES.map(|step| Self {
            speed: if self.speed == 1.0 { 1.0 } else { self.speed * (1.0 + step) },
            pitch: if self.pitch == 1.0 { 1.0 } else { self.pitch * (1.0 + step) },
        })
    }
}

/// Factor between neighboring scales of the ladder. A hash tolerates half a step in both directions at any scale. The
/// steps are geometric because a change is a shift on a logarithmic scale. At half of the step, the ladder has twice as
/// many scales and costs twice as much; at twice this value, recordings whose speed is between two steps are not found.
/// The test of the ladder checks that all ranges are covered.
const STEP_FACTOR: f64 = 1.03;
/// Factor between neighboring scales of the ladder for [`Effort::Thorough`]. It is about two thirds of the normal step:
/// lookups at the border of the tolerance get more votes, at one and a half times the cost.
const SMALL_STEP_FACTOR: f64 = 1.02;
/// Relative changes with which the best scales are tried again. They cover half of a step of the ladder to each side,
/// so the remaining error is about 0.3 %. With half as many, the remaining error is about 0.6 %; with twice as many,
/// the second round of lookups costs twice as much, although the fit of a line corrects errors up to one per cent.
const FINE_CHANGES: [f64; 5] = [-0.012, -0.006, 0.0, 0.006, 0.012];
/// Cents per octave.
const CENTS_PER_OCTAVE: f64 = 1200.0;

/// Returns all scales that the settings require, the most likely first: small changes before large ones, and speed (a
/// single control of a turntable) before tempo and pitch. Ranges are limited to their maxima.
pub(crate) fn ladder(settings: &MatchSettings) -> Vec<Scale> {
    let Ranges { speed, tempo, pitch_cents } = settings.ranges.bounded();
    let step = match settings.effort {
        Effort::Fast => return Vec::new(),
        Effort::Normal => STEP_FACTOR,
        Effort::Thorough => SMALL_STEP_FACTOR,
    };
    let mut steps: Vec<(i32, Scale)> = Vec::new();
    let mut add = |max_factor: f64, scale: fn(f64) -> Scale| {
        // The last step covers half of its width beyond its own factor.
        let steps_each_way = (max_factor.ln() / step.ln() - 0.5).ceil() as i32;
        for i in 1..=steps_each_way {
            steps.extend([i, -i].map(|power| (i, scale(step.powi(power)))));
        }
    };
    add(1.0 + speed, |factor| Scale { speed: factor, pitch: factor });
    add(1.0 + tempo, |factor| Scale { speed: factor, pitch: 1.0 });
    add((pitch_cents / CENTS_PER_OCTAVE).exp2(), |factor| Scale { speed: 1.0, pitch: factor });
    // A stable sort: at equal distance, speed comes before tempo and pitch, and faster before slower.
    steps.sort_by_key(|(i, _)| *i);
    steps.into_iter().map(|(_, scale)| scale).collect()
}

/// Returns the scales that a window may try within the budget [`MatchSettings::steps_per_second`]; all scales if the
/// budget is `None`. The window begins at `from` and has the length `seconds`, both in seconds. Each window continues
/// in the ladder after the scales of the previous one, so that together the windows try all scales.
pub(crate) fn within_budget(
    ladder: &[Scale],
    settings: &MatchSettings,
    (from, seconds): (f64, f64),
) -> Vec<Scale> {
    let Some(steps_per_second) = settings.steps_per_second else { return ladder.to_vec() };
    let count = (steps_per_second.max(0.0) * seconds).round() as usize;
    // The first scale is derived from the time of the window, not from a counter, so that windows can be searched in
    // parallel and repeatably.
    let first = (from * steps_per_second.max(0.0)).round() as usize;
    ladder.iter().cycle().skip(first % ladder.len().max(1)).take(count.min(ladder.len())).copied().collect()
}

#[cfg(test)]
mod tests;
