//! Size and speed of a large catalog of drawn constellations. See benches/README.md.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports")]

mod compare;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rayon::prelude::*;
use refrain_benches::clock::{files, forget_pages, memory, thread_time};
use refrain_benches::synthetic::{CLEAN, Degradation, DrawnSong, NOISY, Random, query};
use refrain_core::fingerprint::{Constellation, Density};
use refrain_core::index::{Cache, Snapshot, TrackNumber};
use refrain_core::matching::{MatchSettings, identify};
use refrain_core::stages;

const USAGE: &str = "\
scale [--tracks N] [--seconds S] [--queries N] [--batch N] [--dir DIR] | scale --statistics [FILE...]
  --tracks N     tracks of the catalog (200)
  --seconds S    length of each track in seconds (200)
  --queries N    queries of each kind (50)
  --batch N      tracks that are added at once (2000)
  --dir DIR      folder in which the files are kept; a second run with the same numbers searches them again
                 (a directory in the system's temporary folder that is deleted at the end)
  --statistics   only compare drawn constellations with those of composed songs or of these files";
/// Length of a query in seconds.
pub(crate) const QUERY_SECONDS: f64 = 10.0;
/// First seed of unknown songs: greater than all seeds of tracks.
const UNKNOWN: u64 = 1 << 40;

/// Options of the command line.
struct ScaleOptions {
    tracks: u32,
    seconds: f64,
    queries: u32,
    batch: u32,
    dir: Option<PathBuf>,
    statistics: bool,
    files: Vec<PathBuf>,
}

impl ScaleOptions {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut this = Self {
            tracks: 200,
            seconds: 200.0,
            queries: 50,
            batch: 2000,
            dir: None,
            statistics: false,
            files: Vec::new(),
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match arg.as_str() {
                "--tracks" => this.tracks = value()?.parse()?,
                "--seconds" => this.seconds = value()?.parse()?,
                "--queries" => this.queries = value()?.parse()?,
                "--batch" => this.batch = value()?.parse()?,
                "--dir" => this.dir = Some(value()?.into()),
                "--statistics" => this.statistics = true,
                file if this.statistics && !file.starts_with('-') => this.files.push(file.into()),
                _ => return Err(format!("unknown argument {arg}\n{USAGE}").into()),
            }
        }
        let good =
            this.tracks > 0 && this.queries > 0 && this.batch > 0 && this.seconds >= 2.0 * QUERY_SECONDS;
        if good { Ok(this) } else { Err("numbers must be positive, and tracks at least 20 s long".into()) }
    }

    /// Returns the catalog id of the index files. It depends on the number and the length of the tracks, so that index
    /// files with another number or length of tracks are not reused.
    fn catalog(&self) -> u128 {
        u128::from(self.tracks) << 64 | u128::from(self.seconds.to_bits())
    }

    fn track(&self, number: u32) -> Constellation {
        DrawnSong::new(u64::from(number)).constellation(self.seconds, Density::Reference)
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scale: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let options = ScaleOptions::parse(std::env::args().skip(1))?;
    if options.statistics {
        compare::statistics(&options.files)?;
        return Ok(());
    }
    if let Some(dir) = &options.dir {
        return measure(&options, dir);
    }
    let dir = std::env::temp_dir().join(format!("refrain-scale-{}", std::process::id()));
    let result = measure(&options, &dir);
    std::fs::remove_dir_all(&dir)?;
    result
}

fn measure(options: &ScaleOptions, dir: &Path) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(dir)?;
    let prefix = dir.join("scale");
    build(options, &prefix)?;
    let snapshot = open(options, dir, &prefix)?;
    sizes(options, dir, &snapshot);
    search(options, &snapshot)
}

/// Builds the index files in batches. Skips tracks that they already contain.
fn build(options: &ScaleOptions, prefix: &Path) -> Result<(), Box<dyn Error>> {
    let (mut cache, _) = Cache::open(prefix, options.catalog())?;
    let (start, found) = (Instant::now(), cache.position() as u32);
    let mut drawing = Duration::ZERO;
    let mut first = found;
    while first < options.tracks {
        let end = (first + options.batch).min(options.tracks);
        let now = Instant::now();
        let tracks: Vec<_> =
            (first..end).into_par_iter().map(|n| (TrackNumber(n), options.track(n))).collect();
        drawing += now.elapsed();
        if end < options.tracks {
            cache.apply_part(&tracks, &[], u64::from(end))?;
        } else {
            cache.apply(&tracks, &[], u64::from(end))?;
        }
        first = end;
        if end.is_multiple_of(10_000) {
            eprintln!("{end} tracks after {:.0} s", start.elapsed().as_secs_f64());
        }
    }
    if found < options.tracks {
        let seconds = (start.elapsed() - drawing).as_secs_f64();
        let speed = f64::from(options.tracks - found) * options.seconds / seconds;
        println!("build: {seconds:.1} s wall clock, {speed:.0} times real time (drawing not counted)");
        let memory = memory().map_or(String::new(), |(_, own)| {
            format!(", {} MB of memory not mapped from files at its end", own >> 20)
        });
        println!("build: batches of {} tracks{memory}", options.batch);
    }
    Ok(())
}

