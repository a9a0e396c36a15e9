use proptest::prelude::*;

use super::*;
use crate::fingerprint::Peak;
use crate::fingerprint::landmark::{HASHES, Prober, group};
use crate::matching::window::{DEEP, MIDDLE, SHALLOW};

fn covered(steps: &[Scale], scale: Scale, reach: f64) -> bool {
    let near = |a: f64, b: f64| (a / b).ln().abs() <= reach;
    steps.iter().any(|s| near(s.speed, scale.speed) && near(s.pitch, scale.pitch))
}

#[test]
fn ladder_covers_its_ranges_within_the_tolerance_of_a_hash() {
    let steps = ladder(&MatchSettings::default());
    let ranges = Ranges::default();
    let reach = STEP_FACTOR.sqrt() - 1.0 + 1e-9;
    for i in -4100..=4100 {
        let factor = (f64::from(i) / 10_000.0).exp();
        let of = |speed, pitch| covered(&steps, Scale { speed, pitch }, reach);
        let within = |max_factor: f64| factor.ln().abs() <= max_factor.ln();
        if (factor - 1.0).abs() <= reach {
            continue;
        }
        assert!(!within(1.0 + ranges.speed) || of(factor, factor), "speed {factor}");
        assert!(!within(1.0 + ranges.tempo) || of(factor, 1.0), "tempo {factor}");
        assert!(1200.0 * factor.log2().abs() > ranges.pitch_cents || of(1.0, factor), "pitch {factor}");
    }
}

#[test]
fn ranges_are_limited_to_their_maxima() {
    let steps = |speed, tempo, pitch_cents| {
        let ranges = Ranges { speed, tempo, pitch_cents };
        ladder(&MatchSettings { ranges, ..MatchSettings::default() })
    };
    assert_eq!(
        steps(1e9, f64::INFINITY, 1e9),
        steps(Ranges::MAX_CHANGE, Ranges::MAX_CHANGE, Ranges::MAX_PITCH_CENTS)
    );
    assert_eq!(steps(f64::NAN, -1.0, f64::NEG_INFINITY), []);
}

#[test]
fn ladder_starts_with_small_speed_changes_and_has_no_duplicates() {
    let steps = ladder(&MatchSettings::default());
    assert_eq!(steps[0], Scale { speed: STEP_FACTOR, pitch: STEP_FACTOR });
    for (i, step) in steps.iter().enumerate() {
        assert!(!steps[..i].contains(step));
        assert!(*step != Scale::ORIGINAL);
    }
}

#[test]
fn consecutive_windows_with_a_budget_try_all_steps() {
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
fn ladder_is_empty_for_fast_effort_or_zero_ranges() {
    let none = Ranges { speed: 0.0, tempo: 0.0, pitch_cents: 0.0 };
    assert!(ladder(&MatchSettings { ranges: none, ..MatchSettings::default() }).is_empty());
    assert!(ladder(&MatchSettings { effort: Effort::Fast, ..MatchSettings::default() }).is_empty());
}

/// Returns arbitrary peaks in order of time, also ones that no fingerprint has: with any time, frequency and rank.
fn any_peaks() -> impl Strategy<Value = Vec<Peak>> {
    let peak = (0u32..4000, any::<u16>(), any::<u8>());
    (any::<u32>(), prop::collection::vec(peak, 0..200)).prop_map(|(start, mut peaks)| {
        peaks.sort_unstable();
        let peak = |(time, frequency, rank)| Peak { time: start.saturating_add(time), frequency, rank };
        peaks.into_iter().map(peak).collect()
    })
}

/// Returns arbitrary settings of the ladder over their documented ranges.
fn any_settings() -> impl Strategy<Value = MatchSettings> {
    let effort = prop::sample::select(vec![Effort::Fast, Effort::Normal, Effort::Thorough]);
    let budget = prop::option::of(0f64..10.0);
    let change = || 0.0..=Ranges::MAX_CHANGE;
    (change(), change(), 0.0..=Ranges::MAX_PITCH_CENTS, effort, budget).prop_map(
        |(speed, tempo, pitch_cents, effort, steps_per_second)| MatchSettings {
            effort,
            ranges: Ranges { speed, tempo, pitch_cents },
            steps_per_second,
            ..MatchSettings::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn probes_are_valid_hashes_at_every_scale(
        peaks in any_peaks(),
        settings in any_settings(),
        start in any::<u32>(),
    ) {
        let steps = ladder(&settings);
        let scales = steps.iter().flat_map(|scale| scale.fine()).chain([Scale::ORIGINAL]);
        let (mut prober, mut found) = (Prober::default(), Vec::new());
        for scale in scales {
            for depth in [SHALLOW, MIDDLE, DEEP] {
                found.clear();
                prober.probes((&peaks, start), depth, scale.to_original(), 0, &mut found);
                for probe in &found {
                    prop_assert!(probe.low <= probe.high && probe.high < HASHES, "{probe:?} at {scale:?}");
                    prop_assert_eq!(group(probe.low), group(probe.high));
                }
            }
        }
    }
}
