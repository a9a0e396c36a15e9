//! Latency of the `refrain` program, from a song in a live playlist to its file on disk. See benches/README.md.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports")]

mod channel;
mod response_file;
mod watch;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use refrain_benches::broadcast::{Broadcast, BroadcastPlan, MusicLibrary};
use refrain_benches::music::BenchError;
use refrain_benches::score::{DetectionScore, Numbers};
use refrain_testkit::origin::Origin;

use channel::{Encoded, MonitoredChannel};

const USAGE: &str = "\
latency --music DIR [--refrain FILE] [--catalog FILE] [--unknown DIR] [--speech DIR] [--speech-part P]
        [--streams N] [--airings N] [--seed N] [--parts N]
  --music DIR      index the files below DIR and play excerpts of them
  --refrain FILE   the refrain program (in the folder of this program)
  --catalog FILE   a catalog that contains the music; by default a temporary one is created
  --unknown DIR    play excerpts of these files between some songs; they must not be in the folder of --music
  --speech DIR     speech that is mixed with songs (synthetic chatter)
  --speech-part P  share of the songs with speech, which is 6 dB louder (0)
  --streams N      simultaneous live streams, each with a separate process and programme (20)
  --airings N      songs per stream (3)
  --seed N         seed of the programmes (1)
  --parts N        Low-Latency HLS with this many parts per segment (0: none)";

/// Pause between the starts of two streams, so that they do not poll at the same times.
const STAGGER: Duration = Duration::from_millis(730);

struct LatencyOptions {
    music: PathBuf,
    refrain: PathBuf,
    catalog: Option<PathBuf>,
    unknown: Option<PathBuf>,
    speech: Option<PathBuf>,
    streams: u64,
    parts: usize,
    plan: BroadcastPlan,
}

impl LatencyOptions {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, BenchError> {
        let refrain = std::env::current_exe()?.with_file_name("refrain");
        let plan = BroadcastPlan { airings: 3, speech: 0.0, ..BroadcastPlan::default() };
        let (mut music, mut refrain, mut streams, mut plan) = (None, refrain, 20, plan);
        let (mut catalog, mut unknown, mut speech, mut parts) = (None, None, None, 0);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match arg.as_str() {
                "--music" => music = Some(value()?.into()),
                "--refrain" => refrain = value()?.into(),
                "--catalog" => catalog = Some(value()?.into()),
                "--unknown" => unknown = Some(value()?.into()),
                "--speech" => speech = Some(value()?.into()),
                "--speech-part" => plan.speech = value()?.parse()?,
                "--streams" => streams = value()?.parse()?,
                "--airings" => plan.airings = value()?.parse()?,
                "--parts" => parts = value()?.parse()?,
                "--seed" => plan.seed = value()?.parse()?,
                _ => return Err(format!("unknown argument {arg}\n{USAGE}").into()),
            }
        }
        Ok(Self { music: music.ok_or(USAGE)?, refrain, catalog, unknown, speech, streams, parts, plan })
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("latency: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), BenchError> {
    let options = LatencyOptions::parse(std::env::args().skip(1))?;
    let work = tempfile::tempdir()?;
    let catalog = match &options.catalog {
        Some(file) => file.clone(),
        None => index(&options, work.path())?,
    };
    let library = MusicLibrary::open(&options.music, options.unknown.as_ref(), options.speech.as_ref())?;
    let mut encoded = Vec::new();
    for n in 0..options.streams {
        let plan = BroadcastPlan { seed: options.plan.seed * 1000 + n, ..options.plan.clone() };
        encoded.push(Encoded::new(&Broadcast::draw(&library, &plan), &library, work.path())?);
    }
    let longest = encoded.iter().map(|broadcast| broadcast.seconds).fold(0.0, f64::max);
    println!("{} streams, the longest {longest:.0} s", encoded.len());

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let origin = runtime.block_on(Origin::start())?;
    let mut channels = Vec::new();
    for (n, broadcast) in encoded.into_iter().enumerate() {
        let folder = work.path().join(format!("out{n}"));
        std::fs::create_dir(&folder)?;
        let program = (options.refrain.as_path(), catalog.as_path());
        channels.push(MonitoredChannel::start(n, broadcast, &origin, options.parts, program, folder)?);
        watch::wait(&mut channels, STAGGER)?;
    }
    while !channels.iter_mut().all(MonitoredChannel::is_over) {
        watch::wait(&mut channels, watch::STEP)?;
    }
    report(&channels, &library);
    // With parts, few whole segments are requested, so that the delays cannot be divided.
    if options.parts == 0 {
        report_terms(&channels, &origin);
    }
    Ok(())
}

/// Indexes the music with the `refrain` program. Returns the path of the catalog.
fn index(options: &LatencyOptions, folder: &Path) -> Result<PathBuf, BenchError> {
    let file = folder.join("catalogue.db");
    let status = Command::new(&options.refrain)
        .arg("--catalog")
        .arg(format!("sqlite:{}", file.display()))
        .arg("index")
        .arg(&options.music)
        .status()
        .map_err(|error| format!("{}: {error}", options.refrain.display()))?;
    if status.success() { Ok(file) } else { Err(format!("indexing ended with {status}").into()) }
}

fn report(channels: &[MonitoredChannel], library: &MusicLibrary) {
    let name = |song: usize| {
        let file = library.songs.get(song).and_then(|(path, _)| path.file_name());
        file.unwrap_or_default().to_string_lossy().into_owned()
    };
    let mut score = DetectionScore::default();
    for channel in channels {
        score.add(&channel.score(&name));
        if let Some(failure) = channel.failure() {
            println!("stream {}: {failure}", channel.number);
        }
    }
    println!("\n{score}");
    println!(
        "\"start reported after\" counts from when the playlist contained the segment with the first second of a song"
    );
}

/// Prints the parts of the delays of all channels ([`MonitoredChannel::latency_parts`]).
fn report_terms(channels: &[MonitoredChannel], origin: &Origin) {
    let (request, mut latency_parts) = (origin.requests(), [(); 3].map(|()| Numbers::default()));
    for term in channels.iter().flat_map(|channel| channel.latency_parts(&request)) {
        latency_parts.iter_mut().zip(term).for_each(|(numbers, seconds)| numbers.push(seconds));
    }
    println!("It is the sum of");
    let names = ["media needed after that", "segment in the playlist → requested", "requested → file"];
    for (name, numbers) in names.iter().zip(&latency_parts) {
        println!("  {name:<36} {numbers}");
    }
}
