//! `refrain tracks reindex`.

use anyhow::Result;

use crate::exit::Outcome;
use crate::output::Output;
use crate::search::Searcher;
use crate::settings::Settings;
use crate::store::Store;

/// Discards the search index and rebuilds it from the catalog.
pub(super) fn reindex(store: &Store, settings: &Settings, output: &Output) -> Result<Outcome> {
    let searcher = Searcher::rebuilt(store, settings, output)?;
    for note in searcher.news().notes {
        output.note(&format!("refrain: {note}"));
    }
    output.line(&format!("{} tracks are searchable", searcher.tracks()))?;
    Ok(Outcome::Done)
}
