//! Errors of a catalog.

use std::error::Error;

/// The reason why a catalog operation failed.
///
/// In each variant, `catalog` is the URL of the catalog without secrets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The catalog has a newer schema than this program supports.
    #[error(
        "catalog {catalog} was made by a newer refrain (schema {found}, this one supports up to {supported}); update refrain"
    )]
    TooNew {
        /// URL of the catalog without secrets.
        catalog: String,
        /// Schema version of the catalog.
        found: i64,
        /// Newest schema version that this program supports.
        supported: i64,
    },
    /// The scheme of the URL is not supported.
    #[error(
        "catalog URL scheme {scheme:?} is not supported; this version supports sqlite:PATH and postgres://USER@HOST/DATABASE"
    )]
    UnsupportedScheme {
        /// Part of the URL before the colon; empty if there is no colon.
        scheme: String,
    },
    /// The file or database exists but is not a catalog.
    #[error("{catalog} is not a catalog ({reason}) and was not changed; name another file or database")]
    NotACatalog {
        /// URL of the catalog without secrets.
        catalog: String,
        /// Reason why the file or database is not a catalog.
        reason: String,
    },
    /// Another process held a lock for longer than the call waits for it.
    #[error("catalog {catalog} is locked by another process; try again when that process has finished")]
    Locked {
        /// URL of the catalog without secrets.
        catalog: String,
    },
    /// The catalog is read-only.
    #[error("catalog {catalog} cannot be written: {advice}")]
    ReadOnly {
        /// URL of the catalog without secrets.
        catalog: String,
        /// Reason why the catalog is read-only, or remedy, as a text for the user.
        advice: &'static str,
    },
    /// The disk is full.
    #[error(
        "no space left for catalog {catalog}; free some space and run the command again, committed changes are kept"
    )]
    DiskFull {
        /// URL of the catalog without secrets.
        catalog: String,
    },
    /// The content of the catalog is inconsistent.
    #[error(
        "catalog {catalog} is damaged ({detail}); restore a copy, or make a new one and index the songs again"
    )]
    Corrupt {
        /// URL of the catalog without secrets.
        catalog: String,
        /// Description of the inconsistency.
        detail: String,
    },
    /// The catalog could not be opened or created.
    #[error("cannot open catalog {catalog}: {reason}")]
    CannotOpen {
        /// URL of the catalog without secrets.
        catalog: String,
        /// Reason of the failure, and what the user can check.
        reason: String,
    },
    /// The operating system failed to read or write.
    #[error("cannot read or write catalog {catalog}: {detail}; check the disk that it is on")]
    Io {
        /// URL of the catalog without secrets.
        catalog: String,
        /// Error message of the operating system.
        detail: String,
    },
    /// An added track has the id of one live track and the source of another live track.
    #[error(
        "catalog {catalog} has {source_path:?} as track {holder}, so the file cannot also be track {id}; remove track \
         {holder} or track {id}"
    )]
    SourceTaken {
        /// URL of the catalog without secrets.
        catalog: String,
        /// Source that the added track and the track `holder` have in common.
        source_path: String,
        /// Id of the live track that already has the source.
        holder: String,
        /// Id of the added track.
        id: String,
    },
    /// The input violates a constraint of the catalog.
    #[error("catalog {catalog} rejected the input: {what}")]
    Invalid {
        /// URL of the catalog without secrets.
        catalog: String,
        /// Description of the invalid input.
        what: String,
    },
    /// All track numbers have been used.
    #[error(
        "catalog {catalog} has used all of its 4,294,967,295 track numbers; export its tracks and import them into a \
         new catalog"
    )]
    TooManyTracks {
        /// URL of the catalog without secrets.
        catalog: String,
    },
    /// The catalog has an older schema, and this user or server does not permit the upgrade.
    #[error(
        "catalog {catalog} has schema {found}, this refrain needs schema {supported}, and {detail}; to upgrade \
         the catalog, run any command once as its owner on a writable server"
    )]
    TooOld {
        /// URL of the catalog without secrets.
        catalog: String,
        /// Schema version of the catalog.
        found: i64,
        /// Schema version that this program needs.
        supported: i64,
        /// Reason why the schema was not upgraded.
        detail: String,
    },
    /// The database server cannot be reached, or the connection was lost.
    #[error(
        "cannot reach the server of catalog {catalog} ({detail}); check that it runs and that host and port are right"
    )]
    Unreachable {
        /// URL of the catalog without secrets.
        catalog: String,
        /// Description of the connection failure.
        detail: String,
    },
    /// The server rejected the login.
    #[error(
        "the server of catalog {catalog} refused the login ({detail}); check user and password, in the URL, in \
         PGPASSWORD or in ~/.pgpass, and the server's pg_hba.conf"
    )]
    LoginRefused {
        /// URL of the catalog without secrets.
        catalog: String,
        /// Error message of the server.
        detail: String,
    },
    /// The database does not exist on the server.
    #[error(
        "there is no database for catalog {catalog} ({detail}); make it with createdb, or correct its name"
    )]
    NoSuchDatabase {
        /// URL of the catalog without secrets.
        catalog: String,
        /// Error message of the server.
        detail: String,
    },
    /// A trusted encrypted connection could not be established.
    #[error("no secure connection to the server of catalog {catalog} ({detail}); {advice}")]
    Tls {
        /// URL of the catalog without secrets.
        catalog: String,
        /// Description of the TLS failure.
        detail: String,
        /// Remedy, for the user.
        advice: &'static str,
    },
    /// The server has no free connection.
    #[error(
        "the server of catalog {catalog} has no free connection ({detail}); use fewer connections, or raise \
         max_connections of the server"
    )]
    TooManyConnections {
        /// URL of the catalog without secrets.
        catalog: String,
        /// Error message of the server.
        detail: String,
    },
    /// All connections of this process were in use for the whole
    /// [`acquire_timeout`](crate::PostgresSettings::acquire_timeout).
    #[error(
        "all connections of this process to catalog {catalog} are in use; try again, or raise \
         database.max_connections (REFRAIN_DATABASE_MAX_CONNECTIONS)"
    )]
    Busy {
        /// URL of the catalog without secrets.
        catalog: String,
    },
    /// The database user lacks a privilege.
    #[error(
        "the user of catalog {catalog} lacks a privilege ({detail}); docs/postgresql.md has the statements to GRANT it"
    )]
    NotAllowed {
        /// URL of the catalog without secrets.
        catalog: String,
        /// Error message of the server.
        detail: String,
    },
    /// A statement exceeded the statement timeout, or was canceled.
    #[error("catalog {catalog} canceled a statement ({detail}); try again, or raise the statement time-out")]
    TimedOut {
        /// URL of the catalog without secrets.
        catalog: String,
        /// Error message of the server.
        detail: String,
    },
    /// The catalog does not exist, and the caller did not request its creation.
    #[error("there is no catalog in {catalog}; check its name, or make one by indexing songs into it")]
    NoCatalog {
        /// URL of the catalog without secrets.
        catalog: String,
    },
    /// Any other error of the database.
    #[error("catalog {catalog} failed: {source}; please report this")]
    Database {
        /// URL of the catalog without secrets.
        catalog: String,
        /// Error of the database driver.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl CatalogError {
    /// Returns true if the same call can succeed later without any intervention.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        // Busy and TimedOut depend on the load and on settings of this process, so the call may succeed later, but
        // waiting inside the call would only add to the load.
        matches!(self, Self::Busy { .. } | Self::TimedOut { .. }) || self.is_temporary()
    }

    /// Returns true if the error is temporary (the server is unavailable, or another process holds a lock), so that the
    /// call itself waits and retries.
    pub(crate) fn is_temporary(&self) -> bool {
        matches!(self, Self::Locked { .. } | Self::Unreachable { .. } | Self::TooManyConnections { .. })
    }
}
