//! Command-line arguments as clap parses them, before the settings are checked.

mod doctor;
mod identify;
mod index;
mod monitor;
mod outbox;
mod plot;
mod prune;
mod serve;
mod streams;
mod tracks;

pub(crate) use doctor::DoctorArgs;
pub(crate) use identify::{EffortArg, IdentifyArgs};
pub(crate) use index::IndexArgs;
pub(crate) use monitor::{EventArg, IdentifyStreamArgs, MonitorArgs};
pub(crate) use outbox::{DropArgs, ListOutboxArgs, OutboxArgs, OutboxCommand, RetryArgs};
pub(crate) use plot::PlotArgs;
pub(crate) use prune::PruneArgs;
pub(crate) use serve::{HealthcheckArgs, ServeArgs};
pub(crate) use streams::{AddStreamArgs, ListStreamsArgs, StopStreamArgs, StreamsArgs, StreamsCommand};
pub(crate) use tracks::{
    ExportArgs, ImportArgs, ListArgs, RemoveArgs, SetArgs, ShowArgs, TracksArgs, TracksCommand,
};

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

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
  refrain doctor                         check the installation

Settings are taken from these sources, the first one wins: flags; environment
variables (REFRAIN_CATALOG, REFRAIN_CACHE_DIR, REFRAIN_SEARCH, REFRAIN_JOBS,
REFRAIN_FALSE_POSITIVE_RATE, REFRAIN_EFFORT, REFRAIN_SPEED_RANGE,
REFRAIN_TEMPO_RANGE, REFRAIN_PITCH_RANGE, REFRAIN_RULE, REFRAIN_CONFIG); the
TOML file (keys catalog, cache_dir, search, jobs, false_positive_rate, effort,
speed_range, tempo_range, pitch_range, rule); DATABASE_URL (catalog only);
defaults. Unknown keys are errors.
The table [database] of the file, or REFRAIN_DATABASE_MAX_CONNECTIONS and so on,
configure the database connections: max_connections, acquire_timeout_seconds,
statement_timeout_seconds (0: no timeout) and retry_seconds (time for which
refrain retries to reach an unavailable server). docs/service.toml lists every
key of the service with its environment variable.

Exit status: 0 done (identify, plot: a match), 1 no match, 2 error, 3 part of the
work failed.";

/// Index songs, then find them in files and live streams
#[derive(Debug, Parser)]
#[command(name = "refrain", version, after_help = EXAMPLES, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of all commands.
#[derive(Debug, Default, Args)]
pub(crate) struct GlobalArgs {
    /// Use this catalog: sqlite:PATH or postgres://USER@HOST/DATABASE. Default: $DATABASE_URL if it has one of these
    /// forms, else refrain/catalog.db in the user's data folder ($XDG_DATA_HOME, else ~/.local/share)
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) catalog: Option<CatalogUrl>,
    /// Keep index caches in this folder. They can be deleted at any time. Default: the folder of the catalog file; for a
    /// catalog in PostgreSQL, refrain/ in the user's cache folder ($XDG_CACHE_HOME, else ~/.cache)
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// Use this search index: local (files on this machine, the fastest) or database (rows in the catalog's PostgreSQL,
    /// without local files, for short tasks and for catalogs that are too large for one machine). Default: local
    #[arg(long, global = true, value_name = "INDEX", hide_possible_values = true)]
    pub(crate) search: Option<SearchBackend>,
    /// Read settings from this TOML file. Default: refrain/config.toml in the user's configuration folder
    /// ($XDG_CONFIG_HOME, else ~/.config), if it exists
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

// The help text of each command is at its arguments type. A doc comment on a variant would override the long help there.
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
    /// Process up to N files in parallel, 1 to 1024. Default: one per core
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
}
