//! Decoding of every fixture, intact and damaged, as a file and as a stream.

use std::fs;
use std::path::{Path, PathBuf};

use crate::melody::{best_lag, melody};
use refrain_core::audio::{AudioError, AudioReader, DecodeReport, Format, Limits};

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
    samples: Vec<f32>,
    report: DecodeReport,
    format: Format,
}

fn fixture_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/audio")
}

fn fixtures() -> Vec<Fixture> {
    let manifest = fs::read_to_string(fixture_dir().join("MANIFEST.csv")).unwrap();
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

fn fixtures_expecting(kind: &str) -> Vec<Fixture> {
    let fixtures: Vec<_> = fixtures().into_iter().filter(|f| f.expect == kind).collect();
    assert!(!fixtures.is_empty(), "no fixture expects {kind}");
    fixtures
}

fn decode_all(mut reader: AudioReader) -> Result<Decoded, AudioError> {
    let mut samples = Vec::new();
    while let Some(chunk) = reader.next_chunk()? {
        assert!(!chunk.is_empty());
        samples.extend_from_slice(chunk);
    }
    let (report, format) = (reader.report().clone(), reader.format().clone());
    assert!((report.seconds - samples.len() as f64 / 44_100.0).abs() < 1e-6);
    Ok(Decoded { samples, report, format })
}

fn open(file: &str) -> Result<AudioReader, AudioError> {
    AudioReader::open(&fixture_dir().join(file), &Limits::default())
}

fn decode(file: &str) -> Decoded {
    open(file).and_then(decode_all).unwrap_or_else(|error| panic!("{error}"))
}

fn stream(bytes: Vec<u8>, limits: &Limits) -> Result<Decoded, AudioError> {
    AudioReader::from_source(Box::new(std::io::Cursor::new(bytes)), "stream", limits).and_then(decode_all)
}

#[test]
fn every_fixture_decodes_to_the_melody() {
    let mut wrong = Vec::new();
    for f in fixtures_expecting("sound") {
        let d = match open(&f.file).and_then(decode_all) {
            Ok(decoded) => decoded,
            Err(error) => {
                wrong.push(error.to_string());
                continue;
            }
        };
        let reference = melody(f.seconds);
        let (lag, correlation) = best_lag(&d.samples, &reference, 6_000);
        let seconds = d.samples.len() as f64 / 44_100.0;
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

#[test]
fn a_stream_decodes_to_the_same_audio_as_the_file() {
    for f in fixtures_expecting("sound") {
        // Formats with an index at the end cannot be read from a stream, because it cannot seek.
        let from_file = decode(&f.file);
        let bytes = fs::read(fixture_dir().join(&f.file)).unwrap();
        match stream(bytes, &Limits::default()) {
            Ok(d) => {
                assert_eq!(d.samples.len(), from_file.samples.len(), "{}", f.file);
                assert!(d.samples == from_file.samples, "{}: the samples differ", f.file);
                assert_eq!(d.format, from_file.format, "{}", f.file);
            }
            Err(error) => {
                let index_at_end = ["mp4", "caf"].contains(&&*f.container)
                    && !["faststart.m4a", "fragmented.mp4"].contains(&&*f.file);
                assert!(index_at_end, "{}: {error}", f.file);
            }
        }
    }
}

#[test]
fn truncated_files_are_decoded_up_to_their_end_and_reported() {
    for f in fixtures_expecting("truncated") {
        let d = decode(&f.file);
        let seconds = d.samples.len() as f64 / 44_100.0;
        assert!(d.report.truncated, "{}: {:?}", f.file, d.report);
        assert!((0.25 * f.seconds..0.75 * f.seconds).contains(&seconds), "{}: {seconds} s", f.file);
        let (lag, correlation) = best_lag(&d.samples, &melody(f.seconds), 6_000);
        assert!(correlation > 0.95 && lag.unsigned_abs() <= f.max_lag, "{}: {correlation} at {lag}", f.file);
    }
}

#[test]
fn damage_loses_little_audio_and_does_not_shift_the_rest() {
    for f in fixtures_expecting("damaged") {
        let d = decode(&f.file);
        let reference = melody(f.seconds);
        let seconds = d.samples.len() as f64 / 44_100.0;
        assert!((seconds - f.seconds).abs() < 0.2, "{}: {seconds} s, {:?}", f.file, d.report);
        let tail = |s: &[f32]| s[s.len().saturating_sub(17_640)..].to_vec();
        let (lag, correlation) = best_lag(&tail(&d.samples), &tail(&reference), 6_000);
        let good = correlation > 0.9;
        assert!(good, "{}: the last 0.4 s: {correlation} at {lag}, {:?}", f.file, d.report);
        let start = &d.samples[..17_640];
        let (lag, correlation) = best_lag(start, &reference[..17_640], 6_000);
        assert!(correlation > 0.9, "{}: the first 0.4 s: {correlation} at {lag}", f.file);
        if f.file != "headless.ts" {
            assert!(d.report.is_damaged() && d.report.first_damage.is_some(), "{}: {:?}", f.file, d.report);
        }
    }
}

#[test]
fn chained_streams_are_decoded_one_after_the_other() {
    for f in fixtures_expecting("chained") {
        let d = decode(&f.file);
        let half = melody(f.seconds / 2.0);
        assert!((d.samples.len() as f64 / 44_100.0 - f.seconds).abs() < 0.01, "{:?}", d.report);
        for link in [&d.samples[..half.len()], &d.samples[d.samples.len() - half.len()..]] {
            assert!(best_lag(link, &half, 500).1 > 0.98);
        }
        assert!(!d.report.is_damaged(), "{:?}", d.report);
    }
}

fn kind(error: &AudioError) -> String {
    format!("{error:?}").split([' ', '{']).next().unwrap().to_owned()
}

#[test]
fn errors_name_the_file_and_the_reason() {
    let kinds = ["Empty", "NotAudio", "NoAudioTrack", "UnsupportedCodec", "Damaged", "NoSound"];
    for f in kinds.into_iter().flat_map(fixtures_expecting) {
        let error = open(&f.file).and_then(decode_all).map(|d| d.report).unwrap_err();
        assert_eq!(kind(&error), f.expect, "{}: {error}", f.file);
        assert!(error.to_string().contains(&f.file), "{error}");
    }
    let error = open("no-such.wav").unwrap_err();
    assert_eq!(kind(&error), "Open");
    assert!(error.to_string().contains("no-such.wav"), "{error}");
    let error = AudioReader::open(&fixture_dir(), &Limits::default()).unwrap_err();
    assert_eq!(kind(&error), "Directory");
    let unsupported = |file| open(file).unwrap_err().to_string();
    assert!(unsupported("dts.ts").contains("DTS"), "{}", unsupported("dts.ts"));
}

#[test]
fn errors_of_streams_name_the_stream_and_the_reason() {
    for (file, expect) in [("empty.mp3", "Empty"), ("text.mp3", "NotAudio"), ("nosound.wav", "NoSound")] {
        let error = stream(fs::read(fixture_dir().join(file)).unwrap(), &Limits::default()).err().unwrap();
        assert_eq!(kind(&error), expect, "{error}");
        assert!(error.to_string().contains("stream"), "{error}");
    }
}

#[test]
fn read_errors_are_not_taken_for_the_end_of_the_file() {
    struct Failing(std::io::Cursor<Vec<u8>>);
    impl std::io::Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(std::io::Error::other("cable pulled")),
                count => Ok(count),
            }
        }
    }
    for file in ["half.mp3", "half.wav", "half.ogg", "half.ts", "half.flac", "half.m4a"] {
        let source = Failing(std::io::Cursor::new(fs::read(fixture_dir().join(file)).unwrap()));
        let opened =
            AudioReader::from_source(Box::new(source), file, &Limits::default()).and_then(decode_all);
        let error = opened.err().unwrap();
        assert_eq!(kind(&error), "Read", "{file}: {error}");
        assert!(error.to_string().contains("cable pulled"), "{error}");
    }
}

