//! Tests of the meter and the analyzer together.

use std::f64::consts::TAU;

use super::*;
use crate::audio::LiveDecoder;

const RATE: u32 = 48_000;

/// A signal: a function from the time in seconds to the samples of all channels.
type Signal<'a> = &'a dyn Fn(f64) -> Vec<f32>;

/// Analyzes signals one after the other, each with its duration in seconds.
fn analyze(parts: &[(f64, Signal<'_>)], rate: u32) -> (HealthAnalyzer, Vec<AlertEvent>) {
    let (mut analyzer, mut events) = (HealthAnalyzer::new(HealthThresholds::default()), Vec::new());
    let (mut decoder, mut blocks) = (LiveDecoder::new(), Vec::new());
    decoder.measure_health();
    let mut position = 0.0;
    for (seconds, signal) in parts {
        let frames = (seconds * f64::from(rate)).round() as usize;
        let channels = signal(0.0).len();
        let samples: Vec<f32> = (0..frames).flat_map(|n| signal(n as f64 / f64::from(rate))).collect();
        for piece in samples.chunks(1_024 * channels) {
            decoder.push(piece, channels, rate).unwrap();
            decoder.clear();
            position += (piece.len() / channels) as f64 / f64::from(rate);
            decoder.place_health((position * 44_100.0) as u64);
        }
        decoder.take_health(&mut blocks);
        blocks.drain(..).for_each(|block| analyzer.push(&block, &mut events));
    }
    (analyzer, events)
}

/// A sine of 1 kHz in two channels, with a peak level in dBFS.
fn sine(dbfs: f64) -> impl Fn(f64) -> Vec<f32> {
    move |time| vec![(10.0_f64.powf(dbfs / 20.0) * (TAU * 1_000.0 * time).sin()) as f32; 2]
}

/// A sum of tones whose common period is longer than any test, at about −20 dBFS.
fn chord(time: f64) -> f32 {
    [220.0, 331.713_579, 487.329_117].iter().map(|hertz| 0.08 * (TAU * hertz * time).sin()).sum::<f64>()
        as f32
}

/// Returns the kind and the direction of each event.
fn kinds(events: &[AlertEvent]) -> Vec<(AlertKind, bool)> {
    events.iter().map(|event| (event.kind, event.is_start)).collect()
}

fn assert_lufs(value: Option<f64>, expected: f64) {
    assert!(value.is_some_and(|value| (value - expected).abs() <= 0.1), "{value:?} is not {expected} LUFS");
}

#[test]
fn loudness_meets_the_minimum_requirements_of_ebu_tech_3341() {
    let quiet = |dbfs| move |time| sine(dbfs)(time);
    for (level, rate) in [(-23.0, 48_000), (-33.0, 48_000), (-23.0, 44_100), (-23.0, 32_000)] {
        let (analyzer, _) = analyze(&[(20.0, &sine(level))], rate);
        let snapshot = analyzer.snapshot();
        assert_lufs(snapshot.momentary_lufs, level);
        assert_lufs(snapshot.short_term_lufs, level);
        assert_lufs(snapshot.integrated_lufs, level);
    }
    let cases: [&[(f64, f64)]; 3] = [
        &[(10.0, -36.0), (60.0, -23.0), (10.0, -36.0)],
        &[(10.0, -72.0), (10.0, -36.0), (60.0, -23.0), (10.0, -36.0), (10.0, -72.0)],
        &[(20.0, -26.0), (20.1, -20.0), (20.0, -26.0)],
    ];
    for case in cases {
        let signals: Vec<_> = case.iter().map(|(seconds, dbfs)| (*seconds, quiet(*dbfs))).collect();
        let parts: Vec<(f64, Signal<'_>)> =
            signals.iter().map(|(seconds, signal)| (*seconds, signal as Signal<'_>)).collect();
        let (analyzer, _) = analyze(&parts, RATE);
        assert_lufs(analyzer.snapshot().integrated_lufs, -23.0);
    }
}

#[test]
fn surround_channels_have_their_weights() {
    // Case 6 of EBU Tech 3341: left, right, center and two surround channels.
    let signal = |time: f64| [-28.0, -28.0, -24.0, -30.0, -30.0].map(|level| sine(level)(time)[0]).to_vec();
    let (analyzer, _) = analyze(&[(20.0, &signal)], RATE);
    assert_lufs(analyzer.snapshot().integrated_lufs, -23.0);
}

#[test]
fn silence_starts_and_ends_an_alert() {
    let (music, noise) =
        (|time: f64| vec![chord(time); 2], |time: f64| vec![(time * 9e6).sin() as f32 * 1e-4; 2]);
    let silence = |_: f64| vec![0.0; 2];
    let parts: [(f64, Signal<'_>); 4] = [(5.0, &music), (8.0, &silence), (8.0, &noise), (5.0, &music)];
    let (analyzer, events) = analyze(&parts, RATE);
    assert_eq!(kinds(&events), [(AlertKind::Silence, true), (AlertKind::Silence, false)]);
    let (start, end) = (&events[0], &events[1]);
    assert!(start.since.unwrap().abs_diff(5 * 44_100) < 4_410, "{start:?}");
    assert!(start.at.abs_diff(15 * 44_100) < 4_410, "{start:?}");
    assert!(end.at.abs_diff(23 * 44_100) < 4_410 && end.since == start.since, "{end:?}");
    assert_eq!(start.reading.reason, "no audio above -60 dBFS for 10 s");
    assert_eq!((analyzer.snapshot().alerts_started[0], analyzer.open_alerts().count()), (1, 0));
}

#[test]
fn pauses_and_music_give_no_alerts() {
    let (music, silence) = (|time: f64| vec![chord(time), 0.5 * chord(time + 0.01)], |_: f64| vec![0.0; 2]);
    let later = |time: f64| music(time + 100.0);
    let parts: [(f64, Signal<'_>); 3] = [(20.0, &music), (8.0, &silence), (20.0, &later)];
    assert_eq!(kinds(&analyze(&parts, RATE).1), []);
}

#[test]
fn each_fault_starts_its_alert() {
    let dead = |time: f64| vec![chord(time), 0.01 * chord(time)];
    let inverted = |time: f64| vec![chord(time), -chord(time)];
    let offset = |time: f64| vec![chord(time) + 0.1; 2];
    let clipped = |time: f64| vec![(20.0 * chord(time)).clamp(-1.0, 1.0); 2];
    let quiet = |time: f64| vec![0.03 * chord(time); 2];
    let cases: [(Signal<'_>, &[AlertKind]); 5] = [
        (&dead, &[AlertKind::DeadChannel]),
        (&inverted, &[AlertKind::PhaseInverted]),
        (&offset, &[AlertKind::DcOffset]),
        (&clipped, &[AlertKind::Loud, AlertKind::Clipping]),
        (&quiet, &[AlertKind::Quiet]),
    ];
    for (signal, expected) in cases {
        let (analyzer, events) = analyze(&[(40.0, signal)], RATE);
        let mut started = kinds(&events);
        started.sort();
        let expected: Vec<_> = expected.iter().map(|kind| (*kind, true)).collect();
        assert_eq!(started, expected, "{:?}", analyzer.snapshot());
    }
}

#[test]
fn mono_has_neither_a_dead_nor_an_inverted_channel() {
    assert_eq!(kinds(&analyze(&[(40.0, &|time| vec![chord(time)])], RATE).1), []);
}

#[test]
fn change_of_the_format_is_an_alert_that_ends() {
    let (stereo, mono) = (|time: f64| vec![chord(time); 2], |time: f64| vec![chord(time)]);
    let (analyzer, events) = analyze(&[(5.0, &stereo), (15.0, &mono)], RATE);
    assert_eq!(kinds(&events), [(AlertKind::FormatChange, true), (AlertKind::FormatChange, false)]);
    assert!(events[0].reading.reason.contains("from 48000 Hz, 2 channels to 48000 Hz, 1"), "{events:?}");
    assert_eq!(analyzer.snapshot().format_changes, 1);
}

#[test]
fn stream_that_ends_ends_its_alerts() {
    let (mut analyzer, mut events) = analyze(&[(15.0, &|_| vec![0.0; 2])], RATE);
    analyzer.finish(&mut events);
    analyzer.finish(&mut events);
    assert_eq!(kinds(&events), [(AlertKind::Silence, true), (AlertKind::Silence, false)]);
}

#[test]
fn continued_alert_gets_an_end_and_no_other_start() {
    let (mut decoder, mut blocks, mut events) = (LiveDecoder::new(), Vec::new(), Vec::new());
    let reading = AlertReading { value: -90.0, threshold: -60.0, reason: "silent".into() };
    let mut analyzer =
        HealthAnalyzer::new(HealthThresholds::default()).with_open_alerts([(AlertKind::Silence, reading)]);
    decoder.measure_health();
    decoder.push(&vec![0.0; 20 * 8_000], 1, 8_000).unwrap();
    let music: Vec<f32> = (0..3 * 8_000).map(|n| chord(f64::from(n) / 8_000.0)).collect();
    decoder.push(&music, 1, 8_000).unwrap();
    decoder.take_health(&mut blocks);
    blocks.iter().for_each(|block| analyzer.push(block, &mut events));
    assert_eq!(kinds(&events), [(AlertKind::Silence, false)]);
    assert_eq!(events[0].since, None);
}

#[test]
fn continued_alert_that_is_off_ends() {
    let (mut decoder, mut blocks, mut events) = (LiveDecoder::new(), Vec::new(), Vec::new());
    let reading = AlertReading { value: -90.0, threshold: -60.0, reason: "silent".into() };
    let thresholds = HealthThresholds { enabled: false, ..HealthThresholds::default() };
    let mut analyzer = HealthAnalyzer::new(thresholds).with_open_alerts([(AlertKind::Silence, reading)]);
    decoder.measure_health();
    decoder.push(&[0.0; 8_000], 1, 8_000).unwrap();
    decoder.take_health(&mut blocks);
    blocks.iter().for_each(|block| analyzer.push(block, &mut events));
    assert_eq!(kinds(&events), [(AlertKind::Silence, false)]);
}

#[test]
fn alerts_that_are_off_never_start() {
    let off = HealthThresholds { silence_seconds: 0.0, loop_seconds: 0.0, ..HealthThresholds::default() };
    let (mut decoder, mut blocks, mut events) = (LiveDecoder::new(), Vec::new(), Vec::new());
    decoder.measure_health();
    decoder.push(&vec![0.0; 60 * 8_000], 1, 8_000).unwrap();
    decoder.take_health(&mut blocks);
    let mut analyzer = HealthAnalyzer::new(off);
    blocks.iter().for_each(|block| analyzer.push(block, &mut events));
    assert!(blocks.len() == 600 && events.is_empty(), "{events:?}");
}

#[test]
fn invalid_samples_do_not_disturb_later_audio() {
    let signal = |time: f64| if time < 0.1 { vec![f32::NAN, f32::INFINITY] } else { sine(-23.0)(time) };
    let (analyzer, _) = analyze(&[(5.0, &signal)], RATE);
    assert_lufs(analyzer.snapshot().short_term_lufs, -23.0);
}

#[test]
fn real_music_gives_no_alerts() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/songs");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let limits = crate::audio::Limits::default();
        let Ok(mut reader) = crate::audio::AudioReader::open(&path, &limits) else { continue };
        let (mut decoder, mut blocks, mut events) = (LiveDecoder::new(), Vec::new(), Vec::new());
        decoder.measure_health();
        let mut analyzer = HealthAnalyzer::new(HealthThresholds::default());
        while let Some(chunk) = reader.next_chunk().unwrap() {
            decoder.push(chunk, 1, crate::audio::SAMPLE_RATE).unwrap();
            decoder.clear();
        }
        decoder.take_health(&mut blocks);
        blocks.iter().for_each(|block| analyzer.push(block, &mut events));
        assert_eq!(kinds(&events), [], "{}", path.display());
        count += 1;
    }
    assert!(count > 0, "no songs in {folder}");
}
