//! `refrain prune`.

use clap::Args;

/// Delete old detections, streams that are over, and messages that were delivered, from the catalogue's database
#[derive(Debug, Args)]
#[command(after_help = "\
What was heard is kept until this deletes it; songs and fingerprints stay. It works
in small steps, which nobody else waits for, and may be run while streams are
followed, for example each night.

Examples:
  refrain prune --days 365
  refrain --catalog postgres://host/music prune --days 90")]
pub(crate) struct PruneArgs {
    /// Delete what was last heard, or delivered, or over, more than so many days ago
    #[arg(long, value_name = "N")]
    pub(crate) days: u32,
}
