//! Servers that become unavailable and come back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use refrain_catalog::{AddOutcome, Catalog, CatalogError, NewTrack};
use refrain_testkit::PostgresServer;
use tokio::task::spawn_blocking;

use super::{Database, open_with, waiting};
use crate::contract::races::consistent;
use crate::contract::{TestStorage, added, everything, new_track, packed};

const BATCHES: u64 = 40;
const BATCH: u64 = 40;

/// Adds batches that are large enough for a copy. Every track must be reported as added.
async fn index(catalog: Arc<dyn Catalog>) {
    for batch in 0..BATCHES {
        let songs = batch * BATCH..(batch + 1) * BATCH;
        let tracks = songs
            .map(|n| NewTrack { constellation: packed(n, 30_000), ..new_track(&format!("song {n}"), n) });
        for outcome in catalog.add_all(tracks.collect()).await.unwrap() {
            assert!(matches!(outcome, Ok(AddOutcome::Added(_))), "{outcome:?}");
        }
    }
}

/// Waits until a condition is true, and fails after 60 seconds.
pub(crate) async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < Duration::from_secs(60), "condition not met in time");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn assert_all_tracks_once(catalog: &dyn Catalog) {
    let tracks = everything(catalog).await;
    let sources: BTreeSet<_> = tracks.iter().map(|track| track.source.clone()).collect();
    assert_eq!((tracks.len() as u64, sources.len() as u64), (BATCHES * BATCH, BATCHES * BATCH));
    assert_eq!(catalog.position().await.unwrap(), BATCHES * BATCH);
    consistent(catalog).await;
}

async fn assert_indexing_survives(end: fn(&mut PostgresServer)) {
    let mut server = spawn_blocking(|| PostgresServer::new().unwrap()).await.unwrap();
    let url = server.create_database("songs").unwrap();
    let catalog = refrain_catalog::open(&url).await.unwrap();
    let reader = refrain_catalog::open(&url).await.unwrap();
    let indexing = tokio::spawn(index(Arc::clone(&catalog)));
    for round in 1..=3 {
        // Readers wait for the server as well, without an error.
        until(async || reader.position().await.unwrap() >= round * BATCHES * BATCH / 8).await;
        assert!(!indexing.is_finished(), "indexing ended before the server was stopped");
        server = spawn_blocking(move || {
            end(&mut server);
            std::thread::sleep(Duration::from_millis(100 * round));
            server.start().unwrap();
            server
        })
        .await
        .unwrap();
    }
    indexing.await.unwrap();
    assert_all_tracks_once(&*reader).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn indexing_continues_after_a_server_restart() {
    assert_indexing_survives(|server| server.stop().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn indexing_continues_after_a_server_crash() {
    assert_indexing_survives(|server| server.kill().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn indexing_continues_after_connections_are_terminated() {
    let database = Database::new();
    let catalog = database.open().await;
    let indexing = tokio::spawn(index(Arc::clone(&catalog)));
    let mut other = database.connect().await;
    let mut ended = 0;
    while !indexing.is_finished() {
        let killed: i64 = sqlx::query_scalar(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE datname = current_database() AND application_name = 'refrain' AND state <> 'idle'",
        )
        .fetch_one(&mut other)
        .await
        .unwrap();
        ended += killed;
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    indexing.await.unwrap();
    assert!(ended > 3, "{ended} were ended");
    assert_all_tracks_once(&*catalog).await;
}

#[tokio::test]
async fn calls_fail_after_the_retry_time() {
    let mut server = spawn_blocking(|| PostgresServer::new().unwrap()).await.unwrap();
    let url = server.create_database("songs").unwrap();
    let catalog = open_with(&url, waiting(300)).await.unwrap();
    let track = added(&*catalog, new_track("a", 1)).await;
    server.stop().unwrap();
    let calls = [
        catalog.count().await.map(drop),
        catalog.add(new_track("b", 2)).await.map(drop),
        catalog.remove(track.id).await.map(drop),
        catalog.wait_for_change(1, Duration::from_millis(10)).await.map(drop),
    ];
    for call in calls {
        let Err(error) = call else { panic!("there was no server") };
        assert!(matches!(error, CatalogError::Unreachable { .. }) && error.is_retryable(), "{error:?}");
        assert!(error.to_string().contains("check that it runs"), "{error}");
    }
    server.start().unwrap();
    added(&*catalog, new_track("b", 2)).await;
    assert_eq!((catalog.count().await.unwrap(), catalog.position().await.unwrap()), (2, 2));
}
