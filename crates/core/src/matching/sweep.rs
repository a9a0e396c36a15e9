//! The ladder of speeds, tempi and pitches at which a query is looked up.
//!
//! A hash tolerates two per cent of change to both sides, so a few steps cover a wide range without growing
//! the index (Gunfinger and Panako 2.0 search finer or store more; Ellis proposed the ladder for audfprint).
//! Steps that gather outstanding votes are climbed again in small ones.

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

    /// The scales a small step to both sides, and this one.
    pub(crate) fn fine(self) -> [Self; FINE_STEPS.len()] {
        FINE_STEPS.map(|step| Self {
            speed: if self.speed == 1.0 { 1.0 } else { self.speed * (1.0 + step) },
            pitch: if self.pitch == 1.0 { 1.0 } else { self.pitch * (1.0 + step) },
        })
    }
}

/// Width of a step …
const STEP: f64 = 0.03;
/// … where effort is no matter …
const SMALL_STEP: f64 = 0.02;
/// … and where a step is looked at again: what is left is within a quarter of a per cent or two.
const FINE_STEPS: [f64; 5] = [-0.012, -0.006, 0.0, 0.006, 0.012];
/// Cents of an octave.
const OCTAVE: f64 = 1200.0;

/// All scales that the settings ask for, the likeliest first: small changes, and speed (which is one knob on
/// a turntable) before tempo and pitch.
pub(crate) fn ladder(settings: &MatchSettings) -> Vec<Scale> {
    let Ranges { speed, tempo, pitch_cents } = settings.ranges;
    let step = match settings.effort {
        Effort::Fast => return Vec::new(),
        Effort::Normal => STEP,
        Effort::Thorough => SMALL_STEP,
    };
    let pitch = (pitch_cents.max(0.0) / OCTAVE).exp2() - 1.0;
    let mut steps: Vec<(usize, Scale)> = Vec::new();
    let mut add = |range: f64, scale: fn(f64) -> Scale| {
        // A step covers half of its width to both sides.
        let most = ((range - step / 2.0) / step).ceil().max(0.0) as usize;
        for i in 1..=most {
            for change in [i as f64 * step, -(i as f64) * step] {
                steps.push((i, scale(1.0 + change)));
            }
        }
    };
    add(speed, |factor| Scale { speed: factor, pitch: factor });
    add(tempo, |factor| Scale { speed: factor, pitch: 1.0 });
    add(pitch, |factor| Scale { speed: 1.0, pitch: factor });
    steps.sort_by_key(|(i, _)| *i);
    steps.into_iter().map(|(_, scale)| scale).filter(|s| s.speed > 0.0 && s.pitch > 0.0).collect()
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
mod tests {
    use super::*;

    fn covered(steps: &[Scale], scale: Scale, reach: f64) -> bool {
        let near = |a: f64, b: f64| (a / b - 1.0).abs() <= reach;
        steps.iter().any(|s| near(s.speed, scale.speed) && near(s.pitch, scale.pitch))
    }

    #[test]
    fn the_ladder_covers_its_ranges_in_steps_as_wide_as_a_hash_tolerates() {
        let steps = ladder(&MatchSettings::default());
        for i in -1600..=1600 {
            let factor = 1.0 + f64::from(i) / 10_000.0;
            let of = |speed, pitch| covered(&steps, Scale { speed, pitch }, 0.0185);
            let plain = |x: f64| (x - 1.0).abs() <= 0.0151;
            assert!(plain(factor) || of(factor, factor), "speed {factor}");
            assert!((factor - 1.0).abs() > 0.12 || plain(factor) || of(factor, 1.0), "tempo {factor}");
            assert!(
                1200.0 * factor.log2().abs() > 200.0 || plain(factor) || of(1.0, factor),
                "pitch {factor}"
            );
        }
    }

    #[test]
    fn the_likeliest_come_first_and_none_twice() {
        let steps = ladder(&MatchSettings::default());
        assert_eq!(steps[0], Scale { speed: 1.0 + STEP, pitch: 1.0 + STEP });
        for (i, step) in steps.iter().enumerate() {
            assert!(!steps[..i].contains(step));
            assert!(*step != Scale::PLAIN);
        }
    }

    #[test]
    fn windows_on_a_budget_try_all_steps_in_turn() {
        let settings = MatchSettings { steps_per_second: Some(1.0), ..MatchSettings::default() };
        let steps = ladder(&settings);
        let mut tried = Vec::new();
        for window in 0..steps.len().div_ceil(5) {
            let part = within_budget(&steps, &settings, (window as f64 * 5.0, 5.0));
            assert_eq!(part.len(), 5);
            tried.extend(part);
        }
        assert!(steps.iter().all(|step| tried.contains(step)));
    }

    #[test]
    fn no_effort_or_no_range_is_no_ladder() {
        let none = Ranges { speed: 0.0, tempo: 0.0, pitch_cents: 0.0 };
        assert!(ladder(&MatchSettings { ranges: none, ..MatchSettings::default() }).is_empty());
        assert!(ladder(&MatchSettings { effort: Effort::Fast, ..MatchSettings::default() }).is_empty());
    }
}
