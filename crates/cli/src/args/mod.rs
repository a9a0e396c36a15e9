//! Command-line arguments as clap parses them, before the settings are checked.

mod doctor;
mod flags;
mod generate;
mod headings;
mod identify;
mod index;
mod monitor;
mod outbox;
mod plot;
mod prune;
mod request_headers;
mod serve;
mod streams;
mod tracks;

pub(crate) use doctor::DoctorArgs;
pub(crate) use generate::{CompletionsArgs, ManArgs};
pub(crate) use identify::IdentifyArgs;
pub(crate) use index::IndexArgs;
pub(crate) use monitor::{EventArg, IdentifyStreamArgs, MonitorArgs};
pub(crate) use outbox::{DropArgs, ListOutboxArgs, OutboxArgs, OutboxCommand, RetryArgs};
pub(crate) use plot::PlotArgs;
pub(crate) use prune::PruneArgs;
pub(crate) use request_headers::HeaderArgs;
pub(crate) use serve::{HealthcheckArgs, ServeArgs};
pub(crate) use streams::{AddStreamArgs, ListStreamsArgs, StopStreamArgs, StreamsArgs, StreamsCommand};
pub(crate) use tracks::{
    ExportArgs, ImportArgs, ListArgs, RemoveArgs, SetArgs, ShowArgs, TracksArgs, TracksCommand,
};

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::settings::keys::{help, long_help, plain_keys, plain_variables, table, wrap};
use crate::settings::{CatalogUrl, SearchBackend};

const EXAMPLES: &str = "\
Examples:
  refrain demo                           run a demonstration, no input needed
  refrain index Music/                   index all songs in a folder
  refrain identify clip.mp3              find the songs in a file
  refrain identify --json *.wav          write one JSON line per file
  refrain monitor URL --id ID --out DIR  report the songs of a live stream
  refrain plot clip.mp3                  draw why a file matched or did not
  refrain tracks list --text queen       list tracks of the catalog
  refrain --config service.toml serve    run the service
  refrain streams list                   list the streams of the service
  refrain doctor                         check the installation";

/// Maximum number of characters in a line of the text that `--help` prints after the options.
const WIDTH: usize = 80;

/// Returns the text that `--help` prints after the options: examples, and the names of all settings.
fn after_help() -> String {
    let plain: Vec<_> = plain_keys().iter().map(|key| key.name).collect();
    let database: Vec<_> =
        table("database").iter().flat_map(|table| table.keys).map(|key| key.name).collect();
    let sources = format!(
        "Settings are taken from these sources, the first one wins: flags; environment variables ({}); the TOML file \
         (keys {}); DATABASE_URL (catalog only); defaults. Unknown keys are errors.",
        plain_variables().join(", "),
        plain.join(", "),
    );
    let tables = format!(
        "The table [database] of the file, or REFRAIN_DATABASE_MAX_CONNECTIONS and so on, configure the database \
         connections: {}. docs/service.toml describes every key with its environment variable.",
        database.join(", "),
    );
    let (sources, tables) = (wrap(&sources, WIDTH, "", ""), wrap(&tables, WIDTH, "", ""));
    format!("{EXAMPLES}\n\n{sources}\n{tables}\n\n{EXIT_STATUS}")
}

const EXIT_STATUS: &str = "\
Exit status: 0 done (identify, plot: a match), 1 no match, 2 error, 3 part of the
work failed.";

/// Index songs, then find them in files and live streams
#[derive(Debug, Parser)]
#[command(name = "refrain", version, after_help = after_help(), max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of all commands.
#[derive(Debug, Default, Args)]
pub(crate) struct GlobalArgs {
    #[arg(long, global = true, value_name = "URL", help_heading = headings::SETTINGS, help = help("catalog"), long_help = long_help("catalog"))]
    pub(crate) catalog: Option<CatalogUrl>,
    #[arg(long, global = true, value_name = "DIR", help_heading = headings::SETTINGS, help = help("cache_dir"), long_help = long_help("cache_dir"))]
    pub(crate) cache_dir: Option<PathBuf>,
    #[arg(long, global = true, value_name = "INDEX", hide_possible_values = true, help_heading = headings::SETTINGS, help = help("search"), long_help = long_help("search"))]
    pub(crate) search: Option<SearchBackend>,
    /// Read settings from this TOML file
    ///
    /// Default: refrain/config.toml in the user's configuration folder ($XDG_CONFIG_HOME, else ~/.config), if it exists.
    #[arg(long, global = true, value_name = "FILE", help_heading = headings::SETTINGS)]
    pub(crate) config: Option<PathBuf>,
}

// The help text of each command is the doc comment of its arguments type. A doc comment on a variant would replace the
// long help there.
/// The commands of `refrain`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Index(IndexArgs),
    #[command(visible_alias = "check")]
    Identify(IdentifyArgs),
    Monitor(MonitorArgs),
    Outbox(OutboxArgs),
    Plot(PlotArgs),
    Tracks(TracksArgs),
    Serve(ServeArgs),
    Streams(StreamsArgs),
    Healthcheck(HealthcheckArgs),
    Prune(PruneArgs),
    Doctor(DoctorArgs),
    Demo(DemoArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// Index the bundled songs, identify distorted clips and a mix of them, and show the results
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  refrain demo

The demonstration uses a temporary folder, which is removed at the end.
Exit status: 0 if every song was found at the right time, else 2.")]
pub(crate) struct DemoArgs {
    #[command(flatten)]
    pub(crate) jobs: JobsArg,
}

/// The flag `--jobs` of the commands that process several files in parallel.
#[derive(Debug, Default, Args)]
pub(crate) struct JobsArg {
    #[arg(long, value_name = "N", help_heading = headings::PERFORMANCE, help = help("jobs"), long_help = long_help("jobs"))]
    pub(crate) jobs: Option<NonZeroUsize>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// Maximum length of a short help text in characters. Together with its flag, such a text fits into two lines of a
    /// terminal.
    const MAX_SHORT_CHARS: usize = 110;

    fn check(command: &clap::Command) {
        for arg in command.get_arguments() {
            let name = format!("{}: {}", command.get_name(), arg.get_id());
            let short = arg.get_help().map(ToString::to_string).unwrap_or_default();
            assert!((1..=MAX_SHORT_CHARS).contains(&short.chars().count()), "{name}: {short}");
            // A short help text is one sentence. Further sentences belong in the long help text.
            assert!(!short.replace(". Default: ", "").contains(". "), "{name}: {short}");
            assert!(arg.is_positional() || arg.get_help_heading().is_some(), "{name} has no heading");
        }
        command.get_subcommands().for_each(check);
    }

    #[test]
    fn flags_have_a_short_text_and_a_heading() {
        check(&Cli::command());
        check(&IdentifyStreamArgs::command());
    }
}
