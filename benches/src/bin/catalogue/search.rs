//! Queries in both backends of the index.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use refrain_benches::synthetic::{CLEAN, DrawnSong, NOISY, Random, Wear, query};
use refrain_catalog::Catalog;
use refrain_core::fingerprint::{Constellation, Density};
use refrain_core::index::rows::{RowCandidate, RowError, RowIndex, RowSpot, RowStore, RunRow};
use refrain_core::index::{Snapshot, TrackNumber};
use refrain_core::matching::{MatchSettings, Matches, identify, identify_rows};
use tokio::runtime::Runtime;

use super::{Options, TRACK_SECONDS, drawn};

/// Length of a query in seconds.
const QUERY_SECONDS: f64 = 10.0;
/// First seed of unknown songs: greater than all seeds of tracks.
const UNKNOWN: u64 = 1 << 40;

/// Results of the queries of one kind.
#[derive(Default)]
struct Tally {
    times: Vec<Duration>,
    right: u32,
    wrong: u32,
}

impl Tally {
    fn take(&mut self, took: Duration, matches: &Matches, start: Option<f64>) {
        self.times.push(took);
        for found in &matches.found {
            let shift = found.reference_start - found.query_start;
            let right = start.is_some_and(|start| (shift - start).abs() < 0.1);
            self.right += u32::from(right);
            self.wrong += u32::from(!right);
        }
    }

    fn line(&mut self, home: &str, kind: &str) -> String {
        self.times.sort_unstable();
        let n = self.times.len();
        let at = |part: f64| self.times[((n as f64 * part) as usize).min(n - 1)].as_secs_f64() * 1e3;
        format!(
            "{home}: {kind:8} wall clock ms: median {:7.1}  p95 {:7.1}  most {:7.1} | right {}/{n}, wrong {}",
            at(0.5),
            at(0.95),
            at(1.0),
            self.right,
            self.wrong
        )
    }
}

/// Returns query number `n` of a kind, and its start in the track in seconds.
fn ask(options: &Options, wear: Option<Wear>, n: u32) -> (Constellation, Option<f64>) {
    let mut random = Random::new(UNKNOWN + u64::from(n));
    let number = random.below(options.tracks as usize) as u32;
    let start = (random.unit() * (TRACK_SECONDS - QUERY_SECONDS)).floor();
    match wear {
        Some(wear) => (query(&drawn(number), start, QUERY_SECONDS, wear, u64::from(n)), Some(start)),
        None => {
            let unknown = DrawnSong::new(UNKNOWN + u64::from(n));
            (unknown.constellation(QUERY_SECONDS, Density::Query), None)
        }
    }
}

/// Kinds of query.
const KINDS: [(&str, Option<Wear>); 3] = [("clean", Some(CLEAN)), ("noisy", Some(NOISY)), ("unknown", None)];

/// Statements, rows, bytes and waiting time of a query.
#[derive(Debug, Default, Clone, Copy)]
struct Cost {
    statements: usize,
    rows: usize,
    bytes: usize,
    waited: Duration,
}

/// A row store that counts the statements, rows and bytes of another one.
struct Counted<'a> {
    store: &'a dyn RowStore,
    cost: std::sync::Mutex<Cost>,
}

impl Counted<'_> {
    fn count(&self, rows: usize, bytes: usize, start: Instant) {
        let mut cost = self.cost.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        cost.statements += 1;
        cost.rows += rows;
        cost.bytes += bytes;
        cost.waited += start.elapsed();
    }
}

impl RowStore for Counted<'_> {
    fn rows(&self, buckets: &[u32]) -> Result<Vec<RunRow>, RowError> {
        let start = Instant::now();
        let rows = self.store.rows(buckets)?;
        self.count(rows.len(), rows.iter().map(|row| row.row.packed.len()).sum(), start);
        Ok(rows)
    }

    fn locate(
        &self,
        spots: &[RowSpot],
        most: usize,
        known: &[TrackNumber],
    ) -> Result<Vec<RowCandidate>, RowError> {
        let start = Instant::now();
        let found = self.store.locate(spots, most, known)?;
        self.count(
            found.len(),
            found.iter().filter_map(|one| one.packed.as_ref()).map(Vec::len).sum(),
            start,
        );
        Ok(found)
    }
}

/// Searches the rows of the database. Each query runs twice; the second run is warm.
pub(crate) fn rows(
    options: &Options,
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
    for (kind, wear) in KINDS {
        let (mut cold, mut warm, mut costs) = (Tally::default(), Tally::default(), Vec::new());
        for n in 0..options.queries {
            let (query, place) = ask(options, wear, n);
            for tally in [&mut cold, &mut warm] {
                let start = Instant::now();
                let matches = identify_rows(&index, &query, &MatchSettings::default())?;
                tally.take(start.elapsed(), &matches, place);
            }
            let counted = Counted { store: index.store(), cost: std::sync::Mutex::default() };
            let again: RowIndex<&Counted<'_>> = index.with(&counted);
            identify_rows(&again, &query, &MatchSettings::default())?;
            costs.push(counted.cost.into_inner().unwrap_or_default());
        }
        println!("{}", cold.line("rows, first time", kind));
        println!("{}", warm.line("rows, warm", kind));
        let mean = |of: fn(&Cost) -> f64| costs.iter().map(of).sum::<f64>() / costs.len() as f64;
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

/// Searches the index files.
pub(crate) fn files(options: &Options, snapshot: &Snapshot) -> Result<(), Box<dyn Error>> {
    for (kind, wear) in KINDS {
        let mut tally = Tally::default();
        for n in 0..options.queries {
            let (query, place) = ask(options, wear, n);
            let start = Instant::now();
            let matches = identify(snapshot, &query, &MatchSettings::default())?;
            tally.take(start.elapsed(), &matches, place);
        }
        println!("{}", tally.line("files", kind));
    }
    Ok(())
}
