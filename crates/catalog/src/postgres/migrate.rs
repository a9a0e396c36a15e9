//! What schema a database has, and bringing it to the one that this program knows.

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{Connection, PgConnection, SqlSafeStr};

use super::WRITER_LOCK;
use super::error::Name;
use crate::CatalogError;

/// Number, name and text of every migration, oldest first; numbers are shared with other backends.
const MIGRATIONS: [(i64, &str, &str); 2] = [
    (1, "catalogue", include_str!("../../../../migrations/postgres/0001_catalogue.sql")),
    (2, "relabelled", include_str!("../../../../migrations/postgres/0002_relabelled.sql")),
];

/// Newest schema that this program knows.
const SUPPORTED: i64 = MIGRATIONS[MIGRATIONS.len() - 1].0;

/// Which migrations a catalogue has.
const TABLE: &str = "refrain.schema_versions";

/// PostgreSQL 13: the first that draws random UUIDs by itself.
const OLDEST_SERVER: i32 = 130_000;

/// What a database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Schema {
    /// It has no schema `refrain`.
    Missing,
    /// The schema is there, made for this program, and nothing is in it yet.
    Empty,
    /// An older catalogue.
    Old(i64),
    /// The one that this program knows.
    Current,
}

/// Makes or upgrades the schema where that is needed, and gives the catalogue's identity. All in one transaction,
/// which excludes other processes where something is changed.
///
/// A user that may not do so needs a current one.
pub(super) async fn bring_up_to_date(
    connection: &mut PgConnection,
    name: &Name,
) -> Result<u128, CatalogError> {
    let mut transaction = connection.begin().await.map_err(|error| name.error(error))?;
    check_server(&mut transaction, name).await?;
    let before = inspect(&mut transaction, name).await?;
    if before != Schema::Current {
        upgrade(&mut transaction, name).await.map_err(|error| not_upgraded(before, error))?;
    }
    let identity = identity(&mut transaction, name).await?;
    transaction.commit().await.map_err(|error| name.error(error))?;
    Ok(identity)
}

fn not_upgraded(before: Schema, error: CatalogError) -> CatalogError {
    let Schema::Old(found) = before else { return error };
    let (catalog, detail) = match error {
        CatalogError::NotAllowed { catalog, detail } => {
            (catalog, format!("its user may not upgrade it ({detail})"))
        }
        CatalogError::ReadOnly { catalog, .. } => (catalog, "its server may only be read".to_owned()),
        error => return error,
    };
    CatalogError::TooOld { catalog, found, supported: SUPPORTED, detail }
}

/// Reads the identity that the first migration drew.
async fn identity(connection: &mut PgConnection, name: &Name) -> Result<u128, CatalogError> {
    let value: Option<Vec<u8>> = sqlx::query_scalar("SELECT value FROM refrain.meta WHERE name = 'identity'")
        .fetch_optional(connection)
        .await
        .map_err(|error| name.error(error))?;
    let bytes: Option<[u8; 16]> = value.and_then(|value| value.try_into().ok());
    bytes.map(u128::from_be_bytes).ok_or_else(|| name.corrupt("its identity is missing"))
}

async fn upgrade(connection: &mut PgConnection, name: &Name) -> Result<(), CatalogError> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(WRITER_LOCK)
        .execute(&mut *connection)
        .await
        .map_err(|error| name.error(error))?;
    // Another process may have been faster.
    let now = inspect(connection, name).await?;
    if now == Schema::Missing {
        sqlx::query("CREATE SCHEMA refrain")
            .execute(&mut *connection)
            .await
            .map_err(|error| name.error(error))?;
    }
    if now != Schema::Current {
        migrator().run_direct(None, connection, false).await.map_err(|error| failed(name, error))?;
    }
    Ok(())
}

/// Texts are in every script, so a database of another encoding would refuse some of them later.
async fn check_server(connection: &mut PgConnection, name: &Name) -> Result<(), CatalogError> {
    let (version, shown, encoding): (i32, String, String) = sqlx::query_as(
        "SELECT current_setting('server_version_num')::int, current_setting('server_version'), \
         current_setting('server_encoding')",
    )
    .fetch_one(connection)
    .await
    .map_err(|error| name.error(error))?;
    if version < OLDEST_SERVER {
        let oldest = OLDEST_SERVER / 10_000;
        return Err(
            name.cannot_open(format!("its server is PostgreSQL {shown}; {oldest} is the oldest supported"))
        );
    }
    if encoding != "UTF8" {
        return Err(name.cannot_open(format!(
            "its encoding is {encoding}; make a database with createdb --encoding=UTF8 --template=template0"
        )));
    }
    Ok(())
}

async fn inspect(connection: &mut PgConnection, name: &Name) -> Result<Schema, CatalogError> {
    // By the system's tables, which everybody may read: what is missing there is missing, not forbidden.
    let (schema, versions, objects): (bool, bool, i64) = sqlx::query_as(
        "SELECT n.oid IS NOT NULL, coalesce(bool_or(c.relname = 'schema_versions'), false), count(c.oid) \
         FROM (SELECT 1) AS always LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = 'refrain' \
         LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid GROUP BY n.oid",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(|error| name.error(error))?;
    match (schema, versions, objects) {
        (false, _, _) => return Ok(Schema::Missing),
        (true, true, _) => {}
        (true, false, 0) => return Ok(Schema::Empty),
        (true, false, _) => {
            let reason = "its schema refrain belongs to another program".to_owned();
            return Err(CatalogError::NotACatalog { catalog: name.url.clone(), reason });
        }
    }
    let found: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM refrain.schema_versions")
        .fetch_one(connection)
        .await
        .map_err(|error| name.error(error))?;
    match found.unwrap_or(0) {
        found if found > SUPPORTED => {
            Err(CatalogError::TooNew { catalog: name.url.clone(), found, supported: SUPPORTED })
        }
        SUPPORTED => Ok(Schema::Current),
        found => Ok(Schema::Old(found)),
    }
}

fn migrator() -> Migrator {
    let migrations = MIGRATIONS.iter().map(|&(number, name, text)| {
        Migration::new(number, name.into(), MigrationType::Simple, text.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    migrator.dangerous_set_table_name(TABLE);
    // The transaction holds a lock already; sqlx's own belongs to a session, which a pooler may take away.
    migrator.set_locking(false);
    migrator
}

fn failed(name: &Name, error: MigrateError) -> CatalogError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => name.error(error),
        error => CatalogError::Database { catalog: name.url.clone(), source: error.into() },
    }
}
