//! Reads the rows of the index for searches.

use std::sync::Arc;

use refrain_catalog::CatalogError;
use refrain_catalog::postgres::PostgresCatalog;
use refrain_core::index::TrackNumber;
use refrain_core::index::rows::{
    ROWS_VERSION, Row, RowCandidate, RowError, RowIndex, RowPosition, RowStore, RunRow, RunShape,
};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use tokio::runtime::Handle;

use super::DatabaseIndex;
use super::groups_from_bytes;
use crate::result::SyncError;

/// Reads the rows of the index for searches. Each read blocks the calling thread.
struct PostgresRowStore {
    catalog: Arc<PostgresCatalog>,
    runtime: Handle,
    /// Generation of the index at the time when it was opened.
    generation: i64,
}

pub(super) async fn open(catalog: Arc<PostgresCatalog>) -> Result<(DatabaseIndex, u64), SyncError> {
    // The query can be retried, because it changes nothing.
    let row = catalog.retried(|| read_state(&catalog)).await?;
    let fail = |error| catalog.error(error);
    let (numbers, buckets, times): (Vec<i32>, Vec<i16>, Vec<i16>) = (
        row.try_get("runs").map_err(fail)?,
        row.try_get("bucket_bits").map_err(fail)?,
        row.try_get("time_bits").map_err(fail)?,
    );
    let shape =
        |(bucket, time): (&i16, &i16)| RunShape { bucket_bits: *bucket as u8, time_bits: *time as u8 };
    let shapes = buckets.iter().zip(&times).map(shape);
    let runs: Vec<(u64, RunShape)> = numbers.iter().map(|run| *run as u64).zip(shapes).collect();
    let number = |name: &str| row.try_get::<i64, _>(name).map_err(fail);
    let (position, generation) = (number("position")?.cast_unsigned(), number("generation")?);
    let (tracks, units) = (number("tracks")?, number("units")?);
    let groups = groups_from_bytes(row.try_get("groups").map_err(fail)?);
    let scheme: i32 = row.try_get("scheme").map_err(fail)?;
    let is_current = scheme == ROWS_VERSION;
    let store = PostgresRowStore { catalog: Arc::clone(&catalog), runtime: Handle::current(), generation };
    let store: Box<dyn RowStore> = Box::new(store);
    // Rows of another version cannot be read, so the index is empty until the next packing has rebuilt them.
    let index = if is_current {
        RowIndex::new(store, runs, groups, tracks.max(0) as usize, units.max(0).cast_unsigned())
    } else {
        RowIndex::new(store, Vec::new(), Vec::new(), 0, 0)
    };
    Ok((index, if is_current { position } else { 0 }))
}

/// Reads the state of the index (the row of `refrain.search`, and the runs) with one statement, so that its parts are
/// consistent.
async fn read_state(catalog: &PostgresCatalog) -> Result<PgRow, CatalogError> {
    let sql = "SELECT s.position, s.generation, s.scheme, s.tracks, s.units, s.groups, r.runs, r.bucket_bits, r.time_bits \
         FROM refrain.search s, (SELECT coalesce(array_agg(run ORDER BY run), '{}') AS runs, \
         coalesce(array_agg(bucket_bits ORDER BY run), '{}') AS bucket_bits, \
         coalesce(array_agg(time_bits ORDER BY run), '{}') AS time_bits FROM refrain.runs WHERE NOT dropped) r";
    let rows = catalog.fetch_all(catalog.query(sql)).await?;
    rows.into_iter().next().ok_or_else(|| catalog.corrupt("refrain.search is empty"))
}

impl RowStore for PostgresRowStore {
    fn rows(&self, buckets: &[u32]) -> Result<Vec<RunRow>, RowError> {
        let buckets: Vec<i32> = buckets.iter().map(|bucket| bucket.cast_signed()).collect();
        self.wait(|| self.read_rows(&buckets))
    }

    fn locate(
        &self,
        positions: &[RowPosition],
        most: usize,
        known: &[TrackNumber],
    ) -> Result<Vec<RowCandidate>, RowError> {
        self.wait(|| self.read_candidates(positions, most, known))
    }
}

/// The result of a query, or `None` if the runs have been replaced since the index was opened.
type RowsResult<T> = Result<Option<T>, CatalogError>;

impl PostgresRowStore {
    fn wait<T, F: Future<Output = RowsResult<T>>>(&self, statement: impl Fn() -> F) -> Result<T, RowError> {
        // Blocking is allowed, because searches run on threads outside of the runtime.
        match self.runtime.block_on(self.catalog.retried(statement)) {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(RowError::Stale),
            Err(error) => Err(RowError::Failed(error.into())),
        }
    }

