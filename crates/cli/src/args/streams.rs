//! `refrain streams`.

use clap::{Args, Subcommand};

const EXAMPLES: &str = "\
Examples:
  refrain streams add radio-one https://radio.example.org/one.mp3
  refrain streams list
  refrain streams list --all --json
  refrain streams stop radio-one

A stream that is added is followed by any `refrain serve` that has room, within
seconds, until it ends or is stopped.";

/// Streams that the service follows
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StreamsArgs {
    #[command(subcommand)]
    pub(crate) command: StreamsCommand,
}

/// What to do with streams.
#[derive(Debug, Subcommand)]
pub(crate) enum StreamsCommand {
    /// Have a stream followed
    Add(AddStreamArgs),
    /// List streams: state, worker, since when
    List(ListStreamsArgs),
    /// End a stream
    Stop(StopStreamArgs),
}

/// `add`
#[derive(Debug, Args)]
pub(crate) struct AddStreamArgs {
    /// What it is called: the unknownAssetID of its results; 1 to 200 characters
    pub(crate) id: String,
    /// http, https or udp
    pub(crate) url: String,
}

/// `list`
#[derive(Debug, Args)]
pub(crate) struct ListStreamsArgs {
    /// Those that are over too
    #[arg(long)]
    pub(crate) all: bool,
    /// A line of JSON each
    #[arg(long)]
    pub(crate) json: bool,
}

/// `stop`
#[derive(Debug, Args)]
pub(crate) struct StopStreamArgs {
    /// Its id
    pub(crate) id: String,
}
