//! `refrain tracks …`: lists, shows, changes, exports and imports the tracks of the catalog.

mod change;
mod export;
mod find;
mod format;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod import;
mod lines;
mod list;
mod reindex;
mod row;

use anyhow::Result;

use crate::args::{TracksArgs, TracksCommand};
use crate::context::{CommandContext, Missing};
use crate::exit::CommandOutcome;
use crate::output::Output;
use crate::settings::Settings;

/// Runs `refrain tracks`.
pub(crate) fn run(args: &TracksArgs, settings: &Settings, output: &Output) -> Result<CommandOutcome> {
    let missing = match args.command {
        TracksCommand::Import(_) => Missing::Create,
        _ => Missing::Refuse,
    };
    let context = CommandContext::open(settings, missing)?;
    let outcome = match &args.command {
        TracksCommand::List(args) => list::list(args, &context, output),
        TracksCommand::Show(args) => list::show(args, &context, output),
        TracksCommand::Set(args) => change::set(args, &context, output),
        TracksCommand::Remove(args) => change::remove(args, &context, settings, output),
        TracksCommand::Export(args) => export::export(args, &context, output),
        TracksCommand::Import(args) => import::import(args, &context, settings, output),
        TracksCommand::Reindex(_) => reindex::reindex(&context, settings, output),
    };
    // An error of closing the catalog, for example on a full disk, matters only for commands that changed the catalog.
    let closed = context.close();
    let outcome = outcome?;
    match args.command {
        TracksCommand::List(_) | TracksCommand::Show(_) | TracksCommand::Export(_) => {}
        _ => closed?,
    }
    Ok(outcome)
}
