//! What can go wrong with a catalogue.

use std::error::Error;

/// Why the catalogue could not do what was asked.
///
/// `catalog` is the catalogue's URL without secrets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The catalogue was made by a newer program.
    #[error(
        "catalogue {catalog} was made by a newer refrain (schema {found}, this one knows up to {supported}); update refrain"
    )]
    TooNew {
        /// URL without secrets.
        catalog: String,
        /// Schema version found.
        found: i64,
        /// Newest schema version that this program knows.
        supported: i64,
    },
    /// The URL names a kind of catalogue that this program does not have.
    #[error(
        "catalogues of scheme {scheme:?} are not supported; this version supports sqlite:PATH and postgres://USER@HOST/DATABASE"
    )]
    UnsupportedScheme {
        /// What stands before the colon; empty where there is none.
        scheme: String,
    },
    /// There is a file, but it is something else.
    #[error("{catalog} is not a catalogue ({reason}); name another file, it was left as it is")]
    NotACatalog {
        /// URL without secrets.
        catalog: String,
        /// What was found.
        reason: String,
    },
    /// Another process held the catalogue for too long.
    #[error("catalogue {catalog} is locked by another process; try again when that has finished")]
    Locked {
        /// URL without secrets.
        catalog: String,
    },
    /// The catalogue may be read but not changed.
    #[error("catalogue {catalog} cannot be written: {advice}")]
    ReadOnly {
        /// URL without secrets.
        catalog: String,
        /// What to do.
        advice: &'static str,
    },
    /// No space is left.
    #[error("no space left for catalogue {catalog}; free some and run the same again, what was done is kept")]
    DiskFull {
        /// URL without secrets.
        catalog: String,
    },
    /// The catalogue's contents contradict themselves.
    #[error(
        "catalogue {catalog} is damaged ({detail}); restore a copy, or make a new one and index the songs again"
    )]
    Corrupt {
        /// URL without secrets.
        catalog: String,
        /// What was found.
        detail: String,
    },
    /// The catalogue could not be opened or created.
    #[error("cannot open catalogue {catalog}: {reason}")]
    CannotOpen {
        /// URL without secrets.
        catalog: String,
        /// Why, and what to check.
        reason: String,
    },
    /// The system failed to read or write.
    #[error("cannot read or write catalogue {catalog}: {detail}; check the disk that it is on")]
    Io {
        /// URL without secrets.
        catalog: String,
        /// The system's reason.
        detail: String,
    },
    /// An import names an id that lives under one source, and a source that another track holds.
    #[error(
        "catalogue {catalog} has {source_path:?} as track {holder}, it cannot become track {id} too; remove one of them"
    )]
    SourceTaken {
        /// URL without secrets.
        catalog: String,
        /// The source that both want.
        source_path: String,
        /// Id of the track that holds it.
        holder: String,
        /// Id that was to be added.
        id: String,
    },
    /// What was handed in is nothing that a catalogue holds.
    #[error("catalogue {catalog} does not take {what}")]
    Invalid {
        /// URL without secrets.
        catalog: String,
        /// What was wrong.
        what: String,
    },
    /// Track numbers have run out.
    #[error("catalogue {catalog} has used up its 4,294,967,295 track numbers; export it into a new one")]
    TooManyTracks {
        /// URL without secrets.
        catalog: String,
    },
    /// The catalogue was made by an older program, and this one may not bring it up to date.
    #[error(
        "catalogue {catalog} has schema {found}, this refrain needs {supported}, and {detail}; open it once as its owner"
    )]
    TooOld {
        /// URL without secrets.
        catalog: String,
        /// Schema version found.
        found: i64,
        /// Schema version that this program needs.
        supported: i64,
        /// Why it stays so.
        detail: String,
    },
    /// The database server cannot be reached, or went away.
    #[error(
        "cannot reach the server of catalogue {catalog} ({detail}); check that it runs and that host and port are right"
    )]
    Unreachable {
        /// URL without secrets.
        catalog: String,
        /// What happened to the connection.
        detail: String,
    },
    /// The server does not let this user in.
    #[error(
        "the server of catalogue {catalog} refused the login ({detail}); check user and password, in the URL, in \
         PGPASSWORD or in ~/.pgpass, and the server's pg_hba.conf"
    )]
    LoginRefused {
        /// URL without secrets.
        catalog: String,
        /// The server's reason.
        detail: String,
    },
    /// The server has no such database.
    #[error(
        "there is no database for catalogue {catalog} ({detail}); make it with createdb, or correct its name"
    )]
    NoSuchDatabase {
        /// URL without secrets.
        catalog: String,
        /// The server's reason.
        detail: String,
    },
    /// There is no trusted encrypted connection.
    #[error("no secure connection to the server of catalogue {catalog} ({detail}); {advice}")]
    Tls {
        /// URL without secrets.
        catalog: String,
        /// What was wrong.
        detail: String,
        /// What to do.
        advice: &'static str,
    },
    /// The server has no connection left.
    #[error(
        "the server of catalogue {catalog} has no connection left ({detail}); use fewer, or raise its max_connections"
    )]
    TooManyConnections {
        /// URL without secrets.
        catalog: String,
        /// The server's reason.
        detail: String,
    },
    /// All connections of this process are in use for too long.
    #[error(
        "all connections of this process to catalogue {catalog} are in use; try again, or allow it more of them"
    )]
    Busy {
        /// URL without secrets.
        catalog: String,
    },
    /// The database's user lacks a right.
    #[error(
        "the user of catalogue {catalog} may not do this ({detail}); the README says what to GRANT, under PostgreSQL"
    )]
    NotAllowed {
        /// URL without secrets.
        catalog: String,
        /// The server's reason.
        detail: String,
    },
    /// A statement took too long, or somebody cancelled it.
    #[error("catalogue {catalog} stopped a statement ({detail}); try again, or raise the statement time-out")]
    TimedOut {
        /// URL without secrets.
        catalog: String,
        /// The server's reason.
        detail: String,
    },
    /// There is no catalogue yet, and none was to be made.
    #[error("there is no catalogue in {catalog}; check its name, or make one by indexing songs into it")]
    NoCatalogue {
        /// URL without secrets.
        catalog: String,
    },
    /// The database refused for another reason.
    #[error("catalogue {catalog} failed: {source}; please report this")]
    Database {
        /// URL without secrets.
        catalog: String,
        /// The database's reason.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl CatalogError {
    /// Whether the same call may succeed later without anybody doing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::TimedOut { .. }) || self.is_passing()
    }

    /// Whether the server is away or in the way only for a while, so that waiting is better than failing.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Locked { .. } | Self::Unreachable { .. } | Self::TooManyConnections { .. })
    }
}