#[test]
fn invalid_samples_are_silenced_and_counted() {
    let d = decode("nan.wav");
    assert_eq!(d.report.replaced_samples, 30);
    assert!(d.report.is_damaged());
    assert!(d.samples.iter().all(|s| s.is_finite() && s.abs() < 2.0));
}

#[test]
fn exceeded_limits_are_named_in_errors() {
    let limit_error = |limits: Limits, file: &str| {
        AudioReader::open(&fixture_dir().join(file), &limits)
            .and_then(decode_all)
            .map(|d| d.report)
            .unwrap_err()
            .to_string()
    };
    let long = limit_error(Limits { max_seconds: 0.2, ..Limits::default() }, "noxing-24k.mp3");
    assert!(long.contains("noxing-24k.mp3") && long.contains("length"), "{long}");
    let long = limit_error(Limits { max_seconds: 0.2, ..Limits::default() }, "plain.flac");
    assert!(long.contains("length in seconds, 0.7,"), "{long}");
    let fast = limit_error(Limits { max_sample_rate: 48_000, ..Limits::default() }, "192k.flac");
    assert!(fast.contains("192000"), "{fast}");
    let wide = limit_error(Limits { max_channels: 6, ..Limits::default() }, "8ch-8k.wav");
    assert!(wide.contains("number of channels, 8.0,"), "{wide}");
}

#[test]
fn tags_are_read_from_every_container_that_has_them() {
    for file in ["cbr.mp3", "vorbis.ogg", "stereo.opus", "plain.flac", "flac.mka", "opus.webm", "flac.oga"] {
        let tags = open(file).unwrap().tags().clone();
        let field = |value: &Option<String>| value.clone().unwrap_or_default();
        assert_eq!(field(&tags.title), "Fixture Melody", "{file}: {tags:?}");
        assert_eq!(field(&tags.artist), "Refrain", "{file}: {tags:?}");
        assert_eq!(field(&tags.album), "Testdata", "{file}: {tags:?}");
        assert_eq!(field(&tags.genre), "Electronic", "{file}: {tags:?}");
        assert_eq!(field(&tags.isrc), "XXRFN2400001", "{file}: {tags:?}");
        assert_eq!(field(&tags.label), "No Label", "{file}: {tags:?}");
        assert!(field(&tags.date).starts_with("2024"), "{file}: {tags:?}");
    }
    let tags = open("aac.m4a").unwrap().tags().clone();
    assert_eq!(tags.title.as_deref(), Some("Fixture Melody"), "{tags:?}");
    let small = Limits { max_tag_bytes: 20, ..Limits::default() };
    let tags = AudioReader::open(&fixture_dir().join("vorbis.ogg"), &small).unwrap().tags().clone();
    assert!(tags.dropped > 0, "{tags:?}");
}
