//! A long run of many live streams with random faults. See benches/README.md.
//!
//! The bench has three processes: the first one prepares and reports, `origin` serves the streams and makes the faults,
//! and `monitor` is measured. The processes write records to a folder, which the report compares.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports")]

mod compare;
mod kinds;
mod memory;
mod monitor;
mod origin;
mod records;
mod responses;
mod schedule;
mod signals;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use refrain_benches::music::BenchError;
use refrain_benches::processes::{KilledOnDrop, index_files};
use refrain_isolation::{CHILD_ARGUMENT, run_child};
use refrain_monitor::ChildDecoders;

const USAGE: &str = "\
soak --music DIR [--unknown DIR] [--streams N] [--minutes M] [--airings N] [--seed S] [--dir DIR]
soak report --dir DIR
  --music DIR    index the files below DIR and play excerpts of them
  --unknown DIR  play excerpts of these files between some songs; they must not be in the folder of --music
  --streams N    live streams (200)
  --minutes M    length of the run in minutes (120)
  --airings N    songs of the programme that every stream repeats (24)
  --seed S       seed of the programme and of the faults (1)
  --dir DIR      folder of the index and of the records (a temporary one)
  report         only compare the records of an earlier run in DIR";

/// Catalog id of the index.
const CATALOG_ID: u128 = 0x736f_616b_2020_2020;

/// Options of the command line.
#[derive(Debug, Clone)]
struct SoakOptions {
    music: PathBuf,
    unknown: Option<PathBuf>,
    streams: usize,
    minutes: f64,
    airings: usize,
    seed: u64,
    dir: Option<PathBuf>,
}

impl SoakOptions {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, BenchError> {
        let mut this = Self {
            music: PathBuf::new(),
            unknown: None,
            streams: 200,
            minutes: 120.0,
            airings: 24,
            seed: 1,
            dir: None,
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match arg.as_str() {
                "--music" => this.music = value()?.into(),
                "--unknown" => this.unknown = Some(value()?.into()),
                "--streams" => this.streams = value()?.parse()?,
                "--minutes" => this.minutes = value()?.parse()?,
                "--airings" => this.airings = value()?.parse()?,
                "--seed" => this.seed = value()?.parse()?,
                "--dir" => this.dir = Some(value()?.into()),
                _ => return Err(format!("unknown argument {arg}\n{USAGE}").into()),
            }
        }
        Ok(this)
    }
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).peekable();
    let done = match args.peek().map(String::as_str) {
        Some(CHILD_ARGUMENT) => return run_child(ChildDecoders::default()),
        Some("origin") => {
            SoakOptions::parse(args.skip(1)).and_then(|options| origin::run(&options)).map(|()| true)
        }
        Some("monitor") => {
            monitor::Task::parse(args.skip(1)).and_then(|task| monitor::run(&task)).map(|()| true)
        }
        Some("report") => SoakOptions::parse(args.skip(1))
            .and_then(|options| compare::report(options.dir.as_deref().ok_or("report needs --dir")?)),
        _ => SoakOptions::parse(args).and_then(|options| run(&options)),
    };
    match done {
        Ok(is_met) => {
            refrain_isolation::shut_down();
            if is_met { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::from(2)
        }
    }
}

/// Builds the index, runs the origin and the monitor, and reports. Returns true if all requirements are met.
fn run(options: &SoakOptions) -> Result<bool, BenchError> {
    if options.music.as_os_str().is_empty() {
        return Err(USAGE.into());
    }
    let work = tempfile::tempdir()?;
    let folder = options.dir.as_deref().unwrap_or(work.path());
    std::fs::create_dir_all(folder)?;
    let prefix = folder.join("soak");
    index_files(&prefix, &options.music, CATALOG_ID)?;
    let program = std::env::current_exe()?;
    let mut origin = Command::new(&program);
    origin.arg("origin").args(std::env::args_os().skip(1)).arg("--dir").arg(folder);
    let mut origin = KilledOnDrop(origin.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    let mut url = String::new();
    BufReader::new(origin.0.stdout.take().ok_or("the origin has no output")?).read_line(&mut url)?;
    if url.is_empty() {
        return Err("the origin did not start".into());
    }
    let task = monitor::Task {
        prefix,
        folder: folder.to_owned(),
        url: url.trim().to_owned(),
        streams: options.streams,
        seconds: options.minutes * 60.0,
    };
    let status = Command::new(&program).arg("monitor").args(task.arguments()).status()?;
    if !status.success() {
        return Err(format!("the measured process ended with {status}").into());
    }
    // The origin writes its last records when its standard input ends.
    drop(origin.0.stdin.take());
    let status = origin.0.wait()?;
    if !status.success() {
        return Err(format!("the origin ended with {status}").into());
    }
    compare::report(folder)
}