    /// Reads the rows of `buckets` and the generation of the index with one statement, so that both are consistent.
    async fn read_rows(&self, buckets: &[i32]) -> RowsResult<Vec<RunRow>> {
        let sql = "SELECT s.generation, p.bucket, p.run, p.packed \
             FROM refrain.search s LEFT JOIN refrain.postings p ON p.bucket = ANY($1)";
        let rows = self.catalog.fetch_all(self.catalog.query(sql).bind(buckets.to_vec())).await?;
        let read = |row: &PgRow| -> Result<Option<RunRow>, sqlx::Error> {
            let Some(bucket) = row.try_get::<Option<i32>, _>(1)? else { return Ok(None) };
            let (run, packed): (i32, Vec<u8>) = (row.try_get(2)?, row.try_get(3)?);
            Ok(Some(RunRow { run: run as u64, row: Row { bucket: bucket.cast_unsigned(), packed } }))
        };
        self.current(&rows, read)
    }

    async fn read_candidates(
        &self,
        positions: &[RowPosition],
        most: usize,
        known: &[TrackNumber],
    ) -> RowsResult<Vec<RowCandidate>> {
        // Equal votes are ordered by track and then by position in the track, so that the order does not depend on the
        // runs. Each constellation is sent once.
        let sql = "WITH spot AS (SELECT * FROM unnest($1::int[], $2::int[], $3::bigint[], $4::int[]) WITH ORDINALITY \
             AS s (list, run, place, votes, spot)), \
             placed AS (SELECT s.spot, s.list, t.track, t.start, row_number() OVER \
             (PARTITION BY s.list ORDER BY s.votes DESC, t.track, s.place - t.start) AS rank \
             FROM spot s CROSS JOIN LATERAL (SELECT r.track, r.start FROM refrain.run_tracks r \
             WHERE r.run = s.run AND r.start <= s.place ORDER BY r.start DESC LIMIT 1) t \
             WHERE EXISTS (SELECT 1 FROM refrain.constellations c WHERE c.track = t.track)), \
             best AS (SELECT *, row_number() OVER (PARTITION BY track ORDER BY list, rank) AS time \
             FROM placed WHERE rank <= $5) \
             SELECT s.generation, b.spot, b.track, b.start, c.packed FROM refrain.search s LEFT JOIN best b ON true \
             LEFT JOIN refrain.constellations c ON c.track = b.track AND b.time = 1 AND b.track <> ALL($6) \
             ORDER BY b.list, b.rank";
        let column = |value: fn(&RowPosition) -> i32| positions.iter().map(value).collect::<Vec<_>>();
        let places: Vec<i64> = positions.iter().map(|position| i64::from(position.place)).collect();
        let known: Vec<i64> = known.iter().map(|track| i64::from(track.0)).collect();
        let statement = self
            .catalog
            .query(sql)
            .bind(column(|position| position.list.cast_signed()))
            .bind(column(|position| position.run as i32))
            .bind(places)
            .bind(column(|position| position.votes.cast_signed()))
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .bind(known);
        let rows = self.catalog.fetch_all(statement).await?;
        let read = |row: &PgRow| -> Result<Option<RowCandidate>, sqlx::Error> {
            let Some(position) = row.try_get::<Option<i64>, _>(1)? else { return Ok(None) };
            let (track, start): (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
            let track = track_number(track)?;
            let packed = row.try_get(4)?;
            Ok(Some(RowCandidate { position: position as usize - 1, track, start: start as u32, packed }))
        };
        self.current(&rows, read)
    }

    /// Converts `rows`, whose first column is the generation, with `read`, which returns `None` for a row without a
    /// result. Returns `None` if a row has another generation than the opened index.
    fn current<T>(
        &self,
        rows: &[PgRow],
        read: impl Fn(&PgRow) -> Result<Option<T>, sqlx::Error>,
    ) -> RowsResult<Vec<T>> {
        let fail = |error| self.catalog.error(error);
        let mut all = Vec::with_capacity(rows.len());
        for row in rows {
            // A merge has replaced runs since the index was opened, so rows of the old runs may be missing from this
            // result.
            if row.try_get::<i64, _>(0).map_err(fail)? != self.generation {
                return Ok(None);
            }
            all.extend(read(row).map_err(fail)?);
        }
        Ok(Some(all))
    }
}

/// Converts the number of a track from a `bigint` column. Returns an error if it does not fit into 32 bits.
fn track_number(stored: i64) -> Result<TrackNumber, sqlx::Error> {
    u32::try_from(stored).map(TrackNumber).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
