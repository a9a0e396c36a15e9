//! Detection of songs in a mix, each with another speed. See benches/README.md.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use rayon::prelude::*;
use refrain_benches::music::{BenchError, decode, walk};
use refrain_benches::synthetic::Random;
use refrain_core::audio::SAMPLE_RATE;
use refrain_core::fingerprint::{Density, Fingerprinter};
use refrain_core::index::{Snapshot, TrackNumber};
use refrain_core::matching::{Match, MatchSettings, Matches, identify};
use refrain_testkit::effects::{ClipTiming, MixClip, crop, mix, speed};

const USAGE: &str = "\
mix --music DIR [--songs N] [--seconds S] [--seed N]
  --music DIR    index the files below DIR and mix excerpts of them
  --songs N      songs in the mix, each from another file (30)
  --seconds S    length of each excerpt in seconds (90)
  --seed N       seed of the random songs, positions and speeds (1)";
/// Maximum relative change of the speed of a song.
const RANGE: f64 = 0.06;
/// Length of each cross-fade in seconds. Beats are not aligned.
const FADE: f64 = 8.0;
/// Maximum relative error of a reported speed that counts as right.
const SPEED_ERROR: f64 = 0.001;
/// A reported start or end counts as right if it is at most this far, in seconds, outside of the cross-fade.
const EDGE_ERROR: f64 = 3.0;

struct MixOptions {
    music: PathBuf,
    songs: usize,
    seconds: f64,
    seed: u64,
}

/// A song of the mix.
struct MixedSong {
    track: usize,
    speed: f64,
    samples: Vec<f32>,
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("mix: {error}");
            ExitCode::from(2)
        }
    }
}

fn options(mut args: impl Iterator<Item = String>) -> Result<MixOptions, BenchError> {
    let (mut music, mut songs, mut seconds, mut seed) = (None, 30, 90.0, 1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            "--music" => music = Some(value()?.into()),
            "--songs" => songs = value()?.parse()?,
            "--seconds" => seconds = value()?.parse()?,
            "--seed" => seed = value()?.parse()?,
            _ => return Err(format!("unknown argument {arg}\n{USAGE}").into()),
        }
    }
    Ok(MixOptions { music: music.ok_or(USAGE)?, songs, seconds, seed })
}

fn run() -> Result<bool, BenchError> {
    let options = options(std::env::args().skip(1))?;
    let files = walk(&options.music)?;
    let tracks = files.par_iter().enumerate().map(|(n, path)| {
        let mut fingerprinter = Fingerprinter::new(Density::Reference);
        decode(path, |chunk| fingerprinter.push(chunk))?;
        Ok((TrackNumber(n as u32), fingerprinter.finish()))
    });
    let tracks: Vec<_> = tracks.collect::<Result<_, BenchError>>()?;
    let snapshot = Snapshot::from_tracks(&tracks)?;
    let songs = draw(&options, &files)?;
    let clips: Vec<MixClip<'_>> = songs
        .iter()
        .enumerate()
        .map(|(i, song)| MixClip {
            samples: &song.samples,
            from: 0.0,
            seconds: f64::INFINITY,
            fade: if i > 0 { FADE } else { 0.0 },
        })
        .collect();
    let mix = mix(&clips);
    let start = Instant::now();
    let query = Fingerprinter::fingerprint(Density::Query, &mix.samples);
    let matches = identify(&snapshot, &query, &MatchSettings::default())?;
    let minutes = query.seconds / 60.0;
    println!("{} tracks; a mix of {} songs, {minutes:.1} min", snapshot.tracks(), songs.len());
    println!(
        "identified in {:.1} s ({} threads)",
        start.elapsed().as_secs_f64(),
        rayon::current_num_threads()
    );
    Ok(report(&files, &songs, &mix.airings, &matches))
}

/// Draws the songs of the mix at random, each with a random excerpt and speed.
fn draw(options: &MixOptions, files: &[PathBuf]) -> Result<Vec<MixedSong>, BenchError> {
    let mut random = Random::new(options.seed);
    let mut order: Vec<usize> = (0..files.len()).collect();
    for i in (1..order.len()).rev() {
        order.swap(i, random.below(i + 1));
    }
    order.truncate(options.songs);
    let drawn: Vec<_> = order.into_iter().map(|track| (track, random.unit(), random.unit())).collect();
    drawn
        .into_par_iter()
        .map(|(track, place, change)| {
            let mut samples = Vec::new();
            decode(files[track].as_path(), |chunk| samples.extend_from_slice(chunk))?;
            let room = (samples.len() as f64 / f64::from(SAMPLE_RATE) - options.seconds).max(0.0);
            let factor = 1.0 + RANGE * (2.0 * change - 1.0);
            let samples = speed(&crop(&samples, room * place, options.seconds), factor);
            Ok(MixedSong { track, speed: factor, samples })
        })
        .collect()
}

/// Prints the detections of each song. Returns true if at most one song is not found exactly once, all speeds and edges
/// of found songs are right, and no other song is found.
fn report(files: &[PathBuf], songs: &[MixedSong], airings: &[ClipTiming], matches: &Matches) -> bool {
    println!("\nTimes are the middles of the cross-fades; times of found songs are differences to them.");
    println!("\n| song | from | to | speed | found | from | to | speed error % |");
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    let (mut once, mut slow, mut late) = (0, 0, 0);
    for (song, airing) in songs.iter().zip(airings) {
        let (from, to) = edges(airing);
        let rows: Vec<&Match> =
            matches.found.iter().filter(|row| row.track.0 as usize == song.track).collect();
        once += usize::from(rows.len() == 1);
        let name = files[song.track].file_name().unwrap_or_default().to_string_lossy();
        print!("| {name} | {from:.1} | {to:.1} | {:.4} | {} |", song.speed, rows.len());
        let Some(row) = rows.first() else {
            println!(" | | |");
            continue;
        };
        let off = row.speed / song.speed - 1.0;
        slow += usize::from(off.abs() > SPEED_ERROR);
        let (early, behind) = (row.query_start - from, row.query_end - to);
        late += usize::from(early.abs() - airing.fades.0 / 2.0 > EDGE_ERROR);
        late += usize::from(behind.abs() - airing.fades.1 / 2.0 > EDGE_ERROR);
        println!(" {early:+.2} | {behind:+.2} | {:+.4} |", 100.0 * off);
    }
    let known = |row: &&Match| songs.iter().any(|song| song.track == row.track.0 as usize);
    let others = matches.found.iter().filter(|row| !known(row)).count();
    println!(
        "\n{once} of {} found once; speed more than {} % off: {slow}; edges more than {EDGE_ERROR} s outside of their cross-fade: {late}; \
         other songs found: {others}; alternatives reported: {}",
        songs.len(),
        100.0 * SPEED_ERROR,
        matches.alternatives.len()
    );
    once + 1 >= songs.len() && slow == 0 && late == 0 && others == 0
}

/// Returns the start and the end of a song in the mix, in seconds: the middles of its fades.
fn edges(airing: &ClipTiming) -> (f64, f64) {
    let end = airing.start + airing.seconds;
    (airing.start + airing.fades.0 / 2.0, end - airing.fades.1 / 2.0)
}
