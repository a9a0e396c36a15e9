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
    /// Maximum number of connections of this handle. Waiting for changes uses one more, to listen for notifications.
    pub max_connections: u32,
    /// Maximum time that a call waits for one of these connections and, if it writes, for other writers.
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
            max_connections: 8,
            acquire_timeout: Duration::from_secs(30),
            statement_timeout: Duration::from_secs(60),
            retry_for: Duration::from_secs(60),
        }
    }
}
