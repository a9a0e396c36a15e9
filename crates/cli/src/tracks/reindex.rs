//! `refrain tracks reindex`: rebuilds the search index.

use anyhow::Result;

use crate::context::CommandContext;
use crate::exit::CommandOutcome;
use crate::output::Output;
use crate::search::Searcher;
use crate::settings::Settings;

/// Deletes the search index and rebuilds it from the catalog.
pub(super) fn reindex(
    context: &CommandContext,
    settings: &Settings,
    output: &Output,
) -> Result<CommandOutcome> {
    let searcher = Searcher::open_rebuilt(context, settings, output)?;
    for note in searcher.index_changes().notes {
        output.note(&format!("refrain: {note}"));
    }
    output.line(&format!("{} tracks are searchable", searcher.tracks()))?;
    Ok(CommandOutcome::Done)
}
