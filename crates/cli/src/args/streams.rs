//! `refrain streams`.

use clap::{Args, Subcommand};

use super::headings;
use super::request_headers::HeaderArgs;

const EXAMPLES: &str = "\
Examples:
  refrain streams add radio-one https://radio.example.org/one.mp3
  refrain streams add tv-one https://tv.example.org/one.m3u8 --header-file /run/secrets/tv-one
  refrain streams list
  refrain streams list --all --json
  refrain streams stop radio-one

Within seconds, a `refrain serve` process with free capacity starts to follow an
added stream. It follows the stream until it ends or is stopped. The URL and the
headers of the stream are stored in the catalog.";

/// List, add and stop the streams of the service
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StreamsArgs {
    #[command(subcommand)]
    pub(crate) command: StreamsCommand,
}

/// The commands of `refrain streams`.
#[derive(Debug, Subcommand)]
pub(crate) enum StreamsCommand {
    /// Add a stream
    Add(AddStreamArgs),
    /// List streams with their state, worker and start time
    List(ListStreamsArgs),
    /// Stop a stream
    Stop(StopStreamArgs),
}

/// Arguments of `refrain streams add`.
#[derive(Debug, Args)]
pub(crate) struct AddStreamArgs {
    /// ID of the stream, 1 to 200 characters: the unknownAssetID of its results
    pub(crate) id: String,
    /// URL of the stream: http, https or udp
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) headers: HeaderArgs,
}

/// Arguments of `refrain streams list`.
#[derive(Debug, Args)]
pub(crate) struct ListStreamsArgs {
    /// Include streams that have ended or failed
    #[arg(long, help_heading = headings::SELECTION)]
    pub(crate) all: bool,
    /// Write one JSON object per line instead of a table
    #[arg(long, help_heading = headings::OUTPUT)]
    pub(crate) json: bool,
}

/// Arguments of `refrain streams stop`.
#[derive(Debug, Args)]
pub(crate) struct StopStreamArgs {
    /// ID of the stream
    pub(crate) id: String,
}
