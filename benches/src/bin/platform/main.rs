//! Cost of hundreds of streams and files in the whole service as it is deployed, with simulated AWS services. See
//! benches/README.md.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports")]

mod files;
mod service;
mod streams;

use std::path::PathBuf;
use std::process::ExitCode;

use refrain_benches::music::BenchError;

const USAGE: &str = "\
platform streams --music DIR [--catalogue DIR] [--streams N] [--seconds S] [--refrain FILE]
platform files   --music DIR [--catalogue DIR] [--files N] [--clip S] [--refrain FILE]
  --music DIR      music that is played, or cut into files
  --catalogue DIR  music that is indexed; by default the same, so that everything is found
  --streams N      live streams (200)
  --seconds S      length of the measurement in seconds, after a warm-up (120)
  --files N        files that are uploaded to the bucket (500)
  --clip S         length of each file in seconds (90)
  --refrain FILE   the refrain program (in the folder of this program)
Needs PostgreSQL, ffmpeg, and moto's server (TEST_MOTO_SERVER is its path if it is not in PATH).";

/// Options of the command line.
#[derive(Debug, Clone)]
pub(crate) struct PlatformOptions {
    pub(crate) music: PathBuf,
    pub(crate) catalog: Option<PathBuf>,
    pub(crate) streams: usize,
    pub(crate) seconds: f64,
    pub(crate) files: usize,
    pub(crate) clip: f64,
    pub(crate) refrain: PathBuf,
}

impl PlatformOptions {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, BenchError> {
        let mut this = Self {
            music: PathBuf::new(),
            catalog: None,
            streams: 200,
            seconds: 120.0,
            files: 500,
            clip: 90.0,
            refrain: std::env::current_exe()?.with_file_name("refrain"),
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match arg.as_str() {
                "--music" => this.music = value()?.into(),
                "--catalogue" => this.catalog = Some(value()?.into()),
                "--streams" => this.streams = value()?.parse()?,
                "--seconds" => this.seconds = value()?.parse()?,
                "--files" => this.files = value()?.parse()?,
                "--clip" => this.clip = value()?.parse()?,
                "--refrain" => this.refrain = value()?.into(),
                _ => return Err(format!("unknown argument {arg}\n{USAGE}").into()),
            }
        }
        if this.music.as_os_str().is_empty() { Err(USAGE.into()) } else { Ok(this) }
    }
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let done = match args.next().as_deref() {
        Some("streams") => PlatformOptions::parse(args).and_then(|options| streams::run(&options)),
        Some("files") => PlatformOptions::parse(args).and_then(|options| files::run(&options)),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("platform: {error}");
            ExitCode::from(2)
        }
    }
}
