//! The ladder of speeds, tempi and pitches at which a query is looked up.
//!
//! A hash tolerates two per cent of change to both sides, so some forty steps cover a wide range without growing
//! the index (Gunfinger and Panako 2.0 search finer or store more; Ellis proposed the ladder for audfprint).
//! Steps that gather outstanding votes are climbed again in small ones.

use crate::fingerprint::landmark::Rescaling;

use super::settings::{Effort, MatchSettings, Ranges};

/// How a track is changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    /// Ticks of the track per tick of the query.
    pub(crate) speed: f64,
    /// Frequency in the query over that in the track.
    pub(crate) pitch: f64,
}

impl Scale {
    /// Unchanged.
    pub(crate) const PLAIN: Self = Self { speed: 1.0, pitch: 1.0 };

    /// The change that makes a query of this scale as its track is.
    pub(crate) fn undone(self) -> Rescaling {
        Rescaling { time: self.speed as f32, frequency: (1.0 / self.pitch) as f32 }
    }

    /// The scales a small step to both sides, and this one.
    pub(crate) fn fine(self) -> [Self; FINE_STEPS.len()] {
        FINE_STEPS.map(|step| Self {
            speed: if self.speed == 1.0 { 1.0 } else { self.speed * (1.0 + step) },
            pitch: if self.pitch == 1.0 { 1.0 } else { self.pitch * (1.0 + step) },
        })
    }
}

/// Factor from one scale of the ladder to the next. Half a step to both sides is what a hash tolerates, at any scale:
/// the steps are geometric, because a change is a shift on a logarithmic scale.
const STEP: f64 = 1.03;
/// The same for [`Effort::Thorough`].
const SMALL_STEP: f64 = 1.02;
/// Changes at which the best scales are tried again. What is left is within a quarter of a per cent or two.
const FINE_STEPS: [f64; 5] = [-0.012, -0.006, 0.0, 0.006, 0.012];
/// Cents of an octave.
const OCTAVE: f64 = 1200.0;

/// All scales that the settings ask for, the likeliest first: small changes, and speed (which is one knob on
/// a turntable) before tempo and pitch. Ranges beyond the largest ones are cut to them.
pub(crate) fn ladder(settings: &MatchSettings) -> Vec<Scale> {
    let Ranges { speed, tempo, pitch_cents } = settings.ranges.bounded();
    let step = match settings.effort {
        Effort::Fast => return Vec::new(),
        Effort::Normal => STEP,
        Effort::Thorough => SMALL_STEP,
    };
    let mut steps: Vec<(i32, Scale)> = Vec::new();
    let mut add = |farthest: f64, scale: fn(f64) -> Scale| {
        // The last step covers half of its width beyond its own place.
        let most = (farthest.ln() / step.ln() - 0.5).ceil() as i32;
        for i in 1..=most {
            steps.extend([i, -i].map(|power| (i, scale(step.powi(power)))));
        }
    };
    add(1.0 + speed, |factor| Scale { speed: factor, pitch: factor });
    add(1.0 + tempo, |factor| Scale { speed: factor, pitch: 1.0 });
    add((pitch_cents / OCTAVE).exp2(), |factor| Scale { speed: 1.0, pitch: factor });
    steps.sort_by_key(|(i, _)| *i);
    steps.into_iter().map(|(_, scale)| scale).collect()
}

/// The steps that a window beginning at `from` may try on a budget: so many in turn that windows one after
/// the other try them all.
pub(crate) fn within_budget(
    ladder: &[Scale],
    settings: &MatchSettings,
    (from, seconds): (f64, f64),
) -> Vec<Scale> {
    let Some(each_second) = settings.steps_per_second else { return ladder.to_vec() };
    let count = (each_second.max(0.0) * seconds).round() as usize;
    let first = (from * each_second.max(0.0)).round() as usize;
    ladder.iter().cycle().skip(first % ladder.len().max(1)).take(count.min(ladder.len())).copied().collect()
}

#[cfg(test)]
mod tests;
