//! The catalog in an SQLite file, which several processes can use at the same time.
//!
//! Tracks, constellations and changes are tables of `migrations/sqlite`. One connection writes and several read; the
//! write-ahead log allows them to do so at the same time. A writer takes the lock at the start of its transaction
//! (`BEGIN IMMEDIATE`), so it waits before it has changed anything and never fails halfway.

mod changes;
mod error;
mod health;
mod journal;
mod links;
mod migrate;
mod open;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::SqlitePool;

use crate::{Catalog, CatalogError, Fact, Journal};
use error::SqliteName;

/// Maximum number of attempts to take a lock that another process holds. In each attempt SQLite itself waits up to 5 s,
/// so that the total is half a minute: longer than an indexer holds the lock for a batch. At half this value, a call
/// can fail while a large batch is written; at twice this value, an abandoned lock is reported after a minute.
const MAX_LOCK_ATTEMPTS: u32 = 6;

/// Increment of the pause between attempts to change the journal mode: SQLite itself does not wait for locks during
/// this change. The pauses are 1.5 s in total; another process that makes the same change holds its lock for
/// milliseconds. At half or twice this value, the total is 0.75 s or 3 s.
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// A catalog in an SQLite file.
#[derive(Debug)]
pub(crate) struct SqliteCatalog {
    name: SqliteName,
    path: PathBuf,
    /// The only connection that writes; `None` if the file cannot be written.
    writer: Option<SqlitePool>,
    readers: SqlitePool,
    identity: u128,
}

#[async_trait]
impl Catalog for SqliteCatalog {
    fn identity(&self) -> u128 {
        self.identity
    }

    fn journal(&self) -> &dyn Journal {
        self
    }

    async fn health(&self, thorough: bool) -> Result<Vec<Fact>, CatalogError> {
        self.check_health(thorough).await
    }

    // Moves the content of the log into the file. While other processes still use the file, the last of them does this.
    async fn close(&self) -> Result<(), CatalogError> {
        // First, because an open reader would prevent the log from being emptied.
        self.readers.close().await;
        let Some(writer) = &self.writer else { return Ok(()) };
        let checkpointed = match writer.acquire().await {
            Ok(mut connection) => open::checkpoint(&mut connection).await,
            // A second call of `close`.
            Err(sqlx::Error::PoolClosed) => Ok(()),
            Err(error) => Err(error),
        };
        writer.close().await;
        checkpointed.map_err(|error| self.name.error(error))
    }
}
