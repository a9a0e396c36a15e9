//! `refrain tracks …`: lists, shows, changes, exports and imports the tracks of the catalog.

mod change;
mod export;
mod find;
mod format;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod import;
mod list;
mod reindex;
mod row;

use anyhow::Result;

use crate::args::{TracksArgs, TracksCommand};
use crate::exit::Outcome;
use crate::output::Output;
use crate::settings::Settings;
use crate::store::{Missing, Store};

/// Runs the command.
pub(crate) fn run(args: &TracksArgs, settings: &Settings, output: &Output) -> Result<Outcome> {
    let missing = match args.command {
        TracksCommand::Import(_) => Missing::Create,
        _ => Missing::Refuse,
    };
    let store = Store::open(settings, missing)?;
    let outcome = match &args.command {
        TracksCommand::List(args) => list::list(args, &store, output),
        TracksCommand::Show(args) => list::show(args, &store, output),
        TracksCommand::Set(args) => change::set(args, &store, output),
        TracksCommand::Remove(args) => change::remove(args, &store, settings, output),
        TracksCommand::Export(args) => export::export(args, &store, output),
        TracksCommand::Import(args) => import::import(args, &store, settings, output),
        TracksCommand::Reindex(_) => reindex::reindex(&store, settings, output),
    };
    // An error of the cleanup at closing, for example on a full disk, matters only for commands that wrote.
    let closed = store.close();
    let outcome = outcome?;
    match args.command {
        TracksCommand::List(_) | TracksCommand::Show(_) | TracksCommand::Export(_) => {}
        _ => closed?,
    }
    Ok(outcome)
}
