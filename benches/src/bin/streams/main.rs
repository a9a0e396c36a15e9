//! Cost of hundreds of live HLS streams in one process. See benches/README.md.
//!
//! The bench has three processes, so that each can be measured and restricted separately: the first one prepares, `origin`
//! serves the streams, and `follow` is measured.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports")]

mod follow;
mod origin;
mod process;
mod report;
mod stages;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use refrain_benches::music::BenchError;
use refrain_benches::processes::{KilledOnDrop, index_files};
use refrain_isolation::{CHILD_ARGUMENT, run_child};
use refrain_monitor::ChildDecoders;

const USAGE: &str = "\
streams --music DIR [--unknown DIR] [--streams N] [--seconds S] [--cores N] [--network N] [--vod S] [--dir DIR]
        [--in-process] [--under COMMAND]
  --music DIR      index the files below DIR and play excerpts of them
  --unknown DIR    play excerpts of these files between some songs; they must not be in the folder of --music
  --streams N      live streams (300)
  --seconds S      length of the measurement in seconds, after a warm-up (120)
  --cores N        threads that process audio (1)
  --network N      threads that fetch (1)
  --vod S          measure one recorded playlist of this many seconds instead of live streams
  --dir DIR        folder of the index; a second run does not build it again
  --in-process     decode in the measured process, without the limits of child processes
  --under COMMAND  start the measured process through this command, for example `taskset -c 1`";

/// Catalog id of the index.
const CATALOG_ID: u128 = 0x7374_7265_616d_7320;

/// Options of the command line.
#[derive(Debug, Clone)]
struct StreamsOptions {
    music: PathBuf,
    unknown: Option<PathBuf>,
    streams: usize,
    seconds: f64,
    cores: usize,
    network: usize,
    vod: Option<f64>,
    dir: Option<PathBuf>,
    in_process: bool,
    under: Vec<String>,
}

impl StreamsOptions {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, BenchError> {
        let mut this = Self {
            music: PathBuf::new(),
            unknown: None,
            streams: 300,
            seconds: 120.0,
            cores: 1,
            network: 1,
            vod: None,
            dir: None,
            in_process: false,
            under: Vec::new(),
        };
        while let Some(arg) = args.next() {
            if arg == "--in-process" {
                this.in_process = true;
                continue;
            }
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match arg.as_str() {
                "--music" => this.music = value()?.into(),
                "--unknown" => this.unknown = Some(value()?.into()),
                "--streams" => this.streams = value()?.parse()?,
                "--seconds" => this.seconds = value()?.parse()?,
                "--cores" => this.cores = value()?.parse()?,
                "--network" => this.network = value()?.parse()?,
                "--vod" => this.vod = Some(value()?.parse()?),
                "--dir" => this.dir = Some(value()?.into()),
                "--under" => this.under = value()?.split_whitespace().map(ToOwned::to_owned).collect(),
                _ => return Err(format!("unknown argument {arg}\n{USAGE}").into()),
            }
        }
        if this.music.as_os_str().is_empty() { Err(USAGE.into()) } else { Ok(this) }
    }
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).peekable();
    let done = match args.peek().map(String::as_str) {
        Some(CHILD_ARGUMENT) => return run_child(ChildDecoders::default()),
        Some("origin") => StreamsOptions::parse(args.skip(1)).and_then(|options| origin::run(&options)),
        Some("follow") => follow::Task::parse(args.skip(1)).and_then(|task| follow::run(&task)),
        _ => StreamsOptions::parse(args).and_then(|options| prepare(&options)),
    };
    match done {
        Ok(()) => {
            refrain_isolation::shut_down();
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("streams: {error}");
            ExitCode::from(2)
        }
    }
}

/// Builds the index, starts the origin and the measured process, and waits until the measured process exits.
fn prepare(options: &StreamsOptions) -> Result<(), BenchError> {
    let work = tempfile::tempdir()?;
    let folder = options.dir.as_deref().unwrap_or(work.path());
    let prefix = folder.join("streams");
    index_files(&prefix, &options.music, CATALOG_ID)?;
    let program = std::env::current_exe()?;
    let mut origin = Command::new(&program);
    origin.arg("origin").args(std::env::args_os().skip(1)).arg("--dir").arg(folder);
    let mut origin = KilledOnDrop(origin.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    let mut address = String::new();
    BufReader::new(origin.0.stdout.take().ok_or("the origin has no output")?).read_line(&mut address)?;
    if address.is_empty() {
        return Err("the origin did not start".into());
    }
    let task = follow::Task::new(options, &prefix, address.trim());
    let mut command = match options.under.split_first() {
        Some((under, rest)) => {
            let mut command = Command::new(under);
            command.args(rest).arg(&program);
            command
        }
        None => Command::new(&program),
    };
    let status = command.arg("follow").args(task.arguments()).status()?;
    if status.success() { Ok(()) } else { Err(format!("the measured process ended with {status}").into()) }
}
