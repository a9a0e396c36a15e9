//! `refrain prune`.

use clap::Args;

/// Delete old detections, ended streams, and delivered and dead messages from the catalog's database
#[derive(Debug, Args)]
#[command(after_help = "\
Songs and fingerprints are not deleted. Rows are deleted in small transactions, so
the command can run while the service works, for example every night.

Examples:
  refrain prune --days 365
  refrain --catalog postgres://host/music prune --days 90")]
pub(crate) struct PruneArgs {
    /// Delete detections last updated, streams ended, and messages delivered or dead, more than N days ago
    #[arg(long, value_name = "N")]
    pub(crate) days: u32,
}
