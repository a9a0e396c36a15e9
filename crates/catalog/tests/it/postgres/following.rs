//! An index that follows a catalog on a server.

use std::sync::Arc;

use refrain_catalog::ChangeKind;
use refrain_index_sync::{IndexFollower, IndexSync};
use refrain_testkit::PostgresServer;
use tokio::task::spawn_blocking;

use super::{Database, open_with, waiting};
use crate::contract::TestStorage;
use crate::index_sync::follow::{SharedEvents, follow, relabel, until};
use crate::index_sync::songs;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_on_a_server_are_applied_and_reported() {
    let (database, folder) = (Database::new(), tempfile::tempdir().unwrap());
    let other = database.open().await;
    let (index_sync, _) = IndexSync::open(database.open().await, &folder.path().join("index")).await.unwrap();
    let (follower, events) = follow(index_sync);
    let tracks = songs(&*other, 0..3).await;
    until("three tracks", || follower.snapshot().tracks() == 3).await;
    relabel(&*other, &tracks[1]).await;
    other.remove(tracks[0].id).await.unwrap();
    until("two tracks", || follower.snapshot().tracks() == 2).await;
    until("all news", || events.lock().unwrap().changes.len() == 5).await;
    let expected = [(tracks[1].number.0, ChangeKind::Relabeled), (tracks[0].number.0, ChangeKind::Removed)];
    assert_eq!(events.lock().unwrap().changes[3..], expected);
}

async fn followed(url: &str, folder: &tempfile::TempDir) -> (IndexFollower, SharedEvents) {
    let catalog = open_with(url, waiting(50)).await.unwrap();
    let (mut index_sync, _) = IndexSync::open(catalog, &folder.path().join("index")).await.unwrap();
    index_sync.refresh().await.unwrap();
    follow(index_sync)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unavailable_server_is_reported_and_retried() {
    let mut server = spawn_blocking(|| PostgresServer::new().unwrap()).await.unwrap();
    let url = server.create_database("songs").unwrap();
    let other = refrain_catalog::open(&url).await.unwrap();
    songs(&*other, 0..2).await;
    let folder = tempfile::tempdir().unwrap();
    let (follower, events) = followed(&url, &folder).await;
    let before = follower.snapshot();
    server = spawn_blocking(move || {
        server.kill().unwrap();
        server
    })
    .await
    .unwrap();
    until("two failures", || events.lock().unwrap().failures.len() >= 2).await;
    assert!(events.lock().unwrap().failures[0].contains("cannot reach the server"), "{events:?}");
    assert!(Arc::ptr_eq(&before, &follower.snapshot()), "the old snapshot can be searched");
    let _server = spawn_blocking(move || {
        server.start().unwrap();
        server
    })
    .await
    .unwrap();
    songs(&*other, 2..4).await;
    until("all tracks", || follower.snapshot().tracks() == 4).await;
    until("recovery", || events.lock().unwrap().recovered >= 1).await;
}
