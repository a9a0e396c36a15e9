//! Queries in both backends of the index.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use refrain_benches::synthetic::{CLEAN, Degradation, DrawnSong, NOISY, Random, query};
use refrain_catalog::Catalog;
use refrain_core::fingerprint::{Constellation, Density};
use refrain_core::index::rows::{RowCandidate, RowError, RowIndex, RowPosition, RowStore, RunRow};
use refrain_core::index::{Snapshot, TrackNumber};
use refrain_core::matching::{MatchSettings, Matches, identify, identify_rows};
use tokio::runtime::Runtime;

use super::{CatalogOptions, TRACK_SECONDS, drawn};

/// Length of a query in seconds.
const QUERY_SECONDS: f64 = 10.0;
/// First seed of unknown songs: greater than all seeds of tracks.
const UNKNOWN: u64 = 1 << 40;

/// Results of the queries of one kind.
#[derive(Default)]
struct QueryTimes {
    times: Vec<Duration>,
    right: u32,
    wrong: u32,
}

impl QueryTimes {
    fn take(&mut self, took: Duration, matches: &Matches, start: Option<f64>) {
        self.times.push(took);
        for found in &matches.found {
            let shift = found.reference_start - found.query_start;
            let right = start.is_some_and(|start| (shift - start).abs() < 0.1);
            self.right += u32::from(right);
            self.wrong += u32::from(!right);
        }
    }

    fn line(&mut self, backend: &str, kind: &str) -> String {
        self.times.sort_unstable();
        let n = self.times.len();
        let at = |part: f64| self.times[((n as f64 * part) as usize).min(n - 1)].as_secs_f64() * 1e3;
        format!(
            "{backend}: {kind:8} wall clock ms: median {:7.1}  p95 {:7.1}  most {:7.1} | right {}/{n}, wrong {}",
            at(0.5),
            at(0.95),
            at(1.0),
            self.right,
            self.wrong
        )
    }
}

/// Returns query number `n`, and its start in the track in seconds: an excerpt of a random track with `degradation`. If
/// `degradation` is `None`, the query is an unknown song, and the start is `None`.
fn make_query(
    options: &CatalogOptions,
    degradation: Option<Degradation>,
    n: u32,
) -> (Constellation, Option<f64>) {
    let mut random = Random::new(UNKNOWN + u64::from(n));
    let number = random.below(options.tracks as usize) as u32;
    let start = (random.unit() * (TRACK_SECONDS - QUERY_SECONDS)).floor();
    match degradation {
        Some(degradation) => {
            (query(&drawn(number), start, QUERY_SECONDS, degradation, u64::from(n)), Some(start))
        }
        None => {
            let unknown = DrawnSong::new(UNKNOWN + u64::from(n));
            (unknown.constellation(QUERY_SECONDS, Density::Query), None)
        }
    }
}

/// Kinds of query: the name, and the degradation of an excerpt of a track; `None` for an unknown song.
const KINDS: [(&str, Option<Degradation>); 3] =
    [("clean", Some(CLEAN)), ("noisy", Some(NOISY)), ("unknown", None)];

/// Number of statements, rows and bytes that a query reads from the database, and the time that it waits for the
/// database.
#[derive(Debug, Default, Clone, Copy)]
struct QueryCost {
    statements: usize,
    rows: usize,
    bytes: usize,
    waited: Duration,
}

/// A row store that reads from another row store and counts statements, rows and bytes.
struct CountingStore<'a> {
    store: &'a dyn RowStore,
    cost: std::sync::Mutex<QueryCost>,
}

impl CountingStore<'_> {
    fn count(&self, rows: usize, bytes: usize, start: Instant) {
        let mut cost = self.cost.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        cost.statements += 1;
        cost.rows += rows;
        cost.bytes += bytes;
        cost.waited += start.elapsed();
    }
}

impl RowStore for CountingStore<'_> {
    fn rows(&self, buckets: &[u32]) -> Result<Vec<RunRow>, RowError> {
        let start = Instant::now();
        let rows = self.store.rows(buckets)?;
        self.count(rows.len(), rows.iter().map(|row| row.row.packed.len()).sum(), start);
        Ok(rows)
    }

    fn locate(
        &self,
        positions: &[RowPosition],
        limit: usize,
        known: &[TrackNumber],
    ) -> Result<Vec<RowCandidate>, RowError> {
        let start = Instant::now();
        let found = self.store.locate(positions, limit, known)?;
        self.count(
            found.len(),
            found.iter().filter_map(|one| one.packed.as_ref()).map(Vec::len).sum(),
            start,
        );
        Ok(found)
    }
}

/// Runs all queries in the index rows of the database and prints the results. Each query runs twice; the second run is
/// warm.
pub(crate) fn rows(
    options: &CatalogOptions,
    runtime: &Runtime,
    catalog: &Arc<dyn Catalog>,
) -> Result<(), Box<dyn Error>> {
    let runs = refrain_index_sync::IndexRows::of(catalog).ok_or("this database does not store runs")?;
    let start = Instant::now();
    let (index, _) = runtime.block_on(runs.open())?;
    println!(
        "rows: opened in {:.1} ms: {} tracks in {} runs",
        start.elapsed().as_secs_f64() * 1e3,
        index.tracks(),
        index.runs_count()
    );
    for (kind, degradation) in KINDS {
        let (mut cold, mut warm, mut costs) = (QueryTimes::default(), QueryTimes::default(), Vec::new());
        for n in 0..options.queries {
            let (query, place) = make_query(options, degradation, n);
            for times_of_kind in [&mut cold, &mut warm] {
                let start = Instant::now();
                let matches = identify_rows(&index, &query, &MatchSettings::default())?;
                times_of_kind.take(start.elapsed(), &matches, place);
            }
            let counting = CountingStore { store: index.store(), cost: std::sync::Mutex::default() };
            let again: RowIndex<&CountingStore<'_>> = index.with(&counting);
            identify_rows(&again, &query, &MatchSettings::default())?;
            costs.push(counting.cost.into_inner().unwrap_or_default());
        }
        println!("{}", cold.line("rows, first time", kind));
        println!("{}", warm.line("rows, warm", kind));
        let mean = |of: fn(&QueryCost) -> f64| costs.iter().map(of).sum::<f64>() / costs.len() as f64;
        println!(
            "rows: {kind:8} statements {:.1} (most {}), rows {:.0}, {:.2} MB, waited {:.1} ms",
            mean(|cost| cost.statements as f64),
            costs.iter().map(|cost| cost.statements).max().unwrap_or(0),
            mean(|cost| cost.rows as f64),
            mean(|cost| cost.bytes as f64) / 1e6,
            mean(|cost| cost.waited.as_secs_f64() * 1e3)
        );
    }
    Ok(())
}

/// Runs all queries in the index files and prints the results.
pub(crate) fn files(options: &CatalogOptions, snapshot: &Snapshot) -> Result<(), Box<dyn Error>> {
    for (kind, degradation) in KINDS {
        let mut times_of_kind = QueryTimes::default();
        for n in 0..options.queries {
            let (query, place) = make_query(options, degradation, n);
            let start = Instant::now();
            let matches = identify(snapshot, &query, &MatchSettings::default())?;
            times_of_kind.take(start.elapsed(), &matches, place);
        }
        println!("{}", times_of_kind.line("files", kind));
    }
    Ok(())
}
