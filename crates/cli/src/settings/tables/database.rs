//! The table `[database]`.

use std::time::Duration;

use refrain_catalog::PostgresSettings;

use crate::settings::declare::settings;
use crate::settings::limit::Limit::Between;

/// Maximum of `max_connections`. PostgreSQL accepts 100 connections by default and one process needs about 8, so a
/// higher number is a mistake.
const MAX_CONNECTIONS: f64 = 1_000.0;

/// Maximum of all timeouts in seconds, which is one day.
const MAX_SECONDS: f64 = 86_400.0;

settings! {
    /// Connections to the PostgreSQL of the catalog, as for every command.
    "database" DatabaseTable {
        /// Maximum number of connections of the process.
        max_connections: u32, default(PostgresSettings::default().max_connections, "8"), Between(1.0, MAX_CONNECTIONS);
        /// Time to wait for a free connection, in seconds.
        acquire_timeout_seconds: u32, default(seconds(PostgresSettings::default().acquire_timeout), "30"),
            Between(1.0, MAX_SECONDS);
        /// Maximum time of a statement, in seconds. 0: no timeout.
        statement_timeout_seconds: u32, default(seconds(PostgresSettings::default().statement_timeout), "60"),
            Between(0.0, MAX_SECONDS);
        /// Time for which a call retries to reach an unavailable server, in seconds. The service itself has no such limit.
        retry_seconds: u32, default(seconds(PostgresSettings::default().retry_for), "60"), Between(0.0, MAX_SECONDS);
    }
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
