//! Determines the schema version of a file and upgrades it to the version that this program supports.

use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{Connection, SqlSafeStr, SqliteConnection};

use super::error::{SqliteName, is_busy};
use super::{LOCK_PAUSE, MAX_LOCK_ATTEMPTS};
use crate::CatalogError;

/// Number, name and text of every migration, oldest first; the numbers are shared with the other backends.
const MIGRATIONS: [(i64, &str, &str); 9] = [
    (1, "catalogue", include_str!(concat!(env!("OUT_DIR"), "/sqlite/0001_catalogue.sql"))),
    (2, "relabelled", include_str!(concat!(env!("OUT_DIR"), "/sqlite/0002_relabelled.sql"))),
    (3, "journal", include_str!(concat!(env!("OUT_DIR"), "/sqlite/0003_journal.sql"))),
    (4, "runs", include_str!(concat!(env!("OUT_DIR"), "/sqlite/0004_runs.sql"))),
    (5, "turns", include_str!(concat!(env!("OUT_DIR"), "/sqlite/0005_turns.sql"))),
    (6, "clock", include_str!(concat!(env!("OUT_DIR"), "/sqlite/0006_clock.sql"))),
    (7, "state", include_str!(concat!(env!("OUT_DIR"), "/sqlite/0007_state.sql"))),
    (8, "detection state", include_str!(concat!(env!("OUT_DIR"), "/sqlite/0008_detection_state.sql"))),
    (9, "stream details", include_str!(concat!(env!("OUT_DIR"), "/sqlite/0009_stream_details.sql"))),
];

/// Newest schema version that this program supports.
pub(super) const SUPPORTED_SCHEMA: i64 = MIGRATIONS[MIGRATIONS.len() - 1].0;

/// `PRAGMA application_id` of a catalog, set by the first migration.
const APPLICATION_ID: i64 = 1_382_445_678;

/// State of the schema in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SchemaState {
    /// The file is empty.
    Empty,
    /// The schema has an older version.
    Old,
    /// The schema has the supported version.
    Current,
}

/// Creates or upgrades the schema if needed, in one transaction that excludes other processes.
pub(super) async fn ensure_current(
    connection: &mut SqliteConnection,
    name: &SqliteName,
) -> Result<(), CatalogError> {
    // Without a transaction first, so that opening a current file takes no lock and works during a long write.
    if inspect(connection, name).await? == SchemaState::Current {
        return Ok(());
    }
    // Before the transaction, because SQLite cannot turn on the write-ahead log within one.
    use_write_ahead_log(connection, name).await?;
    let mut transaction =
        connection.begin_with("BEGIN IMMEDIATE").await.map_err(|error| name.error(error))?;
    // Again, because another process may have upgraded the file before this one had the lock.
    if inspect(&mut transaction, name).await? != SchemaState::Current {
        migrator().run_direct(None, &mut *transaction, false).await.map_err(|error| failed(name, error))?;
    }
    transaction.commit().await.map_err(|error| name.error(error))
}

/// Checks that a file which cannot be written is a catalog of the current schema.
pub(super) async fn require_current(
    connection: &mut SqliteConnection,
    name: &SqliteName,
) -> Result<(), CatalogError> {
    match inspect(connection, name).await? {
        SchemaState::Current => Ok(()),
        SchemaState::Old => Err(name.read_only()),
        SchemaState::Empty => {
            Err(CatalogError::NotACatalog { catalog: name.0.clone(), reason: "it is empty".into() })
        }
    }
}

/// Reads the identity of the catalog, which the first migration generated.
pub(super) async fn identity(
    connection: &mut SqliteConnection,
    name: &SqliteName,
) -> Result<u128, CatalogError> {
    let value: Option<Vec<u8>> = sqlx::query_scalar("SELECT value FROM meta WHERE name = 'identity'")
        .fetch_optional(connection)
        .await
        .map_err(|error| name.error(error))?;
    let bytes: Option<[u8; 16]> = value.and_then(|value| value.try_into().ok());
    bytes.map(u128::from_be_bytes).ok_or_else(|| name.corrupt("its identity is missing"))
}

async fn inspect(connection: &mut SqliteConnection, name: &SqliteName) -> Result<SchemaState, CatalogError> {
    let (application, objects): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT application_id FROM pragma_application_id), (SELECT count(*) FROM sqlite_schema)",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(|error| name.error(error))?;
    match (application, objects) {
        // Checked before the tables, because another program can have tables of the same names.
        (APPLICATION_ID, _) => {}
        (0, 0) => return Ok(SchemaState::Empty),
        _ => {
            let reason = "it is a database of another program".to_owned();
            return Err(CatalogError::NotACatalog { catalog: name.0.clone(), reason });
        }
    }
    let found: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
        .fetch_one(connection)
        .await
        .map_err(|error| name.error(error))?;
    match found.unwrap_or(0) {
        found if found > SUPPORTED_SCHEMA => {
            Err(CatalogError::TooNew { catalog: name.0.clone(), found, supported: SUPPORTED_SCHEMA })
        }
        SUPPORTED_SCHEMA => Ok(SchemaState::Current),
        _ => Ok(SchemaState::Old),
    }
}

/// Turns on the write-ahead log, which is a persistent setting. SQLite does not wait for locks during this change, so
/// up to [`MAX_LOCK_ATTEMPTS`] attempts are made.
async fn use_write_ahead_log(
    connection: &mut SqliteConnection,
    name: &SqliteName,
) -> Result<(), CatalogError> {
    let mut pause = Duration::ZERO;
    for _ in 0..MAX_LOCK_ATTEMPTS {
        tokio::time::sleep(pause).await;
        pause += LOCK_PAUSE;
        match sqlx::query_scalar::<_, String>("PRAGMA journal_mode = WAL").fetch_one(&mut *connection).await {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(_) => return Err(name.cannot_open("its disk has no shared memory for a write-ahead log")),
            Err(error) if is_busy(&error) => {}
            Err(error) => return Err(name.error(error)),
        }
    }
    Err(CatalogError::Locked { catalog: name.0.clone() })
}

fn migrator() -> Migrator {
    let migrations = MIGRATIONS.iter().map(|&(number, name, text)| {
        Migration::new(number, name.into(), MigrationType::Simple, text.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}

fn failed(name: &SqliteName, error: MigrateError) -> CatalogError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => name.error(error),
        error => CatalogError::Database { catalog: name.0.clone(), source: error.into() },
    }
}
