//! Properties of the fingerprint.

use std::collections::HashSet;
use std::path::Path;
use std::sync::OnceLock;

use proptest::prelude::*;
use refrain_core::fingerprint::{Constellation, Density, Fingerprinter, Peak, TICKS_PER_SECOND};
use refrain_testkit::compose;
use refrain_testkit::effects::{Noise, crop, gain, noise};

use super::songs::RATE;

const DENSITIES: [Density; 2] = [Density::Reference, Density::Query];

fn song() -> &'static [f32] {
    static SONG: OnceLock<Vec<f32>> = OnceLock::new();
    SONG.get_or_init(|| compose(500, 12.0).samples)
}

fn fingerprint(density: Density, samples: &[f32]) -> Constellation {
    Fingerprinter::fingerprint(density, samples)
}

/// Returns the times and frequencies of the peaks, without their ranks.
fn places(constellation: &Constellation) -> HashSet<(u32, u16)> {
    constellation.peaks.iter().map(|p| (p.time, p.frequency)).collect()
}

/// Returns the number of peaks in each full second.
fn per_second(constellation: &Constellation) -> Vec<usize> {
    let mut counts = vec![0; constellation.seconds as usize];
    for peak in &constellation.peaks {
        if let Some(count) = counts.get_mut((f64::from(peak.time) / TICKS_PER_SECOND) as usize) {
            *count += 1;
        }
    }
    counts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn fingerprints_do_not_depend_on_chunk_sizes(
        sizes in prop::collection::vec(prop_oneof![0usize..8, 1usize..3000, 1usize..60_000], 1..40),
        query: bool,
    ) {
        let density = DENSITIES[usize::from(query)];
        let samples = &song()[..5 * 44_100];
        let mut fingerprinter = Fingerprinter::new(density);
        let mut rest = samples;
        for size in sizes {
            let (now, later) = rest.split_at(size.min(rest.len()));
            fingerprinter.push(now);
            rest = later;
        }
        fingerprinter.push(rest);
        prop_assert_eq!(fingerprinter.finish(), fingerprint(density, samples));
    }

    #[test]
    fn taken_peaks_and_the_rest_are_the_whole_constellation(
        steps in prop::collection::vec((prop_oneof![0usize..8, 1usize..3000, 1usize..60_000], any::<bool>()), 1..40),
        query: bool,
    ) {
        let density = DENSITIES[usize::from(query)];
        let samples = &song()[..5 * 44_100];
        let mut fingerprinter = Fingerprinter::new(density);
        let (mut taken, mut rest) = (Vec::new(), samples);
        for (size, take) in steps {
            let (now, later) = rest.split_at(size.min(rest.len()));
            fingerprinter.push(now);
            rest = later;
            let (before, until) = (taken.len(), fingerprinter.ready_until());
            if take {
                fingerprinter.take_ready(&mut taken);
                prop_assert!(taken[before..].iter().all(|p| p.time < until));
            }
            let pushed = (samples.len() - rest.len()) as f64 / RATE;
            prop_assert!(pushed - f64::from(until) / TICKS_PER_SECOND < 0.7, "{until} after {pushed} s");
        }
        fingerprinter.push(rest);
        let end = fingerprinter.finish();
        taken.extend(&end.peaks);
        prop_assert_eq!(end.seconds, 5.0);
        prop_assert_eq!(taken, fingerprint(density, samples).peaks);
    }

    #[test]
    fn peaks_of_any_audio_are_ordered_and_within_its_length(
        samples in prop::collection::vec(prop_oneof![
            -1.0f32..1.0,
            Just(0.0f32),
            Just(f32::NAN),
            Just(f32::INFINITY),
            Just(f32::MIN_POSITIVE / 4.0),
            Just(f32::MAX),
        ], 0..9000),
    ) {
        for density in DENSITIES {
            let found = fingerprint(density, &samples);
            let end = samples.len() as f64 / RATE;
            prop_assert_eq!(found.seconds, end);
            prop_assert!(found.peaks.is_sorted_by_key(|p| (p.time, p.frequency)));
            prop_assert!(found.peaks.iter().all(|p| f64::from(p.time) <= end * TICKS_PER_SECOND));
            prop_assert!(found.peaks.iter().all(|p| p.rank < density.rank_limit()));
        }
    }
}

#[test]
fn a_reference_is_the_low_ranks_of_the_query_of_the_same_audio() {
    let (reference, query) = DENSITIES.map(|density| fingerprint(density, song())).into();
    let limit = Density::Reference.rank_limit();
    let lowest_ranks: Vec<Peak> = query.peaks.iter().filter(|p| p.rank < limit).copied().collect();
    assert_eq!(reference.peaks, lowest_ranks);
    assert!(query.peaks.len() > 2 * reference.peaks.len());
}

#[test]
fn every_second_of_loud_and_quiet_music_has_peaks() {
    let quiet = gain(song(), -50.0);
    let both = [song(), &quiet, song()].concat();
    for (density, min_peaks) in [(Density::Reference, 8), (Density::Query, 30)] {
        let counts = per_second(&fingerprint(density, &both));
        assert_eq!(counts.len(), 36);
        // The songs fade out in their last seconds.
        let sparse_seconds: Vec<_> =
            counts.iter().enumerate().filter(|(i, n)| i % 12 < 11 && **n < min_peaks).collect();
        assert!(sparse_seconds.is_empty(), "{density:?}: second and peaks {sparse_seconds:?} of {counts:?}");
    }
}

