//! The command line as typed: what clap reads, before settings are checked.

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

use crate::settings::{CatalogUrl, SearchHome};

const EXAMPLES: &str = "\
Examples:
  refrain demo                           see it work, nothing to prepare
  refrain index Music/                   learn every song in a folder
  refrain identify clip.mp3              what song is this?
  refrain identify --json *.wav          one JSON line per file
  refrain monitor URL --id ID --out DIR  every song of a live stream
  refrain plot clip.mp3                  pictures of why it matched, or not
  refrain tracks list --text queen       what the catalogue knows
  refrain --config service.toml serve    all of it as a service
  refrain streams list                   what the service follows
  refrain doctor                         what is wrong, and what to do

Settings come from flags, else from the environment (REFRAIN_CATALOG,
REFRAIN_CACHE_DIR, REFRAIN_SEARCH, REFRAIN_JOBS, REFRAIN_FALSE_POSITIVE_RATE,
REFRAIN_EFFORT, REFRAIN_SPEED_RANGE, REFRAIN_TEMPO_RANGE, REFRAIN_PITCH_RANGE,
REFRAIN_RULE, REFRAIN_CONFIG), else from the TOML file (keys catalog, cache_dir,
search, jobs, false_positive_rate, effort, speed_range, tempo_range, pitch_range,
rule), else from DATABASE_URL (the catalogue), else from defaults. Unknown keys are refused.
How a database is used is said in the table [database] of the file, or in
REFRAIN_DATABASE_MAX_CONNECTIONS and so on: max_connections,
acquire_timeout_seconds, statement_timeout_seconds (0: none) and retry_seconds,
for which a server that is away is waited for. docs/service.toml has every key
of the service, with its variable.

Exit status: 0 done (identify, plot: a match), 1 no match, 2 error, 3 part of the
work failed.";

/// Learns songs, then finds them again in files and live streams
#[derive(Debug, Parser)]
#[command(name = "refrain", version, after_help = EXAMPLES, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that every command takes.
#[derive(Debug, Default, Args)]
pub(crate) struct GlobalArgs {
    /// The catalogue: sqlite:PATH or postgres://USER@HOST/DATABASE. Default: $DATABASE_URL, if it is one of
    /// these, else refrain/catalog.db in the user's data folder ($XDG_DATA_HOME, else ~/.local/share)
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) catalog: Option<CatalogUrl>,
    /// Folder for index caches, which may be deleted at any time. Default: beside the catalogue's file;
    /// for a database refrain/ in the user's cache folder ($XDG_CACHE_HOME, else ~/.cache)
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// Where the search index is: local (files of this machine, the fastest) or database (rows in the catalogue's
    /// PostgreSQL; nothing is kept here, for short tasks and for catalogues that outgrow a machine). Default: local
    #[arg(long, global = true, value_name = "HOME", hide_possible_values = true)]
    pub(crate) search: Option<SearchHome>,
    /// Settings file (TOML). Default: refrain/config.toml in the user's configuration folder
    /// ($XDG_CONFIG_HOME, else ~/.config), if it is there
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

// Each command's help stands with its arguments; a comment for it here would win over the long form there.
/// What to do.
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

/// Index bundled songs, identify distorted clips and a mix of them, show the answers
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  refrain demo

Everything happens in a temporary folder that is removed at the end.
Exit status: 0 if every song was found where it was played, else 2.")]
pub(crate) struct DemoArgs {
    #[command(flatten)]
    pub(crate) jobs: JobsArg,
}

/// `--jobs`, for the commands that use all cores.
#[derive(Debug, Default, Args)]
pub(crate) struct JobsArg {
    /// Files worked on at once. Default: one per core
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
}
