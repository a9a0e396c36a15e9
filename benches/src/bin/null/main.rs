//! Measured false-positive rates, compared with the claimed probabilities, of queries that are not in the catalog.
//! The project's README contains and explains the results.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports")]

mod plot;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rayon::prelude::*;
use refrain_benches::music::{BenchError, decode, walk};
use refrain_core::audio::SAMPLE_RATE;
use refrain_core::fingerprint::{Constellation, Density, Fingerprinter};
use refrain_core::index::{Snapshot, TrackNumber};
use refrain_core::matching::{Match, MatchSettings, identify};
use refrain_testkit::effects::{Noise, add_babble, add_noise, babble, crop, noise, phone, reverb, speed};
use refrain_testkit::{Key, compose};

const USAGE: &str = "\
null [--indexed N] [--queries N] [--seconds S] [--music DIR --unknown DIR] [--plot FILE]
  --indexed N    composed songs in the catalog (100), a minute each
  --queries N    queries of composed songs, and also of files, all kinds together (2000)
  --seconds S    length of a query in seconds (10)
  --music DIR    also index the files below DIR; needs --unknown
  --unknown DIR  query excerpts of the files below DIR, none of which may be in the folder of --music
  --plot FILE    plot the claimed and the measured rates as SVG";

/// Accepted probabilities of chance at which every query runs.
const RATES: [f64; 9] = [1.0, 0.1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8, 1e-10];
/// Matches with a claimed probability of chance of at most this are listed one by one.
const MAX_LISTED_PROBABILITY: f64 = 1e-3;
/// Length of an indexed song in seconds.
const INDEXED_SECONDS: f64 = 60.0;
/// First seed of unknown songs: greater than all seeds of indexed ones.
const UNKNOWN: u64 = 1 << 40;
/// Songs whose tempi differ by less than this ratio have the same tempo: their beats stay aligned during a query.
const MAX_TEMPO_RATIO: f64 = 0.01;

struct NullOptions {
    indexed: u64,
    queries: usize,
    seconds: f64,
    music: Option<PathBuf>,
    unknown: Option<PathBuf>,
    plot: Option<PathBuf>,
}

