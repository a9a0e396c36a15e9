//! False events of streams without songs of the catalog.

use std::path::Path;

use rayon::prelude::*;
use refrain_benches::broadcast::MusicLibrary;
use refrain_benches::music::{BenchError, decode};
use refrain_benches::score::ReportedAiring;
use refrain_core::audio::SAMPLE_RATE;
use refrain_core::index::Snapshot;

use super::follow::{BenchFollower, ProcessorCosts};

/// Length of a stream of speech in seconds.
const SPEECH_SECONDS: f64 = 600.0;

/// Follows every unknown file as a stream, then streams of speech until the total length is `hours`, and prints the
/// false events.
pub(crate) fn measure(
    library: &MusicLibrary,
    snapshot: &Snapshot,
    hours: f64,
    names: &(dyn Fn(usize) -> String + Sync),
) -> Result<(), BenchError> {
    let music: f64 = library.unknown_songs.iter().map(|(_, seconds)| seconds).sum();
    let talks = ((3600.0 * hours - music) / SPEECH_SECONDS).ceil().max(0.0) as u64;
    println!(
        "\nnot in the catalog: {:.2} h of music, {:.2} h of speech",
        music / 3600.0,
        talks as f64 * SPEECH_SECONDS / 3600.0
    );
    let unknown_songs = library.unknown_songs.par_iter().map(|(path, _)| file(path, snapshot));
    let speech = (0..talks).into_par_iter().map(|seed| {
        let sound = library.speech_samples((SPEECH_SECONDS * f64::from(SAMPLE_RATE)) as usize, seed)?;
        let mut follower = BenchFollower::new(snapshot);
        follower.process(&sound)?;
        let (reported, costs) = follower.finish()?;
        Ok((format!("speech {seed}"), reported, costs))
    });
    let streams: Vec<_> = unknown_songs.chain(speech).collect::<Result<_, BenchError>>()?;
    let (mut false_events, mut costs) = (0, ProcessorCosts::default());
    for (name, reported, cost) in &streams {
        false_events += reported.len();
        costs.add(cost);
        for one in reported {
            let (song, (from, to)) = (one.song.map(names).unwrap_or_default(), one.span);
            println!("  {name}: {song} {from:.1} to {to:.1}, reported at {:.1}", one.reported_at);
        }
    }
    println!("false events: {false_events}\n{costs}");
    Ok(())
}

/// Follows a file as a stream. Returns its name, the reported airings and the processor time.
fn file(
    path: &Path,
    snapshot: &Snapshot,
) -> Result<(String, Vec<ReportedAiring>, ProcessorCosts), BenchError> {
    let mut follower = BenchFollower::new(snapshot);
    let mut result = Ok(());
    decode(path, |chunk| {
        if result.is_ok() {
            result = follower.process(chunk);
        }
    })?;
    result?;
    let (reported, costs) = follower.finish()?;
    Ok((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), reported, costs))
}
