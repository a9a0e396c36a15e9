//! Opens the catalog in an SQLite file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::error::SqliteName;
use super::{SqliteCatalog, migrate};
use crate::CatalogError;

/// Page size of a new file in bytes. Measured with 1,000 songs of 200 s: without constellations, a song takes 0.8 kB
/// with pages of 1,024 bytes, 0.9 kB with 2,048, 1.3 kB with 4,096 and 2.2 kB with 8,192. With 1,024, adding songs
/// takes twice as long as with 4,096.
const PAGE_BYTES: u32 = 4096;

/// Time that SQLite waits for the lock of another connection in each of [`MAX_LOCK_ATTEMPTS`](super::MAX_LOCK_ATTEMPTS)
/// attempts. At half this value, calls fail after 15 s of writing by another process; at twice this value, after a
/// minute.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum time that a call waits for a connection of this process. All writes share one connection, so this timeout
/// must exceed the time of several calls that each wait half a minute for another process. At half this value, the
/// third of such calls fails; at twice this value, a process that cannot write reports it after four minutes.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(120);

/// Maximum number of concurrent read connections of this process. Each has a page cache of 2 MB. With 2, long lists
/// delay searches; with 8, the disk is the limit, and the memory doubles. Not measured.
const MAX_READERS: u32 = 4;

impl SqliteCatalog {
    /// Opens the catalog file at `path`; creates it, and its parent folders, if it does not exist. If the file can be
    /// read but not written, it is opened for reading.
    pub(crate) async fn open(path: &Path) -> Result<Self, CatalogError> {
        let name = SqliteName(format!("sqlite:{}", path.display()));
        if path.as_os_str().is_empty() {
            return Err(name.cannot_open("the URL names no file; write sqlite:PATH"));
        }
        // Absolute, so that a later change of the working folder, or a name like `file:x`, has no special meaning for
        // SQLite.
        let path = std::path::absolute(path).map_err(|error| name.cannot_open(&error.to_string()))?;
        if path.is_dir() {
            return Err(name.cannot_open("it is a folder; name a file in it"));
        }
        create_folder(&path, &name)?;
        match Self::open_writable(&path, &name).await {
            // Trying is the only reliable test of write access. A missing file stays an error, because a missing file
            // cannot be read either.
            Err(CatalogError::CannotOpen { .. } | CatalogError::ReadOnly { .. }) if path.is_file() => {
                Self::open_readable(path, name).await
            }
            result => result,
        }
    }

    async fn open_writable(path: &Path, name: &SqliteName) -> Result<Self, CatalogError> {
        let options = options(path).create_if_missing(true).page_size(PAGE_BYTES);
        // One writing connection: SQLite allows only one writer at a time, and in the pool the calls of this process
        // wait in order.
        let writer = pool(1)
            .connect_with(options.clone().synchronous(SqliteSynchronous::Normal))
            .await
            .map_err(|error| name.error(error))?;
        let mut connection = writer.acquire().await.map_err(|error| name.error(error))?;
        migrate::ensure_current(&mut connection, name).await?;
        let identity = migrate::identity(&mut connection, name).await?;
        // Returned to the pool, whose only connection it is.
        drop(connection);
        // `query_only` makes an accidental write through a reader fail instead of bypassing the queue of writers.
        let readers = pool(MAX_READERS).connect_lazy_with(options.pragma("query_only", "ON"));
        Ok(Self { name: name.clone(), path: path.to_owned(), writer: Some(writer), readers, identity })
    }

    /// Opens a file for reading. SQLite cannot create the index of the write-ahead log in a read-only folder, so the
    /// file is declared immutable, unless there is a log to be read.
    async fn open_readable(path: PathBuf, name: SqliteName) -> Result<Self, CatalogError> {
        let has_log = with_suffix(&path, "-wal").metadata().is_ok_and(|log| log.len() > 0);
        let options = options(&path).read_only(true).immutable(!has_log);
        let readers = pool(MAX_READERS).connect_with(options).await.map_err(|error| name.error(error))?;
        let mut connection = readers.acquire().await.map_err(|error| name.error(error))?;
        migrate::require_current(&mut connection, &name).await?;
        let identity = migrate::identity(&mut connection, &name).await?;
        drop(connection);
        Ok(Self { name, path, writer: None, readers, identity })
    }
}

/// Moves the content of the write-ahead log into the catalog file, if no other process uses the file.
pub(super) async fn checkpoint(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    // While others use the file, the result row reports "busy", which is not an error.
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_all(connection).await.map(drop)
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT).disable_statement_logging()
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A connection to a file costs little while it is idle, and opening one parses the schema again.
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        // After an error such as a full disk, SQLite has rolled back already, but sqlx still counts an open transaction
        // that cannot be ended. Such a connection is replaced.
        .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
}

fn create_folder(path: &Path, name: &SqliteName) -> Result<(), CatalogError> {
    let Some(folder) = path.parent() else { return Ok(()) };
    std::fs::create_dir_all(folder)
        .map_err(|error| name.cannot_open(&format!("cannot make folder {}: {error}", folder.display())))
}

pub(super) fn with_suffix(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Access to the connection that writes.
impl SqliteCatalog {
    pub(super) fn writer(&self) -> Result<&SqlitePool, CatalogError> {
        self.writer.as_ref().ok_or_else(|| self.name.read_only())
    }
}