impl NullOptions {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, BenchError> {
        let mut this =
            Self { indexed: 100, queries: 2000, seconds: 10.0, music: None, unknown: None, plot: None };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match arg.as_str() {
                "--indexed" => this.indexed = value()?.parse()?,
                "--queries" => this.queries = value()?.parse()?,
                "--seconds" => this.seconds = value()?.parse()?,
                "--music" => this.music = Some(value()?.into()),
                "--unknown" => this.unknown = Some(value()?.into()),
                "--plot" => this.plot = Some(value()?.into()),
                _ => return Err(format!("unknown argument {arg}\n{USAGE}").into()),
            }
        }
        let good = this.indexed > 0 && this.queries > 0 && this.seconds >= 1.0;
        if good && this.music.is_some() == this.unknown.is_some() { Ok(this) } else { Err(USAGE.into()) }
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("null: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), BenchError> {
    let options = NullOptions::parse(std::env::args().skip(1))?;
    let mut results = composed(&options)?;
    if let (Some(music), Some(unknown)) = (&options.music, &options.unknown) {
        results.extend(recorded(&options, music, unknown)?);
    }
    report(&results);
    if let Some(file) = &options.plot {
        let matched = |one: &QueryResult| one.at.iter().map(Option::is_some).collect();
        let results: Vec<plot::QueryOutcome> =
            results.iter().map(|one| plot::QueryOutcome { kind: one.kind, matched: matched(one) }).collect();
        plot::draw(file, &RATES, &results)?;
    }
    Ok(())
}

/// A query and its results.
struct QueryResult {
    kind: &'static str,
    name: String,
    /// Best match at each of [`RATES`].
    at: Vec<Option<Match>>,
    /// Smallest claimed probability of chance of any match or rejected candidate of the query.
    candidate: f64,
}

/// Runs a query at each rate. If the highest rate gives no match, the lower rates are skipped, because they cannot give
/// one either.
fn run_query(
    snapshot: &Snapshot,
    kind: &'static str,
    name: String,
    samples: &[f32],
) -> Result<QueryResult, BenchError> {
    let query = Fingerprinter::fingerprint(Density::Query, samples);
    let at = |rate: f64| {
        identify(snapshot, &query, &MatchSettings { false_positive_rate: rate, ..MatchSettings::default() })
    };
    let loosest = at(1.0)?;
    let rejected = loosest.rejected.iter().map(|rejected| &rejected.best);
    let claims = loosest.found.iter().chain(rejected).map(|best| best.false_positive_probability);
    let candidate = claims.fold(1.0, f64::min);
    let matched = if loosest.found.is_empty() {
        vec![None; RATES.len()]
    } else {
        let best = |rate: &f64| Ok(at(*rate)?.found.into_iter().next());
        RATES.iter().map(best).collect::<Result<_, BenchError>>()?
    };
    Ok(QueryResult { kind, name, at: matched, candidate })
}

/// Searches composed songs, speech and noise in a catalog of other composed songs.
fn composed(options: &NullOptions) -> Result<Vec<QueryResult>, BenchError> {
    let tracks = (0..options.indexed).into_par_iter().map(|seed| {
        let song = compose(seed, INDEXED_SECONDS);
        (Fingerprinter::fingerprint(Density::Reference, &song.samples), song.key, song.tempo_bpm)
    });
    let tracks: Vec<(Constellation, Key, f64)> = tracks.collect();
    let styles: Vec<(Key, f64)> = tracks.iter().map(|(_, key, tempo)| (*key, *tempo)).collect();
    let numbered = tracks.into_iter().enumerate();
    let numbered: Vec<_> = numbered.map(|(n, (peaks, ..))| (TrackNumber(n as u32), peaks)).collect();
    let snapshot = Snapshot::from_tracks(&numbered)?;
    println!("{} composed songs of {INDEXED_SECONDS} s", snapshot.tracks());
    let seconds = options.seconds;
    (0..options.queries)
        .into_par_iter()
        .map(|n| {
            let seed = UNKNOWN + n as u64;
            let song = |seed| crop(&compose(seed, seconds + 12.0).samples, 6.0, seconds);
            let length = (seconds * f64::from(SAMPLE_RATE)) as usize;
            let (kind, samples) = match n % 10 {
                0 | 1 => ("a song", song(seed)),
                2 | 3 => ("same key and tempo as an indexed song", song(seed_of_same_style(&styles, seed))),
                4 => ("song, pink noise at 0 dB", add_noise(&song(seed), Noise::Pink, 0.0, seed)),
                5 => ("song, chatter at 0 dB", add_babble(&song(seed), 0.0, seed)),
                6 => ("song, telephone in a room", reverb(&phone(&song(seed)), 1.5, 0.5, seed)),
                7 => ("song, 2 s of it in a loop", looped(&song(seed), 2.0)),
                8 => ("chatter", babble(length, seed)),
                _ if n % 20 == 9 => ("white noise", noise(Noise::White, length, seed)),
                _ => ("pink noise", noise(Noise::Pink, length, seed)),
            };
            run_query(&snapshot, kind, format!("seed {seed}"), &samples)
        })
        .collect()
}

/// Returns a seed, derived from `seed`, whose song has the key and the tempo (within [`MAX_TEMPO_RATIO`]) of one of
/// `styles`.
fn seed_of_same_style(styles: &[(Key, f64)], seed: u64) -> u64 {
    // The starts are far apart, so that two searches cannot find the same seed.
    let mut seeds = (0..).map(|i| seed.wrapping_mul(1 << 20).wrapping_add(i));
    let found = seeds.find(|seed| {
        let song = compose(*seed, 0.05);
        styles
            .iter()
            .any(|(key, tempo)| *key == song.key && (tempo / song.tempo_bpm - 1.0).abs() < MAX_TEMPO_RATIO)
    });
    found.unwrap_or(seed)
}

/// Returns audio of the same length as `samples` that repeats their first `seconds`.
fn looped(samples: &[f32], seconds: f64) -> Vec<f32> {
    let bar = crop(samples, 0.0, seconds);
    bar.iter().copied().cycle().take(samples.len()).collect()
}

/// Searches excerpts of the files in the folder `unknown` in a catalog of the files in the folder `music`.
fn recorded(options: &NullOptions, music: &Path, unknown: &Path) -> Result<Vec<QueryResult>, BenchError> {
    let files = walk(music)?;
    let tracks = files.par_iter().enumerate().map(|(n, path)| {
        let mut fingerprinter = Fingerprinter::new(Density::Reference);
        decode(path, |chunk| fingerprinter.push(chunk))?;
        Ok((TrackNumber(n as u32), fingerprinter.finish()))
    });
    let tracks: Vec<_> = tracks.collect::<Result<_, BenchError>>()?;
    let snapshot = Snapshot::from_tracks(&tracks)?;
    let hours = tracks.iter().map(|(_, track)| track.seconds).sum::<f64>() / 3600.0;
    let unknown_songs = walk(unknown)?;
    println!("{} files, {hours:.1} h; unknown: {} files", snapshot.tracks(), unknown_songs.len());
    let each = options.queries.div_ceil(unknown_songs.len().max(1));
    let mut results = Vec::new();
    for path in &unknown_songs {
        let mut samples = Vec::new();
        decode(path, |chunk| samples.extend_from_slice(chunk))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let room = samples.len() as f64 / f64::from(SAMPLE_RATE) - options.seconds;
        let stretches = (0..each).into_par_iter().map(|n| {
            let (from, seed) = (room.max(0.0) * n as f64 / each as f64, n as u64);
            let clip = crop(&samples, from, options.seconds);
            let (kind, clip) = match n % 6 {
                0 | 1 => ("recorded, as it is", clip),
                2 => ("recorded, pink noise at 0 dB", add_noise(&clip, Noise::Pink, 0.0, seed)),
                3 => ("recorded, chatter at 0 dB", add_babble(&clip, 0.0, seed)),
                4 => ("recorded, 5 % faster", speed(&clip, 1.05)),
                _ => ("recorded, telephone in a room", reverb(&phone(&clip), 1.5, 0.5, seed)),
            };
            run_query(&snapshot, kind, format!("{name} at {from:.1} s"), &clip)
        });
        results.extend(stretches.collect::<Result<Vec<_>, _>>()?);
    }
    for one in &mut results {
        // The report names the file that was matched.
        for found in one.at.iter().flatten().take(1) {
            let path = &files[found.track.0 as usize];
            one.name = format!("{} in {}", one.name, path.file_name().unwrap_or_default().to_string_lossy());
        }
    }
    Ok(results)
}

fn report(results: &[QueryResult]) {
    let n = results.len();
    let rate = |count: usize| match count {
        // Rule of three: the upper bound with 95 % confidence if nothing matched.
        0 => format!("< {:.1e}", 3.0 / n as f64),
        _ => format!("{:.1e}", count as f64 / n as f64),
    };
    println!("\n{n} unknown queries\n");
    println!("| claimed at most | queries with a match | measured | nearest candidates before comparison |");
    println!("|---|---|---|---|");
    for (i, claimed) in RATES.iter().enumerate() {
        let matched = results.iter().filter(|one| one.at[i].is_some()).count();
        let near = results.iter().filter(|one| one.candidate <= *claimed).count();
        let note = if *claimed == 1.0 { String::new() } else { near.to_string() };
        println!("| {claimed:.0e} | {matched} | {} | {note} |", rate(matched));
    }
    println!("\n| kind | queries | matches at 1 | 0.1 | 0.01 | 1e-3 | 1e-4 |");
    println!("|---|---|---|---|---|---|---|");
    let mut kinds: BTreeMap<&str, (usize, [usize; 5])> = BTreeMap::new();
    for one in results {
        let (queries, matched) = kinds.entry(one.kind).or_default();
        *queries += 1;
        matched.iter_mut().zip(&one.at).for_each(|(sum, found)| *sum += usize::from(found.is_some()));
    }
    for (kind, (queries, matched)) in kinds {
        let cells: Vec<String> = matched.iter().map(ToString::to_string).collect();
        println!("| {kind} | {queries} | {} |", cells.join(" | "));
    }
    let claims =
        |one: &QueryResult| one.at.iter().flatten().map(|m| m.false_positive_probability).fold(1.0, f64::min);
    for one in results.iter().filter(|one| claims(one) <= MAX_LISTED_PROBABILITY) {
        let Some(best) = one.at.iter().flatten().last() else { continue };
        println!(
            "\nclaimed {:.1e}: {}, {}, track {} at {:.1} s, speed {:.4}, {} of {} peaks",
            claims(one),
            one.kind,
            one.name,
            best.track.0,
            best.reference_start,
            best.speed,
            best.matched_peaks,
            best.expected_peaks,
        );
    }
}
