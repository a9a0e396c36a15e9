//! `refrain doctor`.

use clap::Args;

use super::headings;

/// Check the settings, the catalog, the index cache and the resources of the service
#[derive(Debug, Args)]
#[command(after_help = "\
Each check prints one line: ok, warning or FAIL, the name of the check, the
result and the advice. A catalog of an older refrain is migrated, as by every
other command. The resources that the settings name for the service are checked
too: queues and their dead-letter queues, buckets, topics, IVS, keys and sinks.
The check of a bucket or folder writes a test object and deletes it again. The
check of a queue receives at most one message and releases it at once. Nothing
is published to topics or sent to webhooks.

Examples:
  refrain doctor
  refrain doctor --thorough                 read the whole catalog
  refrain --config service.toml doctor      check the resources of the service
  refrain doctor --json | jq .health

Exit status: 0 every check passed, 2 at least one check failed, 3 there are
warnings only.")]
pub(crate) struct DoctorArgs {
    /// Read and check everything that is stored
    ///
    /// This takes as long as reading the whole database.
    #[arg(long, help_heading = headings::SERVICE)]
    pub(crate) thorough: bool,
    /// Write one JSON object instead of lines
    #[arg(long, help_heading = headings::OUTPUT)]
    pub(crate) json: bool,
}
