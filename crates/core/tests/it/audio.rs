//! Decoding: every fixture, whole and broken, as a file and as a stream.

use std::fs;
use std::path::{Path, PathBuf};

use crate::melody::{best_lag, melody};
use refrain_core::audio::{AudioError, AudioReader, DecodeReport, Format, Limits, Tags};

/// A line of testdata/audio/MANIFEST.csv.
struct Fixture {
    file: String,
    expect: String,
    container: String,
    codec: String,
    seconds: f64,
    sample_rate: u32,
    channels: usize,
    max_lag: usize,
    min_correlation: f64,
}

struct Decoded {
    sound: Vec<f32>,
    report: DecodeReport,
    format: Format,
    tags: Tags,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/audio")
}

fn fixtures() -> Vec<Fixture> {
    let manifest = fs::read_to_string(folder().join("MANIFEST.csv")).unwrap();
    let fixtures = manifest.lines().skip(1).map(|line| {
        let cells: Vec<&str> = line.splitn(10, ',').collect();
        let number = |i: usize| cells[i].parse::<f64>().unwrap();
        Fixture {
            file: cells[0].to_owned(),
            expect: cells[1].to_owned(),
            container: cells[2].to_owned(),
            codec: cells[3].to_owned(),
            seconds: number(4),
            sample_rate: number(5) as u32,
            channels: number(6) as usize,
            max_lag: (number(7) * 44.1).ceil() as usize,
            min_correlation: number(8),
        }
    });
    fixtures.collect()
}

fn of_kind(kind: &str) -> Vec<Fixture> {
    let fixtures: Vec<_> = fixtures().into_iter().filter(|f| f.expect == kind).collect();
    assert!(!fixtures.is_empty(), "no fixture expects {kind}");
    fixtures
}

fn drain(mut reader: AudioReader) -> Result<Decoded, AudioError> {
    let mut sound = Vec::new();
    while let Some(chunk) = reader.next_chunk()? {
        assert!(!chunk.is_empty());
        sound.extend_from_slice(chunk);
    }
    let (report, format) = (reader.report().clone(), reader.format().clone());
    assert!((report.seconds - sound.len() as f64 / 44_100.0).abs() < 1e-6);
    Ok(Decoded { sound, report, format, tags: reader.tags().clone() })
}

fn open(file: &str) -> Result<AudioReader, AudioError> {
    AudioReader::open(&folder().join(file), &Limits::default())
}

fn decode(file: &str) -> Decoded {
    open(file).and_then(drain).unwrap_or_else(|error| panic!("{error}"))
}

fn stream(bytes: Vec<u8>, limits: &Limits) -> Result<Decoded, AudioError> {
    AudioReader::from_source(Box::new(std::io::Cursor::new(bytes)), "stream", limits).and_then(drain)
}

#[test]
fn every_fixture_is_the_melody() {
    let mut wrong = Vec::new();
    for f in of_kind("sound") {
        let d = match open(&f.file).and_then(drain) {
            Ok(decoded) => decoded,
            Err(error) => {
                wrong.push(error.to_string());
                continue;
            }
        };
        let reference = melody(f.seconds);
        let (lag, correlation) = best_lag(&d.sound, &reference, 6_000);
        let seconds = d.sound.len() as f64 / 44_100.0;
        let allowed = 0.002 + 2.5 * f.max_lag as f64 / 44_100.0;
        let fits = (seconds - f.seconds).abs() <= allowed
            && lag.unsigned_abs() <= f.max_lag
            && correlation >= f.min_correlation
            && d.format.container == f.container
            && (d.format.sample_rate, d.format.channels) == (f.sample_rate, f.channels)
            && !d.report.truncated
            && d.report.lost_packets == 0;
        if !fits {
            wrong.push(format!(
                "{} ({}/{}): {seconds:.4} s of {}, lag {lag} of {}, correlation {correlation:.4}, {:?} {:?}",
                f.file, f.container, f.codec, f.seconds, f.max_lag, d.format, d.report
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
