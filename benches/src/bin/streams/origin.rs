//! The process that serves the streams: one programme, shared by all, each at another place of it.

use std::io::Read;
use std::time::{SystemTime, UNIX_EPOCH};

use refrain_benches::music::Failure;
use refrain_benches::programme::{Plan, Programme, Shelf};
use refrain_core::audio::SAMPLE_RATE;
use refrain_testkit::origin::{Clip, Container, LiveOptions, LiveStream, Origin, encode};
use refrain_testkit::write_wav;

use super::Options;

/// Songs of the programme.
const AIRINGS: usize = 24;
/// Length of a segment, seconds.
const SEGMENT: f64 = 2.0;
/// What packagers call segments of 2 s, though frames make them a little longer.
const TARGET: &str = "2";
/// Segments in a playlist, as IVS has them.
const WINDOW: usize = 14;
/// Part of the songs that an unknown stretch precedes.
const UNKNOWN: f64 = 0.2;

/// Segments of the sample that stages are measured on, and its name beside the index.
const SAMPLED: usize = 30;
pub(crate) const SAMPLE: &str = "sample.ts";

/// Serves until standard input ends. Prints the address, the songs and the seconds of the programme.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let shelf = Shelf::open(&options.music, options.unknown.as_ref(), None)?;
    let plan = Plan { airings: AIRINGS, speech: 0.0, unknown: UNKNOWN, ..Plan::default() };
    let programme = Programme::draw(&shelf, &plan);
    let clips = segments(&programme, &shelf)?;
    if let Some(folder) = &options.dir {
        let some = clips.iter().take(SAMPLED).flat_map(|clip| clip.bytes.iter().copied());
        std::fs::write(folder.join(SAMPLE), some.collect::<Vec<u8>>())?;
    }
    let seconds: f64 = clips.iter().map(|clip| clip.seconds).sum();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let origin = runtime.block_on(Origin::start())?;
    let clips: std::sync::Arc<[Clip]> = clips.into();
    if let Some(length) = options.vod {
        let told = (length / SEGMENT).round() as u64;
        let recorded = LiveOptions { window: 0, kind: Some("VOD"), end: true, ..LiveOptions::default() };
        origin.live("/0", &LiveStream::manual(clips, told, recorded));
    } else {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
        for n in 0..options.streams {
            // The fraction spreads the moments at which segments come.
            let head = 3.0 * SEGMENT + seconds * n as f64 / options.streams as f64;
            let (epoch, target) = (now - head, Some(TARGET.to_owned()));
            let live = LiveOptions { window: WINDOW, epoch, target, ..LiveOptions::default() };
            origin.live(&format!("/{n}"), &LiveStream::real_time(clips.clone(), head, live));
        }
    }
    println!("{} {AIRINGS} {seconds}", origin.url(""));
    // Whoever started this ends it.
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn segments(programme: &Programme, shelf: &Shelf) -> Result<Vec<Clip>, Failure> {
    let folder = tempfile::tempdir()?;
    let mut samples = Vec::with_capacity(programme.length);
    for piece in &programme.pieces {
        samples.extend(piece.sound(shelf)?.0);
    }
    let file = folder.path().join("programme.wav");
    write_wav(&file, &samples, SAMPLE_RATE)?;
    Ok(encode(&file, Container::Ts, SEGMENT)?.clips)
}
