//! `refrain outbox …`.

use clap::{Args, Subcommand, ValueEnum};
use refrain_catalog::DeliveryStatus;

use super::headings;

/// List undelivered messages, retry or delete them
#[derive(Debug, Args)]
#[command(after_help = "\
The service first writes each detection to the catalog's database, then delivers it
to each sink. Failed deliveries are retried. A message is dead if its delivery
failed permanently, or for longer than outbox.give_up_hours.

Examples:
  refrain outbox list                    undelivered messages
  refrain outbox list --sink webhook --json
  refrain outbox retry --all             after the receiver was repaired
  refrain outbox drop old-hook           after its sink was removed from the settings")]
pub(crate) struct OutboxArgs {
    #[command(subcommand)]
    pub(crate) command: OutboxCommand,
}

/// The commands of `refrain outbox`.
#[derive(Debug, Subcommand)]
pub(crate) enum OutboxCommand {
    List(ListOutboxArgs),
    Retry(RetryArgs),
    Drop(DropArgs),
}

/// List messages. Default: waiting and dead messages
#[derive(Debug, Args)]
#[command(after_help = "\
The time of a waiting message is the time of its next attempt, or the end of its
claim if it is being delivered. The time of a delivered or dead message is the time
at which it was delivered or became dead.

Examples:
  refrain outbox list
  refrain outbox list --status dead --sink s3
  refrain outbox list --status delivered --json | jq -r .message")]
pub(crate) struct ListOutboxArgs {
    /// List only messages to this sink
    #[arg(long, value_name = "NAME", help_heading = headings::SELECTION)]
    pub(crate) sink: Option<String>,
    /// List only messages with this status: waiting, dead or delivered. Default: waiting and dead
    #[arg(long, value_name = "STATUS", hide_possible_values = true, help_heading = headings::SELECTION)]
    pub(crate) status: Option<StatusArg>,
    /// Write one JSON object per line instead of a table
    #[arg(long, help_heading = headings::OUTPUT)]
    pub(crate) json: bool,
}

/// Message status, the values of `--status`.
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

/// Retry the delivery of dead messages
#[derive(Debug, Args)]
#[command(after_help = "\
The service delivers the messages within seconds and counts their attempts from zero
again. Waiting messages are retried without this command.

Examples:
  refrain outbox retry 17 18
  refrain outbox retry --sink webhook
  refrain outbox retry --all")]
#[group(id = "which", required = true, multiple = false)]
pub(crate) struct RetryArgs {
    /// IDs of the messages, as `outbox list` shows them
    #[arg(value_name = "ID", group = "which")]
    pub(crate) ids: Vec<i64>,
    /// Retry all dead messages to this sink
    #[arg(long, value_name = "NAME", group = "which", help_heading = headings::SELECTION)]
    pub(crate) sink: Option<String>,
    /// Retry all dead messages
    #[arg(long, group = "which", help_heading = headings::SELECTION)]
    pub(crate) all: bool,
}

/// Delete the undelivered messages of a sink that was removed
#[derive(Debug, Args)]
#[command(after_help = "\
Messages to a sink that is in the settings of no process expire after 14 days; this
command deletes them at once. Delivered messages are kept as history.

Examples:
  refrain outbox drop old-hook")]
pub(crate) struct DropArgs {
    /// Name of the sink
    pub(crate) sink: String,
    /// Delete the messages even if the sink is in the settings
    #[arg(long, help_heading = headings::SELECTION)]
    pub(crate) force: bool,
}
