//! Performance of a large catalog in a database, with both backends of the index. See benches/README.md.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports")]

mod search;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rayon::prelude::*;
use refrain_benches::clock::files;
use refrain_benches::synthetic::DrawnSong;
use refrain_catalog::{AddOutcome, Catalog, ContentHash, Metadata, NewTrack};
use refrain_core::fingerprint::{Constellation, Density};
use refrain_index_sync::IndexSync;
use sqlx::{ConnectOptions, PgConnection};
use tokio::runtime::Runtime;

const USAGE: &str = "\
catalogue URL [--tracks N] [--queries N] [--dir DIR] [--step add|pack|bytes|search|fill]...
  URL           postgres://... of an empty database, or of a database from an earlier run with fewer tracks
  --tracks N    tracks of 200 s (2000)
  --queries N   queries of each kind (50)
  --dir DIR     folder in which the index files are kept (a temporary directory)
  --step STEP   run only these steps: add tracks; pack and merge the rows of the index; print the bytes of all tables;
                search the rows; fill index files, open them, update them with 1,000 tracks, and search them";
/// Length of a track in seconds.
pub(crate) const TRACK_SECONDS: f64 = 200.0;
/// Number of tracks per call of `add_all` of the catalog.
const BATCH: u32 = 250;
/// Number of tracks at the start and at the end of `add` whose rates are printed. Also the number of new tracks with
/// which `fill` updates the index files.
const THOUSAND: u32 = 1000;
/// Number that is added to the source numbers of the new tracks of `fill`, so that they differ from those of the first
/// tracks.
const LATE: u32 = 1 << 24;

/// Options of the command line.
pub(crate) struct CatalogOptions {
    url: String,
    pub(crate) tracks: u32,
    pub(crate) queries: u32,
    dir: Option<PathBuf>,
    steps: Vec<String>,
}

