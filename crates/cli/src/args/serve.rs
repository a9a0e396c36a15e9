//! `refrain serve` and `refrain healthcheck`.

use clap::Args;

use crate::settings::Role;

const LONG: &str = "\
Run as a service until SIGTERM: follow live streams, learn and check files that
are dropped into a bucket, deliver what was heard, answer HTTP.";

const EXAMPLES: &str = "\
Examples:
  refrain --config service.toml serve
  refrain --config service.toml serve --role monitor
  refrain --catalog sqlite:catalog.db serve --role monitor,api

Every setting is in docs/service.toml. Any number of processes may share one
PostgreSQL; with sqlite:PATH one process is the whole service.

SIGTERM or Ctrl-C ends it in good order within service.drain_seconds: intake
stops, streams are handed over, files are finished or given back, results are
delivered, HTTP answers last. A second signal ends it at once. Log lines go to
standard error.

Exit status: 0 it was ended in good order, 2 it could not start or go on, 3 the
drain took too long.";

/// Run as a service
#[derive(Debug, Args)]
#[command(long_about = LONG, after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// What this process does, separated by commas. Default: service.roles of the settings, else all
    #[arg(long, value_name = "ROLES", value_delimiter = ',')]
    pub(crate) role: Vec<Role>,
}

const HEALTHCHECK_EXAMPLES: &str = "\
Examples:
  refrain healthcheck            for a container's health check
  refrain healthcheck --ready

It asks the address of http.listen (REFRAIN_HTTP_LISTEN) on this machine.
Exit status: 0 the service is well, 1 it is not, 2 that could not be asked.";

/// Ask the service on this machine how it is
#[derive(Debug, Args)]
#[command(after_help = HEALTHCHECK_EXAMPLES)]
pub(crate) struct HealthcheckArgs {
    /// Ask whether it is ready (/readyz), not whether it may go on (/healthz)
    #[arg(long)]
    pub(crate) ready: bool,
}
