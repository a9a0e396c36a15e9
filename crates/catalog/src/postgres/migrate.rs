//! Determines the schema version of a database and upgrades it to the version that this program supports.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Connection, Executor, FromRow, PgConnection, Row, SqlSafeStr};

use super::WRITER_LOCK;
use super::error::PostgresName;
use super::transaction::Statement;
use crate::CatalogError;

/// Number, name and text of every migration, oldest first; the numbers are shared with the other backends.
const MIGRATIONS: [(i64, &str, &str); 9] = [
    (1, "catalogue", include_str!(concat!(env!("OUT_DIR"), "/postgres/0001_catalogue.sql"))),
    (2, "relabelled", include_str!(concat!(env!("OUT_DIR"), "/postgres/0002_relabelled.sql"))),
    (3, "journal", include_str!(concat!(env!("OUT_DIR"), "/postgres/0003_journal.sql"))),
    (4, "runs", include_str!(concat!(env!("OUT_DIR"), "/postgres/0004_runs.sql"))),
    (5, "turns", include_str!(concat!(env!("OUT_DIR"), "/postgres/0005_turns.sql"))),
    (6, "clock", include_str!(concat!(env!("OUT_DIR"), "/postgres/0006_clock.sql"))),
    (7, "state", include_str!(concat!(env!("OUT_DIR"), "/postgres/0007_state.sql"))),
    (8, "detection state", include_str!(concat!(env!("OUT_DIR"), "/postgres/0008_detection_state.sql"))),
    (9, "stream details", include_str!(concat!(env!("OUT_DIR"), "/postgres/0009_stream_details.sql"))),
];

/// Newest schema version that this program supports.
const SUPPORTED_SCHEMA: i64 = MIGRATIONS[MIGRATIONS.len() - 1].0;

/// Creates the table of the migrations that were applied to a catalog.
const VERSIONS: &str = "CREATE TABLE refrain.schema_versions (
    version      bigint PRIMARY KEY,
    name         text NOT NULL,
    installed_at timestamptz NOT NULL DEFAULT now()
)";

/// Oldest supported server version: PostgreSQL 13, the first with a built-in function for random UUIDs.
const MIN_SERVER_VERSION: i32 = 130_000;

/// State of the schema in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SchemaState {
    /// There is no schema `refrain`.
    Missing,
    /// The schema `refrain` exists and is empty.
    Empty,
    /// The schema has an older version.
    Old(i64),
    /// The schema has the supported version.
    Current,
}

/// Upgrades the schema if needed, or creates it if `create` is true, and returns the identity of the catalog.
/// Everything happens in one transaction, which excludes other writers if it changes something.
///
/// If the user has no privilege to change the schema, the schema must already have the supported version.
pub(super) async fn ensure_current(
    connection: &mut PgConnection,
    begin: Arc<str>,
    create: bool,
    name: &PostgresName,
) -> Result<u128, CatalogError> {
    let transaction = connection.begin_with(AssertSqlSafe(begin)).await;
    let mut transaction = transaction.map_err(|error| name.error(error))?;
    // The server is checked first, because an old one would fail with a syntax error in a migration.
    check_server(&mut transaction, name).await?;
    let before = inspect(&mut transaction, name).await?;
    if !create && matches!(before, SchemaState::Missing | SchemaState::Empty) {
        return Err(CatalogError::NoCatalog { catalog: name.url.clone() });
    }
    // A user who may only read can open a current schema, because nothing is written and no lock is taken.
    if before != SchemaState::Current {
        upgrade(&mut transaction, name).await.map_err(|error| not_upgraded(before, error))?;
    }
    // In the same transaction, so that the identity belongs to the schema that was checked.
    let identity = identity(&mut transaction, name).await?;
    transaction.commit().await.map_err(|error| name.error(error))?;
    Ok(identity)
}

fn not_upgraded(before: SchemaState, error: CatalogError) -> CatalogError {
    let SchemaState::Old(found) = before else { return error };
    let (catalog, detail) = match error {
        // Only these two errors mean that another user has to upgrade the schema; all others are reported as they are.
        CatalogError::NotAllowed { catalog, detail } => {
            (catalog, format!("its user may not upgrade it ({detail})"))
        }
        CatalogError::ReadOnly { catalog, .. } => (catalog, "its server is read-only".to_owned()),
        error => return error,
    };
    CatalogError::TooOld { catalog, found, supported: SUPPORTED_SCHEMA, detail }
}

/// Reads the identity of the catalog, which the first migration generated.
async fn identity(connection: &mut PgConnection, name: &PostgresName) -> Result<u128, CatalogError> {
    let sql = "SELECT value FROM refrain.meta WHERE name = 'identity'";
    let row = connection.fetch_optional(once(sql)).await;
    let value = row.and_then(|row| row.map(|row| row.try_get::<Vec<u8>, _>(0)).transpose());
    let bytes: Option<[u8; 16]> =
        value.map_err(|error| name.error(error))?.and_then(|value| value.try_into().ok());
    bytes.map(u128::from_be_bytes).ok_or_else(|| name.corrupt("its identity is missing"))
}