impl CatalogOptions {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let url = args.next().filter(|url| url.starts_with("postgres")).ok_or(USAGE)?;
        let mut this = Self { url, tracks: 2000, queries: 50, dir: None, steps: Vec::new() };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match arg.as_str() {
                "--tracks" => this.tracks = value()?.parse()?,
                "--queries" => this.queries = value()?.parse()?,
                "--dir" => this.dir = Some(value()?.into()),
                "--step" => this.steps.push(value()?),
                _ => return Err(format!("unknown argument {arg}\n{USAGE}").into()),
            }
        }
        Ok(this)
    }

    fn wants(&self, step: &str) -> bool {
        self.steps.is_empty() || self.steps.iter().any(|wanted| wanted == step)
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("catalogue: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let options = CatalogOptions::parse(std::env::args().skip(1))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let catalog = runtime.block_on(refrain_catalog::open(&options.url))?;
    if options.wants("add") {
        add(&options, &runtime, &catalog)?;
    }
    if options.wants("pack") {
        pack(&options, &runtime, &catalog)?;
    }
    if options.wants("bytes") {
        runtime.block_on(bytes(&options.url))?;
    }
    if options.wants("search") {
        search::rows(&options, &runtime, &catalog)?;
    }
    if options.wants("fill") {
        let temporary = tempfile::tempdir()?;
        let dir = options.dir.clone().unwrap_or_else(|| temporary.path().to_owned());
        fill(&options, &runtime, &catalog, &dir)?;
    }
    runtime.block_on(catalog.close())?;
    Ok(())
}

pub(crate) fn drawn(number: u32) -> Constellation {
    DrawnSong::new(u64::from(number)).constellation(TRACK_SECONDS, Density::Reference)
}

fn new_track(number: u32, source: u32) -> NewTrack {
    let mut content = [0; 32];
    content[..4].copy_from_slice(&source.to_le_bytes());
    NewTrack {
        id: None,
        source: format!("/music/artist {}/song {source}.flac", source / 12),
        content: ContentHash(content),
        seconds: TRACK_SECONDS,
        metadata: Metadata {
            title: Some(format!("Song {source}")),
            artist: Some(format!("Artist {}", source / 12)),
            ..Metadata::default()
        },
        rule: None,
        constellation: drawn(number).to_bytes(),
    }
}

/// Adds tracks to the catalog until it has `options.tracks`, and prints the rates. The time for drawing the tracks is
/// not counted.
fn add(
    options: &CatalogOptions,
    runtime: &Runtime,
    catalog: &Arc<dyn Catalog>,
) -> Result<(), Box<dyn Error>> {
    let found = u32::try_from(runtime.block_on(catalog.count())?)?;
    let (mut total, mut times) = (Duration::ZERO, Vec::new());
    for first in (found..options.tracks).step_by(BATCH as usize) {
        let numbers = first..(first + BATCH).min(options.tracks);
        let many = numbers.len();
        let batch: Vec<NewTrack> = numbers.into_par_iter().map(|n| new_track(n, n)).collect();
        let start = Instant::now();
        let outcomes = runtime.block_on(catalog.add_all(batch))?;
        let took = start.elapsed();
        if outcomes.iter().any(|outcome| !matches!(outcome, Ok(AddOutcome::Added(_)))) {
            return Err("a track exists already: start with an empty database".into());
        }
        total += took;
        times.push((many, took));
    }
    let rate = |times: &[(usize, Duration)]| {
        let tracks: usize = times.iter().map(|(many, _)| many).sum();
        tracks as f64 / times.iter().map(|(_, took)| took.as_secs_f64()).sum::<f64>()
    };
    let ends = ((THOUSAND / BATCH) as usize).min(times.len());
    if ends > 0 {
        println!(
            "add: {} tracks in {:.1} s; the first thousand with {:.0} per second, the last with {:.0}",
            options.tracks - found,
            total.as_secs_f64(),
            rate(&times[..ends]),
            rate(&times[times.len() - ends..]),
        );
    }
    Ok(())
}

/// Packs the tracks into index rows and merges the runs, as `refrain index` does. Prints the times.
fn pack(
    options: &CatalogOptions,
    runtime: &Runtime,
    catalog: &Arc<dyn Catalog>,
) -> Result<(), Box<dyn Error>> {
    let runs = refrain_index_sync::IndexRows::of(catalog).ok_or("this database does not store runs")?;
    let start = Instant::now();
    let packed = runtime.block_on(runs.pack())?;
    let packing = start.elapsed();
    let mut merges = 0;
    let start = Instant::now();
    while runtime.block_on(runs.merge())? {
        merges += 1;
    }
    println!(
        "pack: {} of {} tracks into rows in {:.1} s, {merges} merges in {:.1} s",
        packed.added,
        options.tracks,
        packing.as_secs_f64(),
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Prints the sizes of all tables of more than 1 MB and of their indexes.
async fn bytes(url: &str) -> Result<(), Box<dyn Error>> {
    let mut connection: PgConnection = url.parse::<sqlx::postgres::PgConnectOptions>()?.connect().await?;
    sqlx::raw_sql("VACUUM ANALYZE").execute(&mut connection).await?;
    let tables: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT regexp_replace(c.relname, '_[0-9]+$', ''), sum(pg_table_size(c.oid))::bigint, \
         sum(pg_indexes_size(c.oid))::bigint FROM pg_class c WHERE c.relnamespace = 'refrain'::regnamespace \
         AND c.relkind = 'r' GROUP BY 1 HAVING sum(pg_total_relation_size(c.oid)) > 1000000 ORDER BY 2 DESC",
    )
    .fetch_all(&mut connection)
    .await?;
    let mut sum = 0.0;
    for (table, rows, indexes) in tables {
        println!("bytes: {table}: {:.3} GB and {:.3} GB of indexes", rows as f64 / 1e9, indexes as f64 / 1e9);
        sum += (rows + indexes) as f64 / 1e9;
    }
    let live: i64 =
        sqlx::query_scalar("SELECT coalesce(sum(length(packed)), 0)::bigint FROM refrain.postings")
            .fetch_one(&mut connection)
            .await?;
    println!("bytes: {sum:.3} GB in total; {:.3} GB of postings in the rows", live as f64 / 1e9);
    Ok(())
}

/// Creates index files in `dir` from the catalog, reopens them, updates them with [`THOUSAND`] new tracks, and searches
/// them.
fn fill(
    options: &CatalogOptions,
    runtime: &Runtime,
    catalog: &Arc<dyn Catalog>,
    dir: &Path,
) -> Result<(), Box<dyn Error>> {
    let prefix = dir.join("catalogue");
    let refresh = |what: &str| -> Result<IndexSync, Box<dyn Error>> {
        let start = Instant::now();
        let (mut index_sync, state) = runtime.block_on(IndexSync::open(Arc::clone(catalog), &prefix))?;
        let opened = start.elapsed();
        let done = runtime.block_on(index_sync.refresh())?;
        println!(
            "{what}: opened in {:.3} s ({state:?}), {} tracks in {:.2} s",
            opened.as_secs_f64(),
            done.added,
            start.elapsed().as_secs_f64()
        );
        Ok(index_sync)
    };
    drop(refresh("fill")?);
    drop(refresh("start")?);
    for first in (0..THOUSAND).step_by(BATCH as usize) {
        let numbers: Vec<u32> = (first..first + BATCH).collect();
        let late = |n: u32| new_track(options.tracks + n, LATE + options.tracks + n);
        let batch: Vec<NewTrack> = numbers.into_par_iter().map(late).collect();
        runtime.block_on(catalog.add_all(batch))?;
    }
    let index_sync = refresh("catch up")?;
    println!("files: {:.3} GB", files(dir).1 as f64 / 1e9);
    search::files(options, &index_sync.snapshot())
}
