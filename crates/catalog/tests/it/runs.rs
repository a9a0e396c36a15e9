//! The index in the database gives the same results as the index in files, to the last digit.

use std::sync::Arc;

use refrain_catalog::{Catalog, NewTrack, TrackNumber};
use refrain_core::fingerprint::{Constellation, Peak, TICKS_PER_SECOND};
use refrain_core::index::IndexError;
use refrain_core::matching::{MatchSettings, Matches, identify, identify_rows};
use refrain_index_sync::{DatabaseIndex, IndexRows, IndexSync, SyncError};
use sqlx::Row;

use crate::contract::{TestStorage, added, new_track, replaced};
use crate::postgres::Database;

mod distributed;

/// Pseudorandom numbers, the same in each run.
fn random(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) % below
    }
}

/// Half a minute of peaks that no other sound has.
fn sound(n: u64) -> Constellation {
    let mut random = random(n + 1);
    let mut peaks: Vec<Peak> = (0..900)
        .map(|_| Peak {
            time: random((29.5 * TICKS_PER_SECOND) as u64) as u32,
            frequency: (100 + random(3200)) as u16,
            rank: random(4) as u8,
        })
        .collect();
    peaks.sort_by_key(|peak| (peak.time, peak.frequency));
    peaks.dedup_by_key(|peak| (peak.time, peak.frequency));
    Constellation::new(30.0, peaks)
}

/// Ten seconds of a sound at a different speed, with some peaks removed and others added.
fn clip(n: u64, speed: f64, lost: u64) -> Constellation {
    let mut random = random(n + 1000);
    let mut peaks = Vec::new();
    for peak in sound(n).peaks {
        let time = (f64::from(peak.time) - 8.0 * TICKS_PER_SECOND) / speed;
        if (0.0..10.0 * TICKS_PER_SECOND).contains(&time) && random(100) >= lost {
            let frequency = (f64::from(peak.frequency) * speed) as u16;
            peaks.push(Peak { time: time as u32, frequency, ..peak });
        }
    }
    for _ in 0..600 {
        let time = random((10.0 * TICKS_PER_SECOND) as u64) as u32;
        let (frequency, rank) = ((100 + random(3200)) as u16, (2 + random(12)) as u8);
        peaks.push(Peak { time, frequency, rank });
    }
    peaks.sort_by_key(|peak| (peak.time, peak.frequency));
    peaks.dedup_by_key(|peak| (peak.time, peak.frequency));
    Constellation::new(10.0, peaks)
}

fn song(source: &str, n: u64) -> NewTrack {
    NewTrack { seconds: 30.0, constellation: sound(n).to_bytes(), ..new_track(source, n) }
}

pub(crate) async fn songs(catalog: &dyn Catalog, numbers: std::ops::Range<u64>) {
    let batch = numbers.map(|n| song(&format!("song {n}"), n)).collect();
    for outcome in catalog.add_all(batch).await.unwrap() {
        outcome.unwrap();
    }
}

pub(crate) fn runs(catalog: &Arc<dyn Catalog>) -> IndexRows {
    IndexRows::of(catalog).unwrap()
}

async fn open(catalog: &Arc<dyn Catalog>) -> DatabaseIndex {
    let (index, position) = runs(catalog).open().await.unwrap();
    assert_eq!(position, catalog.position().await.unwrap());
    index
}

