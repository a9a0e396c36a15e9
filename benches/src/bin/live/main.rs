//! Detection of a programme of songs by the fingerprinter and the live matcher, faster than real time: reported airings,
//! delays and processor time. See benches/README.md.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports")]

mod false_events;
mod follow;

use std::path::PathBuf;
use std::process::ExitCode;

use rayon::prelude::*;
use refrain_benches::broadcast::{Broadcast, BroadcastPlan, MusicLibrary, time};
use refrain_benches::music::{BenchError, decode};
use refrain_benches::score::DetectionScore;
use refrain_core::fingerprint::{Density, Fingerprinter};
use refrain_core::index::{Snapshot, TrackNumber};

use follow::{BenchFollower, ProcessorCosts};

const USAGE: &str = "\
live --music DIR [--unknown DIR] [--speech DIR] [--airings N] [--seed N] [--speech-part P] [--speech-db DB] [--hours H]
  --music DIR      index the files below DIR and play excerpts of them
  --unknown DIR    play excerpts of these files between some songs; they must not be in the folder of --music
  --speech DIR     speech that is mixed with songs (synthetic chatter)
  --airings N      songs of the programme (60)
  --seed N         seed of the programme (1)
  --speech-part P  share of the songs with speech (0.2)
  --speech-db DB   level of the music relative to the speech in decibels (-6)
  --hours H        also follow this much unknown music and speech alone, to count false events (0)";

struct LiveBenchOptions {
    music: PathBuf,
    unknown: Option<PathBuf>,
    speech: Option<PathBuf>,
    plan: BroadcastPlan,
    hours: f64,
}

impl LiveBenchOptions {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, BenchError> {
        let (mut music, mut unknown, mut speech, mut plan, mut hours) =
            (None, None, None, BroadcastPlan::default(), 0.0);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match arg.as_str() {
                "--music" => music = Some(value()?.into()),
                "--unknown" => unknown = Some(value()?.into()),
                "--speech" => speech = Some(value()?.into()),
                "--airings" => plan.airings = value()?.parse()?,
                "--seed" => plan.seed = value()?.parse()?,
                "--speech-part" => plan.speech = value()?.parse()?,
                "--speech-db" => plan.speech_db = value()?.parse()?,
                "--hours" => hours = value()?.parse()?,
                _ => return Err(format!("unknown argument {arg}\n{USAGE}").into()),
            }
        }
        Ok(Self { music: music.ok_or(USAGE)?, unknown, speech, plan, hours })
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("live: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), BenchError> {
    let options = LiveBenchOptions::parse(std::env::args().skip(1))?;
    let library = MusicLibrary::open(&options.music, options.unknown.as_ref(), options.speech.as_ref())?;
    let snapshot = index(&library)?;
    let names = |song: usize| name(&library, song);
    if options.plan.airings > 0 {
        let broadcast = Broadcast::draw(&library, &options.plan);
        let (score, costs) = play(&broadcast, &library, &snapshot, &names)?;
        println!("\nprogramme of {:.0} s, seed {}\n{score}\n{costs}", broadcast.seconds(), options.plan.seed);
    }
    if options.hours > 0.0 {
        false_events::measure(&library, &snapshot, options.hours, &names)?;
    }
    Ok(())
}

fn name(library: &MusicLibrary, song: usize) -> String {
    let file = library.songs.get(song).and_then(|(path, _)| path.file_name());
    file.unwrap_or_default().to_string_lossy().into_owned()
}

fn index(library: &MusicLibrary) -> Result<Snapshot, BenchError> {
    let tracks = library.songs.par_iter().enumerate().map(|(n, (path, _))| {
        let mut fingerprinter = Fingerprinter::new(Density::Reference);
        decode(path, |chunk| fingerprinter.push(chunk))?;
        Ok((TrackNumber(n as u32), fingerprinter.finish()))
    });
    let tracks: Vec<_> = tracks.collect::<Result<_, BenchError>>()?;
    let hours = tracks.iter().map(|(_, track)| track.seconds).sum::<f64>() / 3600.0;
    println!("{} songs, {hours:.1} h; {} unknown", tracks.len(), library.unknown_songs.len());
    Ok(Snapshot::from_tracks(&tracks)?)
}

/// Renders a programme and processes it as one stream. Returns the score of the detections and the processor time.
fn play(
    broadcast: &Broadcast,
    library: &MusicLibrary,
    snapshot: &Snapshot,
    names: &dyn Fn(usize) -> String,
) -> Result<(DetectionScore, ProcessorCosts), BenchError> {
    let mut follower = BenchFollower::new(snapshot);
    let mut airings = Vec::new();
    // A few pieces are rendered at a time: all of them would need gigabytes.
    for pieces in broadcast.pieces.chunks(2 * rayon::current_num_threads()) {
        let sounds: Vec<_> = pieces.par_iter().map(|piece| piece.sound(library)).collect::<Result<_, _>>()?;
        for (sound, airing) in sounds {
            airings.extend(airing);
            follower.process(&sound)?;
        }
    }
    let (reported, costs) = follower.finish()?;
    debug_assert!(time(broadcast.length) >= airings.last().map_or(0.0, |airing| airing.end));
    Ok((DetectionScore::of(&airings, &reported, names), costs))
}
