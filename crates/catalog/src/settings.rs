//! Settings for opening a catalog.

use std::time::Duration;

/// Settings of all backends; each backend reads its own part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenSettings {
    /// Settings of catalogs with a `postgres:` URL.
    pub postgres: PostgresSettings,
}

/// Settings of a PostgreSQL catalog. The parameters of the connection itself are in the URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresSettings {
    /// Maximum number of connections of one opened catalog. While callers wait for changes, one more connection listens
    /// for notifications.
    pub max_connections: u32,
    /// Maximum time that a call waits for a free connection. A call that writes also waits up to this time for the lock
    /// of other writers.
    pub acquire_timeout: Duration,
    /// Maximum duration of one statement; zero means no limit. It is set in each transaction, so that it also applies
    /// behind PgBouncer.
    pub statement_timeout: Duration,
    /// Time for which a call is retried while the server is unavailable, restarting or out of connections, before it
    /// fails.
    pub retry_for: Duration,
}

impl Default for PostgresSettings {
    fn default() -> Self {
        Self {
            // A search needs one connection at a time. With 4, a process with several searches waits for connections;
            // with 16, six processes use up the 100 connections of a default server.
            max_connections: 8,
            // Longer than a writer holds the lock for a batch. At half this value, indexers that share a catalog can
            // fail; at twice this value, a call waits for a minute before it reports an overload.
            acquire_timeout: Duration::from_secs(30),
            // Statements take milliseconds, except for deletions of index rows. At half this value, these can fail on
            // slow disks; at twice this value, a statement that never ends blocks a connection for two minutes.
            statement_timeout: Duration::from_secs(60),
            // Enough for a restart or a failover of a managed server. At half this value, a failover fails calls; at
            // twice this value, a command that cannot reach its server reports it after two minutes.
            retry_for: Duration::from_secs(60),
        }
    }
}
