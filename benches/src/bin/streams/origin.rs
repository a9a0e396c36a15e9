//! The process that serves the streams. All streams play the same programme from different positions.

use std::io::Read;
use std::time::{SystemTime, UNIX_EPOCH};

use refrain_benches::broadcast::{Broadcast, BroadcastPlan, MusicLibrary};
use refrain_benches::music::BenchError;
use refrain_core::audio::SAMPLE_RATE;
use refrain_testkit::origin::{Clip, LiveOptions, LiveStream, Origin, SegmentContainer, encode};
use refrain_testkit::write_wav;

use super::StreamsOptions;

/// Number of songs in the programme.
const AIRINGS: usize = 24;
/// Length of a segment in seconds.
const SEGMENT: f64 = 2.0;
/// Target duration that packagers declare for segments of 2 s, although whole frames make them slightly longer.
const TARGET: &str = "2";
/// Number of segments in a playlist, as in IVS.
const WINDOW: usize = 14;
/// Share of the songs with unknown music before them.
const UNKNOWN: f64 = 0.2;

/// Number of segments in the sample for measuring the stages of decoding.
const SAMPLED: usize = 30;
/// Name of the sample's file, which is in the folder of the index.
pub(crate) const SAMPLE: &str = "sample.ts";

/// Serves the streams until standard input ends. Prints the URL, and the number of songs and the seconds of the programme.
pub(crate) fn run(options: &StreamsOptions) -> Result<(), BenchError> {
    let library = MusicLibrary::open(&options.music, options.unknown.as_ref(), None)?;
    let plan = BroadcastPlan { airings: AIRINGS, speech: 0.0, unknown: UNKNOWN, ..BroadcastPlan::default() };
    let broadcast = Broadcast::draw(&library, &plan);
    let clips = segments(&broadcast, &library)?;
    if let Some(folder) = &options.dir {
        let some = clips.iter().take(SAMPLED).flat_map(|clip| clip.bytes.iter().copied());
        std::fs::write(folder.join(SAMPLE), some.collect::<Vec<u8>>())?;
    }
    let seconds: f64 = clips.iter().map(|clip| clip.seconds).sum();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let origin = runtime.block_on(Origin::start())?;
    let clips: std::sync::Arc<[Clip]> = clips.into();
    if let Some(length) = options.vod {
        let published_segments = (length / SEGMENT).round() as u64;
        let recorded = LiveOptions { window: 0, kind: Some("VOD"), end: true, ..LiveOptions::default() };
        origin.live("/0", &LiveStream::manual(clips, published_segments, recorded));
    } else {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
        for n in 0..options.streams {
            // The fraction distributes the times at which the streams publish segments.
            let head = 3.0 * SEGMENT + seconds * n as f64 / options.streams as f64;
            let (epoch, target) = (now - head, Some(TARGET.to_owned()));
            let live = LiveOptions { window: WINDOW, epoch, target, ..LiveOptions::default() };
            origin.live(&format!("/{n}"), &LiveStream::real_time(clips.clone(), head, live));
        }
    }
    println!("{} {AIRINGS} {seconds}", origin.url(""));
    // Runs until standard input ends, because the parent process has exited, or until the parent kills this process.
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn segments(broadcast: &Broadcast, library: &MusicLibrary) -> Result<Vec<Clip>, BenchError> {
    let folder = tempfile::tempdir()?;
    let mut samples = Vec::with_capacity(broadcast.length);
    for piece in &broadcast.pieces {
        samples.extend(piece.sound(library)?.0);
    }
    let file = folder.path().join("programme.wav");
    write_wav(&file, &samples, SAMPLE_RATE)?;
    Ok(encode(&file, SegmentContainer::Ts, SEGMENT)?.clips)
}
