//! `refrain outbox …`.

use clap::{Args, Subcommand, ValueEnum};
use refrain_catalog::DeliveryStatus;

/// See what could not be delivered yet, and try it again
#[derive(Debug, Args)]
#[command(after_help = "\
What is heard is first written to the catalogue's database, then delivered to each
sink of the service until it succeeds, or has failed for too long and is dead.

Examples:
  refrain outbox list                    what hangs
  refrain outbox list --sink webhook --json
  refrain outbox retry --all             after the receiver was mended
  refrain outbox drop old-hook           after its sink was removed from the settings")]
pub(crate) struct OutboxArgs {
    #[command(subcommand)]
    pub(crate) command: OutboxCommand,
}

/// What to do with the outbox.
#[derive(Debug, Subcommand)]
pub(crate) enum OutboxCommand {
    List(ListOutboxArgs),
    Retry(RetryArgs),
    Drop(DropArgs),
}

/// List messages: dead ones and those that wait, if nothing else is asked for
#[derive(Debug, Args)]
#[command(after_help = "\
A message that waits is due at the time that is shown, or is being delivered until
then. The times of the others are when they were delivered, or given up.

Examples:
  refrain outbox list
  refrain outbox list --status dead --sink s3
  refrain outbox list --status delivered --json | jq -r .message")]
pub(crate) struct ListOutboxArgs {
    /// Only messages to this sink
    #[arg(long, value_name = "NAME")]
    pub(crate) sink: Option<String>,
    /// Only messages that are: waiting, dead or delivered. Default: waiting and dead
    #[arg(long, value_name = "STATUS", hide_possible_values = true)]
    pub(crate) status: Option<StatusArg>,
    /// One JSON object a line instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// `--status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatusArg {
    Waiting,
    Dead,
    Delivered,
}

impl From<StatusArg> for DeliveryStatus {
    fn from(status: StatusArg) -> Self {
        match status {
            StatusArg::Waiting => Self::Waiting,
            StatusArg::Dead => Self::Dead,
            StatusArg::Delivered => Self::Delivered,
        }
    }
}

/// Make dead messages due again
#[derive(Debug, Args)]
#[command(after_help = "\
The service delivers them within seconds, with its attempts counted from the
beginning. Messages that wait need no help: they are tried again by themselves.

Examples:
  refrain outbox retry 17 18
  refrain outbox retry --sink webhook
  refrain outbox retry --all")]
#[group(id = "which", required = true, multiple = false)]
pub(crate) struct RetryArgs {
    /// The messages, as `outbox list` numbers them
    #[arg(value_name = "ID", group = "which")]
    pub(crate) ids: Vec<i64>,
    /// All dead messages to this sink
    #[arg(long, value_name = "NAME", group = "which")]
    pub(crate) sink: Option<String>,
    /// All dead messages
    #[arg(long, group = "which")]
    pub(crate) all: bool,
}

/// Delete the undelivered messages of a sink that was removed
#[derive(Debug, Args)]
#[command(after_help = "\
Messages of a sink that no process has in its settings wait until they expire after
14 days. What was delivered is kept as history.

Examples:
  refrain outbox drop old-hook")]
pub(crate) struct DropArgs {
    /// Name of the sink
    pub(crate) sink: String,
    /// Drop the messages of a sink that is in the settings as well
    #[arg(long)]
    pub(crate) force: bool,
}
