//! `refrain serve` and `refrain healthcheck`.

use clap::Args;

use super::headings;
use crate::settings::Role;

const LONG: &str = "\
Run as a service until SIGTERM: follow live streams, index and identify files
that are uploaded to a bucket, deliver detections, and serve HTTP requests.";

const EXAMPLES: &str = "\
Examples:
  refrain --config service.toml serve
  refrain --config service.toml serve --role monitor
  refrain --catalog sqlite:catalog.db serve --role monitor,api

docs/service.toml lists every setting. Any number of processes can share one
PostgreSQL; with sqlite:PATH the service is a single process.

SIGTERM or Ctrl-C shuts the service down within service.drain_seconds: the queue
consumers stop, stream leases are released, files are finished or returned to
the queue, results are delivered, and the HTTP server stops last. A second
signal ends the process at once. Log lines go to standard error.

[[streams]] and [[sinks]] of the settings file can be changed while the service
runs: a change of the file, or SIGHUP, makes it read the file again. Streams and
sinks that are unchanged continue without an interruption. Other settings need
a restart.

Exit status: 0 shut down in time, 2 could not start or continue, 3 the shutdown
took longer than service.drain_seconds.";

/// Run as a service
#[derive(Debug, Args)]
#[command(long_about = LONG, after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// Set the roles of this process, separated by commas. Default: service.roles in the settings
    ///
    /// Without the flag and the setting, the process has the role monitor, and all other roles whose queue or address
    /// is set.
    #[arg(long, value_name = "ROLES", value_delimiter = ',', help_heading = headings::SERVICE)]
    pub(crate) role: Vec<Role>,
}

const HEALTHCHECK_EXAMPLES: &str = "\
Examples:
  refrain healthcheck            for a container's health check
  refrain healthcheck --ready

The request goes to the address of http.listen (REFRAIN_HTTP_LISTEN) on this
machine. Exit status: 0 the service is healthy, 1 the service is not healthy or
does not answer, 2 the settings are invalid or name no address.";

/// Check the health of the service on this machine
#[derive(Debug, Args)]
#[command(after_help = HEALTHCHECK_EXAMPLES)]
pub(crate) struct HealthcheckArgs {
    /// Check that the service is ready (/readyz) instead of alive (/healthz)
    #[arg(long, help_heading = headings::SERVICE)]
    pub(crate) ready: bool,
}
