//! Facts about the state of a catalog file.

use std::path::Path;

use super::SqliteCatalog;
use super::migrate::SUPPORTED_SCHEMA;
use super::open::with_suffix;
use crate::health::size;
use crate::{CatalogError, Fact, HealthLevel};

/// Size in bytes from which the size of the write-ahead log is a warning. SQLite empties the log from 4 MB on, except
/// while a process keeps reading an old state. A log of this size has not been emptied for a long time. At half this
/// value, one large import can be reported; at twice this value, twice as much of the disk is in use before the
/// warning.
const LARGE_LOG_BYTES: u64 = 1 << 30;

impl SqliteCatalog {
    pub(super) async fn check_health(&self, thorough: bool) -> Result<Vec<Fact>, CatalogError> {
        let mut facts = vec![
            Fact::fine("schema version", SUPPORTED_SCHEMA.to_string()),
            self.file_size(),
            self.journal_mode().await?,
            // Tested with a change that is rolled back, because permissions of the folder and read-only disks matter as
            // well as those of the file.
            self.rights().await?,
            Fact::pending_comparisons(self.fetch_value("SELECT count(*) FROM pending_comparisons").await?),
        ];
        if thorough {
            let integrity = self.integrity().await?;
            // Queries of a damaged file can fail or return wrong counts, so they are left out then.
            let is_intact = integrity.health == HealthLevel::Fine;
            facts.push(integrity);
            if is_intact {
                facts.push(self.lost_constellations().await?);
            }
        }
        Ok(facts)
    }

    fn file_size(&self) -> Fact {
        // A missing log counts as empty: a catalog that is opened for reading may have none.
        let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        let (file, log) = (bytes(&self.path), bytes(&with_suffix(&self.path, "-wal")));
        let value = format!("{}, and {} in its log", size(file), size(log));
        if log < LARGE_LOG_BYTES {
            return Fact::fine("file size", value);
        }
        Fact::warning(
            "file size",
            value,
            "end the process that has been reading it for long; the log can then be emptied",
        )
    }

    async fn journal_mode(&self) -> Result<Fact, CatalogError> {
        let mode: String = self.fetch_value("PRAGMA journal_mode").await?;
        Ok(match mode.as_str() {
            "wal" => Fact::fine("journal mode", mode),
            _ => Fact::warning(
                "journal mode",
                mode,
                "readers and writers wait for each other; open it once where its folder can be written",
            ),
        })
    }

    async fn rights(&self) -> Result<Fact, CatalogError> {
        match self.try_to_write().await {
            Ok(()) => Ok(Fact::fine("may write tracks", "yes")),
            // Locked by a writer, so the file can be written.
            Err(CatalogError::Locked { .. }) => {
                Ok(Fact::fine("may write tracks", "yes, after another process has finished writing"))
            }
            Err(CatalogError::ReadOnly { .. }) => Ok(Fact::warning(
                "may write tracks",
                "no",
                "allow writing to the file and its folder, unless it is only to be searched",
            )),
            Err(error) => Err(error),
        }
    }

    /// Makes a change and rolls it back: a read-only file can be opened, and only the first change to it fails.
    async fn try_to_write(&self) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        let written = sqlx::query("UPDATE meta SET value = value").execute(&mut *transaction).await;
        written.map_err(|error| self.name.error(error))?;
        transaction.rollback().await.map_err(|error| self.name.error(error))
    }

    async fn integrity(&self) -> Result<Fact, CatalogError> {
        let advice = "restore a copy, or export the readable tracks into a new catalog";
        match self.fetch_value::<String>("PRAGMA quick_check(1)").await {
            Ok(found) if found == "ok" => Ok(Fact::fine("integrity", found)),
            Ok(detail) | Err(CatalogError::Corrupt { detail, .. }) => {
                Ok(Fact::failing("integrity", detail.replace('\n', " "), advice))
            }
            Err(error) => Err(error),
        }
    }

    async fn lost_constellations(&self) -> Result<Fact, CatalogError> {
        let sql = "SELECT count(*) FROM tracks t WHERE removed_at IS NULL \
                   AND NOT EXISTS (SELECT 1 FROM constellations c WHERE c.track = t.number)";
        Ok(Fact::without_constellation(self.fetch_value(sql).await?))
    }

    async fn fetch_value<T>(&self, sql: &'static str) -> Result<T, CatalogError>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite> + Send + Unpin,
    {
        sqlx::query_scalar(sql).fetch_one(&self.readers).await.map_err(|error| self.name.error(error))
    }
}