/// Applies the missing migrations. The migrator of sqlx is not used, because it leaves prepared statements in the
/// session, which a pooler passes on to other clients.
async fn upgrade(connection: &mut PgConnection, name: &PostgresName) -> Result<(), CatalogError> {
    // The lock of all writers: none of them sees a schema that is half upgraded.
    let lock = format!("SELECT pg_advisory_xact_lock({WRITER_LOCK})");
    run(connection, AssertSqlSafe(lock), name).await?;
    // Another process may have upgraded the schema in the meantime.
    let now = inspect(connection, name).await?;
    if now == SchemaState::Missing {
        run(connection, "CREATE SCHEMA refrain", name).await?;
    }
    let found = match now {
        SchemaState::Current => return Ok(()),
        SchemaState::Old(found) => found,
        SchemaState::Missing | SchemaState::Empty => {
            run(connection, VERSIONS, name).await?;
            0
        }
    };
    for (number, title, text) in MIGRATIONS.into_iter().filter(|migration| migration.0 > found) {
        // DDL is transactional in PostgreSQL, so a failure in the last migration also undoes the first one.
        run(connection, text, name).await?;
        let sql = "INSERT INTO refrain.schema_versions (version, name) VALUES ($1, $2)";
        let done = connection.execute(once(sql).bind(number).bind(title)).await;
        done.map_err(|error| name.error(error))?;
    }
    Ok(())
}

async fn run(
    connection: &mut PgConnection,
    sql: impl SqlSafeStr,
    name: &PostgresName,
) -> Result<(), CatalogError> {
    sqlx::raw_sql(sql).execute(connection).await.map(drop).map_err(|error| name.error(error))
}

/// Creates a query that leaves no prepared statement in the session.
fn once(sql: &'static str) -> Statement {
    sqlx::query(sql).persistent(false)
}

/// Checks the version and the encoding of the server. Tracks contain texts in any script, so a database with another
/// encoding would reject some of them later.
async fn check_server(connection: &mut PgConnection, name: &PostgresName) -> Result<(), CatalogError> {
    let row = connection
        .fetch_one(once(
            "SELECT current_setting('server_version_num')::int, current_setting('server_version'), \
             current_setting('server_encoding')",
        ))
        .await;
    let read: Result<(i32, String, String), _> = row.and_then(|row| FromRow::from_row(&row));
    let (version, shown, encoding) = read.map_err(|error| name.error(error))?;
    if version < MIN_SERVER_VERSION {
        let oldest = MIN_SERVER_VERSION / 10_000;
        return Err(
            name.cannot_open(format!("its server is PostgreSQL {shown}; the oldest supported is {oldest}"))
        );
    }
    if encoding != "UTF8" {
        return Err(name.cannot_open(format!(
            "its encoding is {encoding}; make a database with createdb --encoding=UTF8 --template=template0"
        )));
    }
    Ok(())
}

async fn inspect(connection: &mut PgConnection, name: &PostgresName) -> Result<SchemaState, CatalogError> {
    // Reads the system tables, which every user can read: a table that is not listed there does not exist.
    let row = connection
        .fetch_one(once(
            "SELECT n.oid IS NOT NULL, coalesce(bool_or(c.relname = 'schema_versions'), false), count(c.oid) \
             FROM (SELECT 1) AS always LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = 'refrain' \
             LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid GROUP BY n.oid",
        ))
        .await;
    let read: Result<(bool, bool, i64), _> = row.and_then(|row| FromRow::from_row(&row));
    let (schema, versions, objects) = read.map_err(|error| name.error(error))?;
    match (schema, versions, objects) {
        (false, _, _) => return Ok(SchemaState::Missing),
        (true, true, _) => {}
        (true, false, 0) => return Ok(SchemaState::Empty),
        (true, false, _) => {
            let reason = "its schema refrain belongs to another program".to_owned();
            return Err(CatalogError::NotACatalog { catalog: name.url.clone(), reason });
        }
    }
    let row = connection.fetch_one(once("SELECT max(version) FROM refrain.schema_versions")).await;
    let found: Result<Option<i64>, _> = row.and_then(|row| row.try_get(0));
    let found = found.map_err(|error| name.error(error))?;
    match found.unwrap_or(0) {
        found if found > SUPPORTED_SCHEMA => {
            Err(CatalogError::TooNew { catalog: name.url.clone(), found, supported: SUPPORTED_SCHEMA })
        }
        SUPPORTED_SCHEMA => Ok(SchemaState::Current),
        found => Ok(SchemaState::Old(found)),
    }
}
