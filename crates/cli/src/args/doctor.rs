//! `refrain doctor`.

use clap::Args;

/// Say what is wrong with settings, catalogue, index cache and what the service needs, and what to do
#[derive(Debug, Args)]
#[command(after_help = "\
Every check is one line: ok, warning or FAIL, what was looked at, what was found
and what to do about it. Nothing is changed, but for the catalogue of an older
refrain, which is brought up to date as by any other command. What the settings
name for the service is looked at too: queues and their dead letters, buckets,
topics, IVS, keys, sinks. Nothing is sent to any of them.

Examples:
  refrain doctor
  refrain doctor --thorough                 reads the whole catalogue
  refrain --config service.toml doctor      what the service needs
  refrain doctor --json | jq .health

Exit status: 0 all is well, 2 something does not work, 3 there are warnings.")]
pub(crate) struct DoctorArgs {
    /// Look at everything that is stored, which takes as long as reading it
    #[arg(long)]
    pub(crate) thorough: bool,
    /// A JSON object instead of lines
    #[arg(long)]
    pub(crate) json: bool,
}
