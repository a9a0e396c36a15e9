//! `refrain tracks set` and `remove`.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use refrain_app::metadata::Fields;
use refrain_catalog::{Track, TrackUpdate};

use super::find::find;
use crate::args::{RemoveArgs, SetArgs};
use crate::exit::Outcome;
use crate::identify::song;
use crate::index::source_name;
use crate::output::{Output, clean, reason};
use crate::search::Searcher;
use crate::settings::Settings;
use crate::store::Store;

/// Names that cannot be set, because they are properties of the file.
const FIXED: [&str; 6] = ["file", "source", "id", "content", "seconds", "length"];

/// Changes values of one track.
pub(super) fn set(args: &SetArgs, store: &Store, output: &Output) -> Result<Outcome> {
    let track = find(store, &args.id, false)?;
    let mut fields = Fields { metadata: track.metadata.clone(), rule: track.rule.clone() };
    for value in &args.values {
        let (name, value) = value
            .split_once('=')
            .with_context(|| format!("{value:?} is not KEY=VALUE; use KEY= to clear a value"))?;
        if name.trim().is_empty() || FIXED.contains(&name.trim().to_ascii_lowercase().as_str()) {
            bail!("{name:?} cannot be set");
        }
        if value.trim().is_empty() {
            fields.clear(name);
        } else {
            fields.set(name, value).map_err(|error| anyhow!(error))?;
        }
    }
    let update = TrackUpdate {
        metadata: (fields.metadata != track.metadata).then_some(fields.metadata),
        rule: (fields.rule != track.rule).then_some(fields.rule),
    };
    let said = if update == TrackUpdate::default() { "unchanged" } else { "changed" };
    let track = store
        .wait(store.catalog().update(track.id, update))?
        .with_context(|| format!("track {} was removed by another process", track.id))?;
    output.line(&format!("{said} {} {}", track.id, clean(&song(&track))))?;
    Ok(Outcome::Done)
}

/// Removes tracks. A track that is not found is reported and does not prevent the removal of the others.
pub(super) fn remove(
    args: &RemoveArgs,
    store: &Store,
    settings: &Settings,
    output: &Output,
) -> Result<Outcome> {
    let by_id = args.ids.iter().map(|id| find(store, id, false));
    let by_source = args.source.iter().map(|path| find_source(store, path));
    let (mut done, mut failed) = (0, 0);
    for track in by_id.chain(by_source) {
        match track.and_then(|track| remove_one(store, &track).map(|()| track)) {
            Ok(track) => {
                done += 1;
                output.line(&format!("removed {} {}", track.id, clean(&song(&track))))?;
            }
            Err(error) => {
                failed += 1;
                output.note(&format!("refrain: {}", reason(&error)));
            }
        }
    }
    if done > 0 {
        Searcher::open(store, settings, output)?;
    }
    Ok(Outcome::of(done, failed))
}

fn remove_one(store: &Store, track: &Track) -> Result<()> {
    if !store.wait(store.catalog().remove(track.id))? {
        bail!("track {} was removed already", track.id);
    }
    Ok(())
}

/// Finds the track of a file by its absolute path, which is the source of indexed files, or by the path as typed.
fn find_source(store: &Store, path: &Path) -> Result<Track> {
    let typed = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
    let absolute = source_name(path)?;
    for source in absolute.iter().map(String::as_str).chain([typed]) {
        if let Some(track) = store.wait(store.catalog().find_by_source(source))? {
            return Ok(track);
        }
    }
    bail!("no track was indexed from {typed}")
}
