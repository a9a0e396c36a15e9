//! `refrain prune`.

use clap::Args;

use super::headings;

/// Delete old detections, ended streams, and delivered and dead messages from the catalog's database
#[derive(Debug, Args)]
#[command(after_help = "\
Songs and fingerprints are not deleted. Rows are deleted in small transactions, so
the command can run while the service works, for example every night.

Examples:
  refrain prune --days 365
  refrain --catalog postgres://host/music prune --days 90")]
pub(crate) struct PruneArgs {
    /// Delete rows that are older than N days
    ///
    /// The age is that of the last update of a detection, of the end of a stream, and of the delivery or the last failure of a
    /// message.
    #[arg(long, value_name = "N", help_heading = headings::SELECTION)]
    pub(crate) days: u32,
}
