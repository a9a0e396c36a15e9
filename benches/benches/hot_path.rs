//! Benches of all stages from a file to a result. benches/README.md describes them.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use rayon::prelude::*;
use refrain_core::audio::{AudioReader, Limits, SAMPLE_RATE};
use refrain_core::fingerprint::{Constellation, Density, Fingerprinter};
use refrain_core::index::{Snapshot, TrackNumber};
use refrain_core::matching::{MatchSettings, identify};
use refrain_core::stages;
use refrain_testkit::effects::{Noise, add_noise, crop};
use refrain_testkit::{compose, write_wav};

/// Number of songs in the catalog that is searched.
const SONGS: u64 = 40;
const SONG_SECONDS: f64 = 60.0;
const QUERY_SECONDS: f64 = 10.0;
/// Number of tracks of the index that is built.
const BUILT: usize = 20;

/// A song as PCM, for the stages that take PCM.
static SONG: LazyLock<Vec<f32>> = LazyLock::new(|| compose(1, SONG_SECONDS).samples);

/// The catalog: songs 0 to `SONGS` − 1, numbered by seed.
static TRACKS: LazyLock<Vec<(TrackNumber, Constellation)>> = LazyLock::new(|| {
    let fingerprint =
        |seed: u64| Fingerprinter::fingerprint(Density::Reference, &compose(seed, SONG_SECONDS).samples);
    (0..SONGS).into_par_iter().map(|seed| (TrackNumber(seed as u32), fingerprint(seed))).collect()
});

static SNAPSHOT: LazyLock<Snapshot> =
    LazyLock::new(|| Snapshot::from_tracks(&TRACKS).expect("40 minutes fit into one run"));

/// Sets the throughput of a benchmark that processes `samples` samples per iteration, in milliseconds of audio:
/// "elements" per second divided by 1000 is the multiple of real time.
fn sound(group: &mut BenchmarkGroup<'_, WallTime>, samples: usize) {
    group.throughput(Throughput::Elements(samples as u64 * 1000 / u64::from(SAMPLE_RATE)));
}

fn decoded(path: &Path) -> usize {
    let mut reader = AudioReader::open(path, &Limits::default()).expect("the bench's audio file opens");
    let mut samples = 0;
    while let Some(chunk) = reader.next_chunk().expect("the bench's audio file is readable") {
        samples += black_box(chunk).len();
    }
    samples
}

fn testdata(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata")).join(name)
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    let files = [
        ("vorbis", "songs/01-salted-telephone.ogg"),
        ("mp3", "audio/vbr.mp3"),
        ("aac", "audio/aac.m4a"),
        ("flac", "audio/plain.flac"),
        ("opus", "audio/stereo.opus"),
    ];
    for (name, file) in files {
        let path = testdata(file);
        sound(&mut group, decoded(&path));
        group.bench_function(name, |b| b.iter(|| decoded(&path)));
    }
    group.finish();
}

fn resample(c: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut group = c.benchmark_group("resample");
    for (name, rate) in [("none", SAMPLE_RATE), ("from-48k", 48_000)] {
        let path = directory.path().join(format!("{rate}.wav"));
        write_wav(&path, &SONG, rate).expect("a temporary file");
        sound(&mut group, decoded(&path));
        group.bench_function(name, |b| b.iter(|| decoded(&path)));
    }
    group.finish();
}

fn fingerprint(c: &mut Criterion) {
    let mut group = c.benchmark_group("fingerprint");
    sound(&mut group, SONG.len());
    group.bench_function("decimate", |b| b.iter(|| stages::decimate(&SONG)));
    let decimated = stages::decimate(&SONG);
    group.bench_function("spectrogram", |b| b.iter(|| stages::spectrogram(&decimated)));
    for (name, density) in [("constellation", Density::Reference), ("constellation-dense", Density::Query)] {
        group.bench_function(name, |b| b.iter(|| Fingerprinter::fingerprint(density, &SONG)));
    }
    let (_, track) = &TRACKS[1];
    group.bench_function("landmarks", |b| b.iter(|| stages::landmarks(&track.peaks)));
    group.finish();
}

fn index(c: &mut Criterion) {
    let mut group = c.benchmark_group("index");
    group.sample_size(20);
    sound(&mut group, SONG.len() * BUILT);
    group.bench_function("build", |b| b.iter(|| Snapshot::from_tracks(&TRACKS[..BUILT])));
    group.finish();
}

/// Returns three queries of ten seconds, each with its name, its samples and the expected track: an excerpt of song 7,
/// the same excerpt with noise as loud as the music, and an excerpt of an unknown song.
fn queries() -> [(&'static str, Vec<f32>, Option<TrackNumber>); 3] {
    let known = crop(&compose(7, SONG_SECONDS).samples, 23.4, QUERY_SECONDS);
    let noisy = add_noise(&known, Noise::Pink, 0.0, 1);
    let unknown = crop(&compose(SONGS + 7, SONG_SECONDS).samples, 23.4, QUERY_SECONDS);
    [
        ("clean", known, Some(TrackNumber(7))),
        ("noisy", noisy, Some(TrackNumber(7))),
        ("unknown", unknown, None),
    ]
}

fn answer(samples: &[f32]) -> Option<TrackNumber> {
    let query = Fingerprinter::fingerprint(Density::Query, samples);
    let matches = identify(&SNAPSHOT, &query, &MatchSettings::default()).expect("the index is in memory");
    matches.found.first().map(|found| found.track)
}

fn search(c: &mut Criterion) {
    let mut group = c.benchmark_group("query");
    sound(&mut group, (QUERY_SECONDS * f64::from(SAMPLE_RATE)) as usize);
    for (name, samples, expected) in queries() {
        let query = Fingerprinter::fingerprint(Density::Query, &samples);
        for (deep, lookup) in [(false, "lookup"), (true, "lookup-deep")] {
            let mut finder = stages::Finder::default();
            group.bench_function(format!("{lookup}/{name}"), |b| {
                b.iter(|| finder.find(&SNAPSHOT, &query.peaks, deep));
            });
        }
        assert_eq!(answer(&samples), expected, "a bench with wrong results measures nothing");
        group.bench_function(format!("match/{name}"), |b| {
            b.iter(|| identify(&SNAPSHOT, &query, &MatchSettings::default()));
        });
        group.bench_function(format!("whole/{name}"), |b| b.iter(|| answer(&samples)));
    }
    group.finish();
}

criterion_group!(hot_path, decode, resample, fingerprint, index, search);
criterion_main!(hot_path);
