//! False events of streams without songs of the catalog.

use std::path::Path;

use rayon::prelude::*;
use refrain_benches::music::{Failure, decode};
use refrain_benches::programme::Shelf;
use refrain_benches::score::Heard;
use refrain_core::audio::SAMPLE_RATE;
use refrain_core::index::Snapshot;

use super::follow::{Costs, Follower};

/// Length of a stream of speech in seconds.
const SPEECH: f64 = 600.0;

/// Follows every unknown file as a stream, and streams of speech until `hours` are reached, and prints the false events.
pub(crate) fn listen(
    shelf: &Shelf,
    snapshot: &Snapshot,
    hours: f64,
    names: &(dyn Fn(usize) -> String + Sync),
) -> Result<(), Failure> {
    let music: f64 = shelf.strangers.iter().map(|(_, seconds)| seconds).sum();
    let talks = ((3600.0 * hours - music) / SPEECH).ceil().max(0.0) as u64;
    println!(
        "\nnot in the catalog: {:.2} h of music, {:.2} h of speech",
        music / 3600.0,
        talks as f64 * SPEECH / 3600.0
    );
    let strangers = shelf.strangers.par_iter().map(|(path, _)| file(path, snapshot));
    let speech = (0..talks).into_par_iter().map(|seed| {
        let sound = shelf.talk((SPEECH * f64::from(SAMPLE_RATE)) as usize, seed)?;
        let mut follower = Follower::new(snapshot);
        follower.hear(&sound)?;
        let (heard, costs) = follower.finish()?;
        Ok((format!("speech {seed}"), heard, costs))
    });
    let streams: Vec<_> = strangers.chain(speech).collect::<Result<_, Failure>>()?;
    let (mut told, mut costs) = (0, Costs::default());
    for (name, heard, cost) in &streams {
        told += heard.len();
        costs.add(cost);
        for one in heard {
            let (song, (from, to)) = (one.song.map(names).unwrap_or_default(), one.stretch);
            println!("  {name}: {song} {from:.1} to {to:.1}, reported at {:.1}", one.told);
        }
    }
    println!("false events: {told}\n{costs}");
    Ok(())
}

/// Follows a file as a stream.
fn file(path: &Path, snapshot: &Snapshot) -> Result<(String, Vec<Heard>, Costs), Failure> {
    let mut follower = Follower::new(snapshot);
    let mut result = Ok(());
    decode(path, |chunk| {
        if result.is_ok() {
            result = follower.hear(chunk);
        }
    })?;
    result?;
    let (heard, costs) = follower.finish()?;
    Ok((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), heard, costs))
}