/// Searches the rows like any program, on a thread that may block.
async fn search(index: &Arc<DatabaseIndex>, query: Constellation) -> Result<Matches, IndexError> {
    let index = Arc::clone(index);
    let work = move || identify_rows(&index, &query, &MatchSettings::default());
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// Searches both indexes for the same clips and checks that the matches are equal.
pub(crate) async fn compare(catalog: &Arc<dyn Catalog>, numbers: std::ops::Range<u64>) -> Vec<Matches> {
    let folder = tempfile::tempdir().unwrap();
    let (mut index_sync, _) =
        IndexSync::open(Arc::clone(catalog), &folder.path().join("cache")).await.unwrap();
    index_sync.refresh().await.unwrap();
    let index = Arc::new(open(catalog).await);
    assert_eq!(index.tracks(), index_sync.snapshot().tracks());
    let mut results = Vec::new();
    for n in numbers {
        for (speed, lost) in [(1.0, 0), (1.0, 60), (1.07, 10)] {
            let query = clip(n, speed, lost);
            let local = identify(&index_sync.snapshot(), &query, &MatchSettings::default()).unwrap();
            let remote = search(&index, query).await.unwrap();
            assert_eq!(local, remote, "clip {n} at speed {speed} without {lost} %");
            results.push(local);
        }
    }
    results
}

pub(crate) fn found(results: &[Matches]) -> Vec<TrackNumber> {
    results.iter().flat_map(|result| &result.found).map(|row| row.track).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_backends_give_the_same_matches() {
    let database = Database::new();
    let catalog = database.open().await;
    let index = runs(&catalog);
    // Many runs of several sizes, so that they belong to several size classes.
    for [first, last] in [[0, 1], [1, 2], [2, 5], [5, 9], [9, 40], [40, 41], [41, 42], [42, 60]] {
        songs(&*catalog, first..last).await;
        assert_eq!(index.pack().await.unwrap().added, last - first);
    }
    assert!(open(&catalog).await.runs_count() == 8);
    // Clips of tracks in the catalog and of unknown ones.
    let results = compare(&catalog, 38..64).await;
    let known = results[..22 * 3].iter().filter(|result| result.found.len() == 1).count();
    assert!(known >= 60, "{known} of 66");
    assert_eq!(found(&results[22 * 3..]), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn merged_removed_and_replaced_tracks_match_in_both_backends() {
    let database = Database::new();
    let catalog = database.open().await;
    let index = runs(&catalog);
    assert!(!index.merge().await.unwrap(), "nothing to merge");
    for n in 0..20 {
        songs(&*catalog, n * 2..n * 2 + 2).await;
        index.pack().await.unwrap();
        while index.merge().await.unwrap() {}
    }
    let merged = open(&catalog).await;
    assert!((2..=7 + 7).contains(&merged.runs_count()), "{} runs", merged.runs_count());
    let before = compare(&catalog, 0..10).await;
    assert!(found(&before).len() >= 27);
    for n in 0..6 {
        let track = catalog.find_by_source(&format!("song {n}")).await.unwrap().unwrap();
        catalog.remove(track.id).await.unwrap();
    }
    replaced(&*catalog, song("song 7", 77)).await;
    let done = index.pack().await.unwrap();
    assert_eq!((done.added, done.removed), (1, 7));
    let without_removed = compare(&catalog, 0..10).await;
    assert!(found(&without_removed[..18]).is_empty());
    // The merges delete the rows of removed tracks.
    let mut merges = 0;
    while index.merge().await.unwrap() {
        merges += 1;
    }
    assert!(merges > 0);
    let after_merge = compare(&catalog, 0..10).await;
    assert_eq!(found(&after_merge), found(&without_removed));
    index.reset().await.unwrap();
    assert_eq!(runs(&catalog).open().await.unwrap().0.tracks(), 0);
    assert_eq!(index.pack().await.unwrap().added, 34);
    assert_eq!(found(&compare(&catalog, 0..10).await), found(&without_removed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_packs_and_merges_apply_each_change_once() {
    let database = Database::new();
    let catalog = database.open().await;
    let mut tasks = Vec::new();
    for worker in 0..3u64 {
        let catalog = database.open().await;
        tasks.push(tokio::spawn(async move {
            let mut added = 0;
            for n in worker * 10..worker * 10 + 10 {
                let track = added_song(&*catalog, n).await;
                if n % 5 == 0 {
                    catalog.remove(track).await.unwrap();
                }
                let done = runs(&catalog).pack().await.unwrap();
                added += done.added;
                runs(&catalog).merge().await.unwrap();
            }
            added
        }));
    }
    let mut added_total = 0;
    for task in tasks {
        added_total += task.await.unwrap();
    }
    runs(&catalog).pack().await.unwrap();
    let index = open(&catalog).await;
    assert_eq!(index.tracks(), 24);
    assert!((24..=30).contains(&added_total), "{added_total}");
    let mut connection = database.connect().await;
    let rows = sqlx::query("SELECT track FROM refrain.run_tracks WHERE NOT gone ORDER BY track");
    let rows: Vec<i64> =
        rows.fetch_all(&mut connection).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(rows.len(), 24);
    assert!(rows.is_sorted_by(|a, b| a < b), "a track is in only one run");
    assert_eq!(found(&compare(&catalog, 0..30).await).len() / 24, 3);
}

async fn added_song(catalog: &dyn Catalog, n: u64) -> refrain_catalog::TrackId {
    added(catalog, song(&format!("song {n}"), n)).await.id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_of_merged_runs_is_reported_as_stale() {
    let database = Database::new();
    let catalog = database.open().await;
    for n in 0..8 {
        songs(&*catalog, n..n + 1).await;
        runs(&catalog).pack().await.unwrap();
    }
    let old = Arc::new(open(&catalog).await);
    songs(&*catalog, 8..9).await;
    runs(&catalog).pack().await.unwrap();
    let result = search(&old, clip(3, 1.0, 0)).await.unwrap();
    assert_eq!(result.found.len(), 1, "a new run does not affect an open index");
    assert!(runs(&catalog).merge().await.unwrap());
    let error = search(&old, clip(3, 1.0, 0)).await.unwrap_err();
    assert!(matches!(error, IndexError::Stale), "{error:?}");
    let new = Arc::new(open(&catalog).await);
    assert_eq!(search(&new, clip(3, 1.0, 0)).await.unwrap().found.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_row_is_an_error_with_a_remedy() {
    let database = Database::new();
    let catalog = database.open().await;
    songs(&*catalog, 0..3).await;
    runs(&catalog).pack().await.unwrap();
    database.run("UPDATE refrain.postings SET packed = '\\xffffffff'").await;
    let index = Arc::new(open(&catalog).await);
    let error = search(&index, clip(1, 1.0, 0)).await.unwrap_err();
    assert!(error.to_string().contains("reindex"), "{error}");
    runs(&catalog).reset().await.unwrap();
    runs(&catalog).pack().await.unwrap();
    assert_eq!(search(&Arc::new(open(&catalog).await), clip(1, 1.0, 0)).await.unwrap().found.len(), 1);
    let bad = new_track("no constellation", 70);
    let bad = added(&*catalog, bad).await;
    let done: Result<_, SyncError> = runs(&catalog).pack().await;
    assert_eq!(done.unwrap().skipped[0].track, bad.number);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_another_version_are_rebuilt() {
    let database = Database::new();
    let catalog = database.open().await;
    songs(&*catalog, 0..3).await;
    runs(&catalog).pack().await.unwrap();
    let before = compare(&catalog, 0..2).await;
    database.run("UPDATE refrain.search SET scheme = 7").await;
    let (index, position) = runs(&catalog).open().await.unwrap();
    assert_eq!((index.tracks(), index.runs_count(), position), (0, 0, 0));
    assert_eq!(runs(&catalog).pack().await.unwrap().added, 3);
    assert_eq!(compare(&catalog, 0..2).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_merge_deletes_rows_of_an_interrupted_merge() {
    let database = Database::new();
    let catalog = database.open().await;
    for n in 0..9 {
        songs(&*catalog, n..n + 1).await;
        runs(&catalog).pack().await.unwrap();
    }
    let before = compare(&catalog, 0..9).await;
    // The state after an interrupted merge: the old rows exist, but belong to no run in use.
    database.run("CREATE TABLE old AS SELECT * FROM refrain.postings").await;
    database.run("CREATE TABLE old_runs AS SELECT * FROM refrain.runs").await;
    assert!(runs(&catalog).merge().await.unwrap());
    let count = async || {
        let mut connection = database.connect().await;
        let row = sqlx::query("SELECT count(*), count(DISTINCT run) FROM refrain.postings");
        let row = row.fetch_one(&mut connection).await.unwrap();
        (row.get::<i64, _>(0), row.get::<i64, _>(1))
    };
    let merged = count().await;
    database.run("INSERT INTO refrain.postings SELECT * FROM old ON CONFLICT DO NOTHING").await;
    database
        .run(
            "INSERT INTO refrain.runs OVERRIDING SYSTEM VALUE SELECT run, bucket_bits, time_bits, postings, tracks, \
             gone, true FROM old_runs ON CONFLICT DO NOTHING",
        )
        .await;
    assert!(count().await > merged);
    assert_eq!(compare(&catalog, 0..9).await, before);
    assert!(!runs(&catalog).merge().await.unwrap(), "nothing to merge, only to sweep");
    assert_eq!(count().await, merged);
    assert_eq!(compare(&catalog, 0..9).await, before);
}