/// Opens the index files with a cold and then with a warm page cache.
fn open(
    options: &ScaleOptions,
    dir: &Path,
    prefix: &Path,
) -> Result<std::sync::Arc<Snapshot>, Box<dyn Error>> {
    forget_pages(dir);
    let mut snapshot = Default::default();
    for temperature in ["cold", "warm"] {
        drop(std::mem::take(&mut snapshot));
        let (wall, cpu) = (Instant::now(), thread_time());
        let (cache, state) = Cache::open(prefix, options.catalog())?;
        let (wall, cpu) = (wall.elapsed(), thread_time() - cpu);
        snapshot = cache.snapshot();
        println!("open, {temperature}: {wall:.1?} wall clock, {cpu:.1?} CPU ({state:?})");
    }
    if let Some((all, own)) = memory() {
        println!(
            "memory after open: {} MB resident, {} MB of it not mapped from files",
            all >> 20,
            own >> 20
        );
    }
    Ok(snapshot)
}

fn sizes(options: &ScaleOptions, dir: &Path, snapshot: &Snapshot) {
    let bytes = files(dir).1 as f64;
    let sample = options.tracks.min(100);
    let packed: usize = (0..sample).map(|n| options.track(n).to_bytes().len()).sum();
    let constellations = packed as f64 / f64::from(sample) * f64::from(options.tracks);
    let hours = f64::from(options.tracks) * options.seconds / 3600.0;
    let postings = snapshot.postings() as f64;
    println!(
        "index: {} tracks, {hours:.0} h, {postings:.3e} postings in {} runs",
        snapshot.tracks(),
        snapshot.runs_count()
    );
    println!("files: {:.3} GB; {:.2} bytes per posting", bytes / 1e9, (bytes - constellations) / postings);
    println!(
        "total: {:.3} GB with the constellations in the catalog, {:.3} MB per hour",
        (bytes + constellations) / 1e9,
        (bytes + constellations) / 1e6 / hours
    );
}

/// Results of the queries of one kind.
#[derive(Default)]
struct QueryStatistics {
    times: Vec<Duration>,
    right: u32,
    wrong: u32,
    probes: [usize; 2],
    bytes: [u64; 2],
}

impl QueryStatistics {
    fn print(&mut self, name: &str) {
        self.times.sort_unstable();
        let n = self.times.len();
        let at = |part: f64| self.times[((n as f64 * part) as usize).min(n - 1)].as_secs_f64() * 1e3;
        println!(
            "{name:8} CPU ms: median {:7.2}  p95 {:7.2}  most {:7.2} | right {}/{n}, wrong {} | \
             first lookup {:.0} probes, {:.1} MB; deep {:.0}, {:.1} MB",
            at(0.5),
            at(0.95),
            at(1.0),
            self.right,
            self.wrong,
            self.probes[0] as f64 / n as f64,
            self.bytes[0] as f64 / n as f64 / 1e6,
            self.probes[1] as f64 / n as f64,
            self.bytes[1] as f64 / n as f64 / 1e6,
        );
    }
}

fn search(options: &ScaleOptions, snapshot: &Snapshot) -> Result<(), Box<dyn Error>> {
    for degradation in [Some(CLEAN), Some(NOISY), None] {
        let mut query_statistics = QueryStatistics::default();
        for n in 0..options.queries {
            run_query(options, snapshot, n, degradation, &mut query_statistics)?;
        }
        query_statistics.print(degradation.map_or("unknown", |degradation| degradation.name));
    }
    if let Some((all, own)) = memory() {
        println!(
            "memory after queries: {} MB resident, {} MB of it not mapped from files",
            all >> 20,
            own >> 20
        );
    }
    Ok(())
}

/// Runs query number `n`, and adds the result to `query_statistics`. The query is an excerpt of a random track with
/// `degradation`, or an unknown song if `degradation` is `None`.
fn run_query(
    options: &ScaleOptions,
    snapshot: &Snapshot,
    n: u32,
    degradation: Option<Degradation>,
    query_statistics: &mut QueryStatistics,
) -> Result<(), Box<dyn Error>> {
    let mut random = Random::new(UNKNOWN + u64::from(n));
    let number = random.below(options.tracks as usize) as u32;
    let start = (random.unit() * (options.seconds - QUERY_SECONDS)).floor();
    let query_constellation = match degradation {
        Some(degradation) => query(&options.track(number), start, QUERY_SECONDS, degradation, u64::from(n)),
        None => DrawnSong::new(UNKNOWN + u64::from(n)).constellation(QUERY_SECONDS, Density::Query),
    };
    let before = thread_time();
    let matches = identify(snapshot, &query_constellation, &MatchSettings::default())?;
    query_statistics.times.push(thread_time() - before);
    for found in &matches.found {
        let shift = found.reference_start - found.query_start - start;
        let right = degradation.is_some() && found.track == TrackNumber(number) && shift.abs() < 0.1;
        query_statistics.right += u32::from(right);
        query_statistics.wrong += u32::from(!right);
    }
    for (i, deep) in [false, true].into_iter().enumerate() {
        let lookup = stages::lookup(snapshot, &query_constellation.peaks, deep)?;
        query_statistics.probes[i] += lookup.probes;
        query_statistics.bytes[i] += lookup.bytes;
    }
    Ok(())
}
