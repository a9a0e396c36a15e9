//! How a catalogue is opened.

use std::time::Duration;

/// Settings of every kind of catalogue; each takes its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenSettings {
    /// Of `postgres:` URLs.
    pub postgres: PostgresSettings,
}

/// Settings of a PostgreSQL catalogue. Everything about the connection itself stands in the URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresSettings {
    /// Connections that this handle holds at most. One more listens where changes are waited for.
    pub max_connections: u32,
    /// How long a call waits for one of them, and, if it writes, for other writers.
    pub acquire_timeout: Duration,
    /// How long one statement may run; zero for as long as it wants. Set in each transaction, so that it also
    /// holds behind PgBouncer.
    pub statement_timeout: Duration,
    /// How long a server that is away, restarting or out of connections is waited for before a call fails.
    pub retry_for: Duration,
}

impl Default for PostgresSettings {
    fn default() -> Self {
        Self {
            max_connections: 8,
            acquire_timeout: Duration::from_secs(30),
            statement_timeout: Duration::from_secs(60),
            retry_for: Duration::from_secs(60),
        }
    }
}
