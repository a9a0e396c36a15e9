//! The search index as rows of `refrain.postings`.
//!
//! `pack` makes a run of new tracks and `merge` makes one run of several, each in one transaction, so that a reader
//! sees all of a run or nothing. Packing and merging hold different locks, so that new tracks need not wait for a
//! merge. The statements of this module are not prepared under a name: they are rare, and behind PgBouncer a session is
//! shared with other clients.

mod choose;
mod merge;
mod pack;
mod store;

use std::sync::Arc;

use refrain_catalog::postgres::{PostgresCatalog, Transaction, copy_in};
use refrain_catalog::{Catalog, CatalogError};
use refrain_core::index::rows::{Row, RowIndex, RowStore, RowTrack, RunShape};
use sqlx::PgConnection;

use crate::result::SyncError;

/// Key of the advisory lock for packing: "refrunsP".
const PACK_LOCK: i64 = i64::from_be_bytes(*b"refrunsP");
/// Key of the advisory lock for merging: "refrunsM".
const MERGE_LOCK: i64 = i64::from_be_bytes(*b"refrunsM");

/// An index whose rows are in the database of the catalog. A search blocks its thread while it waits for the database,
/// so it must run outside the worker threads of the async runtime.
pub type DatabaseIndex = RowIndex<Box<dyn RowStore>>;

/// The search index in the database of a catalog. Like index files, it is derived from the constellations, follows the
/// changes, and can be deleted at any time.
#[derive(Debug, Clone)]
pub struct IndexRows {
    catalog: Arc<PostgresCatalog>,
}

impl IndexRows {
    /// Returns the index of a catalog, or `None` if its database does not support index rows.
    #[must_use]
    pub fn of(catalog: &Arc<dyn Catalog>) -> Option<Self> {
        Some(Self { catalog: Arc::clone(catalog).postgres()? })
    }

    /// Opens the index for searching. Returns the index and the change number that the index has reached. Must be
    /// called within the runtime in which the catalog was opened.
    ///
    /// # Errors
    /// [`SyncError::Catalog`] if the database is unavailable.
    pub async fn open(&self) -> Result<(DatabaseIndex, u64), SyncError> {
        store::open(Arc::clone(&self.catalog)).await
    }

    /// Empties the index; [`Self::pack`] rebuilds it from the constellations.
    ///
    /// # Errors
    /// [`CatalogError`] if the database is unavailable or denies access.
    pub async fn reset(&self) -> Result<(), CatalogError> {
        let mut transaction = self.catalog.begin().await?;
        // Both locks, and in the order in which a merge takes them, so that the two cannot deadlock.
        self.lock(&mut transaction, MERGE_LOCK).await?;
        self.lock(&mut transaction, PACK_LOCK).await?;
        let sql = "TRUNCATE refrain.postings, refrain.run_tracks, refrain.runs; \
             UPDATE refrain.search SET position = 0, generation = generation + 1, tracks = 0, units = 0, groups = ''";
        let done = sqlx::raw_sql(sql).execute(&mut *transaction).await;
        done.map_err(|error| self.catalog.error(error))?;
        self.catalog.commit(transaction).await
    }

    /// Takes an advisory lock until the end of the transaction.
    async fn lock(&self, transaction: &mut Transaction, key: i64) -> Result<(), CatalogError> {
        let statement = sqlx::query("SELECT pg_advisory_xact_lock($1)").persistent(false).bind(key);
        statement.execute(&mut **transaction).await.map(drop).map_err(|error| self.catalog.error(error))
    }
}

/// Returns a number for a new run.
async fn new_run(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar("SELECT nextval('refrain.runs_run_seq')::integer")
        .persistent(false)
        .fetch_one(connection)
        .await
}

/// Writes the description of a run and of its tracks.
async fn insert_run(
    connection: &mut PgConnection,
    run: i32,
    shape: RunShape,
    postings: u64,
    tracks: &[RowTrack],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO refrain.runs (run, bucket_bits, time_bits, postings, tracks) OVERRIDING SYSTEM VALUE \
         VALUES ($1, $2, $3, $4, $5)",
    )
    .persistent(false)
    .bind(run)
    .bind(i16::from(shape.bucket_bits))
    .bind(i16::from(shape.time_bits))
    .bind(postings.cast_signed())
    .bind(i32::try_from(tracks.len()).unwrap_or(i32::MAX))
    .execute(&mut *connection)
    .await?;
    // Unsigned 32-bit values do not fit into `integer`.
    let column = |of: fn(&RowTrack) -> u32| tracks.iter().map(|t| i64::from(of(t))).collect::<Vec<_>>();
    sqlx::query(
        "INSERT INTO refrain.run_tracks (run, start, length, track) \
         SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[])",
    )
    .persistent(false)
    .bind(run)
    .bind(column(|track| track.start))
    .bind(column(|track| track.length))
    .bind(column(|track| track.track.0))
    .execute(connection)
    .await
    .map(drop)
}

/// Minimum number of rows, about 1.5 MB, that are written by `COPY` instead of `INSERT`. The end of a copy takes 40
/// ms. At half this value, small batches have this pause too; at twice this value, batches of up to 3 MB do not use the
/// faster copy.
const COPY_MIN_ROWS: usize = 1000;
/// Maximum number of rows per `INSERT`, about 15 MB. At half this value, a batch takes twice as many round trips; at
/// twice this value, the driver and the server each hold 30 MB for the parameters.
const MAX_INSERT_ROWS: usize = 10_000;

/// Writes rows of a run.
async fn insert_rows(connection: &mut PgConnection, run: i32, rows: &[Row]) -> Result<(), sqlx::Error> {
    if rows.len() >= COPY_MIN_ROWS && !is_spread(connection).await? {
        let sql = "COPY refrain.postings (bucket, run, packed) FROM STDIN (FORMAT binary)";
        return copy_in(connection, sql, rows.iter(), |out, row| {
            let bucket = row.bucket.cast_signed();
            out.row(3).value(&bucket.to_be_bytes()).value(&run.to_be_bytes()).value(&row.packed);
        })
        .await;
    }
    for rows in rows.chunks(MAX_INSERT_ROWS) {
        let sql = "INSERT INTO refrain.postings (bucket, run, packed) \
             SELECT b, $1, p FROM unnest($2::integer[], $3::bytea[]) AS r (b, p)";
        let buckets: Vec<i32> = rows.iter().map(|row| row.bucket.cast_signed()).collect();
        let packed: Vec<&[u8]> = rows.iter().map(|row| row.packed.as_slice()).collect();
        let query = sqlx::query(sql).persistent(false).bind(run).bind(buckets).bind(packed);
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Returns true if partitions of `refrain.postings` are on other servers. Before PostgreSQL 16, a copy sends each row
/// to such a partition separately and waits for the response.
async fn is_spread(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_foreign_table f \
         ON f.ftrelid = i.inhrelid WHERE i.inhparent = 'refrain.postings'::regclass)";
    sqlx::query_scalar(sql).persistent(false).fetch_one(connection).await
}

/// Encodes the number of postings of each group of buckets, as it is stored in `refrain.search`.
fn groups_to_bytes(groups: &[u32]) -> Vec<u8> {
    groups.iter().flat_map(|count| count.to_le_bytes()).collect()
}

fn groups_from_bytes(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect()
}