#[test]
fn music_has_about_thirty_reference_peaks_a_second_in_at_most_a_hundred_bytes() {
    let (mut peaks, mut bytes, mut seconds) = (0, 0, 0.0);
    for (_, constellation) in &super::songs::song_catalog().tracks {
        peaks += constellation.peaks.len();
        bytes += constellation.to_bytes().len();
        seconds += constellation.seconds;
    }
    let (peaks, bytes) = (peaks as f64 / seconds, bytes as f64 / seconds);
    assert!((20.0..40.0).contains(&peaks), "{peaks} peaks a second");
    assert!(bytes < 100.0, "{bytes} bytes a second");
}

#[test]
fn a_change_of_loudness_keeps_most_peaks() {
    for db in [-40.0, -20.0, 6.0] {
        let (loud, changed) =
            (fingerprint(Density::Reference, song()), fingerprint(Density::Reference, &gain(song(), db)));
        let common = places(&loud).intersection(&places(&changed)).count();
        // Peaks of fade-outs drop below the minimum power.
        assert!(
            common as f64 > 0.95 * loud.peaks.len() as f64,
            "{common} of {} at {db} dB",
            loud.peaks.len()
        );
    }
}

#[test]
fn a_section_has_the_peaks_of_the_whole_except_near_its_ends() {
    // Samples per frame, 23 ms.
    let frame = 1024;
    let (start, end) = (100 * frame, 400 * frame);
    for density in DENSITIES {
        let whole = fingerprint(density, song());
        let part = fingerprint(density, &song()[start..end]);
        let shift = 100 * 4;
        // Ranks depend on neighbours within 0.5 s, and the decimation filter needs a few frames more.
        let inside = |time: u32| (30 * 4..270 * 4).contains(&time);
        let expected: Vec<Peak> = whole
            .peaks
            .iter()
            .filter(|p| p.time >= shift && inside(p.time - shift))
            .map(|p| Peak { time: p.time - shift, ..*p })
            .collect();
        let found: Vec<Peak> = part.peaks.iter().filter(|p| inside(p.time)).copied().collect();
        assert_eq!(found, expected, "{density:?}");
        assert!(found.len() > 100);
    }
}

#[test]
fn a_section_that_starts_between_frames_keeps_most_peaks() {
    let whole = fingerprint(Density::Query, song());
    for offset in [100, 333, 512, 800] {
        let part = fingerprint(Density::Reference, &song()[44_100 + offset..9 * 44_100]);
        let shift = f64::from(44_100 + offset as u32) / RATE * TICKS_PER_SECOND;
        let near = |p: &&Peak| {
            whole.peaks.iter().any(|q| {
                (f64::from(q.time) - f64::from(p.time) - shift).abs() <= 2.0
                    && q.frequency.abs_diff(p.frequency) <= 2
            })
        };
        let common = part.peaks.iter().filter(near).count();
        assert!(common as f64 > 0.85 * part.peaks.len() as f64, "{common} of {}", part.peaks.len());
    }
}

#[test]
fn silence_and_direct_current_have_no_peaks() {
    for density in DENSITIES {
        for level in [0.0, 0.5, -1.0] {
            let found = fingerprint(density, &vec![level; 3 * 44_100]);
            // Switching it on and off is a click.
            let inside = 0.2 * TICKS_PER_SECOND..2.8 * TICKS_PER_SECOND;
            let peaks = found.peaks.iter().filter(|p| inside.contains(&f64::from(p.time))).count();
            assert_eq!(peaks, 0, "{density:?} at {level}");
        }
        assert!(fingerprint(density, &[]).peaks.is_empty());
        assert!(fingerprint(density, &vec![0.0; 44_100]).peaks.is_empty());
    }
}

#[test]
fn noise_is_as_sparse_as_music() {
    for colour in [Noise::White, Noise::Pink] {
        let counts = per_second(&fingerprint(Density::Reference, &noise(colour, 5 * 44_100, 1)));
        assert!(counts.iter().all(|n| (10..80).contains(n)), "{counts:?}");
    }
}

#[test]
fn samples_that_are_not_numbers_affect_only_nearby_peaks() {
    let clean = fingerprint(Density::Query, song());
    let mut corrupted = song().to_vec();
    corrupted[5 * 44_100..5 * 44_100 + 10].fill(f32::NAN);
    let found = fingerprint(Density::Query, &corrupted);
    let far = |p: &&Peak| (f64::from(p.time) / TICKS_PER_SECOND - 5.0).abs() > 1.0;
    assert_eq!(
        found.peaks.iter().filter(far).collect::<Vec<_>>(),
        clean.peaks.iter().filter(far).collect::<Vec<_>>()
    );
}

#[test]
fn packed_form_and_peaks_match_the_golden_file() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/golden/song-500.constellation");
    let now = fingerprint(Density::Reference, &crop(song(), 0.0, 10.0));
    if std::env::var_os("REFRAIN_NEW_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, now.to_bytes()).unwrap();
    }
    let bytes = std::fs::read(&path).unwrap();
    let golden = Constellation::from_bytes(&bytes).unwrap();
    assert_eq!(golden.to_bytes(), bytes, "the packed form changed: raise its version");
    assert_eq!(golden.seconds, 10.0);
    // Transforms round differently from processor to processor, which may decide between two equal peaks.
    let same = places(&golden).intersection(&places(&now)).count();
    let larger = golden.peaks.len().max(now.peaks.len());
    assert!(same as f64 >= 0.99 * larger as f64, "{same} of {larger} peaks: the fingerprint changed");
}
