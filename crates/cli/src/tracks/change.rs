//! `refrain tracks set` and `refrain tracks remove`.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use refrain_app::metadata::Fields;
use refrain_catalog::{Track, TrackUpdate};

use super::find::find;
use crate::args::{RemoveArgs, SetArgs};
use crate::context::CommandContext;
use crate::exit::CommandOutcome;
use crate::identify::song;
use crate::index::source_name;
use crate::output::{Output, clean, error_chain};
use crate::search::Searcher;
use crate::settings::Settings;

/// Names that `tracks set` refuses, because their values are properties of the audio file.
const READ_ONLY_NAMES: [&str; 6] = ["file", "source", "id", "content", "seconds", "length"];

/// Changes metadata values and the rule of one track.
pub(super) fn set(args: &SetArgs, context: &CommandContext, output: &Output) -> Result<CommandOutcome> {
    let track = find(context, &args.id, false)?;
    // The current values are the start, so that all assignments of the command are stored as one change.
    let mut fields = Fields { metadata: track.metadata.clone(), rule: track.rule.clone() };
    for value in &args.values {
        let (name, value) = value
            .split_once('=')
            .with_context(|| format!("{value:?} is not KEY=VALUE; use KEY= to clear a value"))?;
        if name.trim().is_empty() || READ_ONLY_NAMES.contains(&name.trim().to_ascii_lowercase().as_str()) {
            bail!("{name:?} cannot be set; it is empty or read-only");
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
    let verb = if update == TrackUpdate::default() { "unchanged" } else { "changed" };
    let track = context
        .wait(context.catalog().update(track.id, update))?
        .with_context(|| format!("track {} was removed by another process", track.id))?;
    output.line(&format!("{verb} {} {}", track.id, clean(&song(&track))))?;
    Ok(CommandOutcome::Done)
}

/// Removes tracks. If a track is not found, this is reported, and the others are still removed.
pub(super) fn remove(
    args: &RemoveArgs,
    context: &CommandContext,
    settings: &Settings,
    output: &Output,
) -> Result<CommandOutcome> {
    // Both iterators are lazy: each track is looked up just before it is removed, so an unknown ID does not prevent the
    // others.
    let by_id = args.ids.iter().map(|id| find(context, id, false));
    let by_source = args.source.iter().map(|path| find_source(context, path));
    let (mut done, mut failed) = (0, 0);
    for track in by_id.chain(by_source) {
        match track.and_then(|track| remove_one(context, &track).map(|()| track)) {
            Ok(track) => {
                done += 1;
                output.line(&format!("removed {} {}", track.id, clean(&song(&track))))?;
            }
            Err(error) => {
                failed += 1;
                output.note(&format!("refrain: {}", error_chain(&error)));
            }
        }
    }
    // Opening the index brings it up to date, so that searches no longer find the removed tracks.
    if done > 0 {
        Searcher::open(context, settings, output)?;
    }
    Ok(CommandOutcome::of(done, failed))
}

fn remove_one(context: &CommandContext, track: &Track) -> Result<()> {
    if !context.wait(context.catalog().remove(track.id))? {
        bail!("track {} was removed already", track.id);
    }
    Ok(())
}

/// Finds the track that was indexed from a file. First looks for the absolute path, which is the source of indexed
/// files, then for the path as typed.
fn find_source(context: &CommandContext, path: &Path) -> Result<Track> {
    let typed = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
    let absolute = source_name(path)?;
    for source in absolute.iter().map(String::as_str).chain([typed]) {
        if let Some(track) = context.wait(context.catalog().find_by_source(source))? {
            return Ok(track);
        }
    }
    bail!("no track was indexed from {typed}; `refrain tracks list` shows all tracks")
}
