//! An index that follows a catalog.

use std::path::PathBuf;
use std::sync::Arc;

use refrain_catalog::{Catalog, NewTrack, Track};
use refrain_core::fingerprint::{Constellation, Peak};
use refrain_core::index::CacheState;
use refrain_index_sync::IndexSync;

use crate::contract::{TestStorage, added, new_track, replaced};
use crate::sqlite::File;

pub(crate) mod follow;

fn prefix(file: &File) -> PathBuf {
    refrain_catalog::default_cache_prefix(&file.url()).unwrap()
}

async fn open(file: &File) -> (IndexSync, CacheState) {
    IndexSync::open(file.open().await, &prefix(file)).await.unwrap()
}

/// A track with a valid constellation.
pub(crate) fn song(source: &str, n: u64) -> NewTrack {
    let peak = |i: u64| Peak {
        time: (i * 40 + (i * i * (n + 3)) % 37) as u32,
        frequency: (200 + (i * 131 + n * 977) % 2500) as u16,
        rank: (i % 8) as u8,
    };
    let constellation = Constellation::new(30.0, (0..600).map(peak).collect());
    NewTrack { constellation: constellation.to_bytes(), ..new_track(source, n) }
}

pub(crate) async fn songs(catalog: &dyn Catalog, numbers: std::ops::Range<u64>) -> Vec<Track> {
    let mut tracks = Vec::new();
    for n in numbers {
        tracks.push(added(catalog, song(&format!("song {n}"), n)).await);
    }
    tracks
}

#[tokio::test]
async fn refresh_applies_added_and_removed_tracks() {
    let file = File::new();
    let catalog = file.open().await;
    let (mut index_sync, state) = open(&file).await;
    assert_eq!((state, index_sync.snapshot().tracks()), (CacheState::Missing, 0));
    assert_eq!(index_sync.refresh().await.unwrap(), refrain_index_sync::SyncReport::default());

    let tracks = songs(&*catalog, 0..5).await;
    catalog.remove(tracks[4].id).await.unwrap();
    let done = index_sync.refresh().await.unwrap();
    assert_eq!(
        (done.added, done.removed, done.skipped.len()),
        (4, 0, 0),
        "a track that was added and removed is not reported"
    );
    assert_eq!((index_sync.snapshot().tracks(), index_sync.position()), (4, 6));

    let kept = index_sync.snapshot();
    catalog.remove(tracks[0].id).await.unwrap();
    replaced(&*catalog, song("song 1", 77)).await;
    let done = index_sync.refresh().await.unwrap();
    assert_eq!((done.added, done.removed), (1, 2));
    assert_eq!((index_sync.snapshot().tracks(), kept.tracks()), (3, 4));

    let (index_sync, state) = open(&file).await;
    assert_eq!((state, index_sync.snapshot().tracks(), index_sync.position()), (CacheState::Ready, 3, 9));
}

#[tokio::test]
async fn an_unreadable_constellation_is_reported_and_skipped() {
    let file = File::new();
    let catalog = file.open().await;
    let good = songs(&*catalog, 0..2).await;
    let empty = added(&*catalog, NewTrack { constellation: Vec::new(), ..song("empty", 7) }).await;
    let mut bytes = song("", 8).constellation;
    bytes[100] ^= 1;
    let damaged = added(&*catalog, NewTrack { constellation: bytes, ..song("damaged", 8) }).await;
    songs(&*catalog, 2..3).await;

    let (mut index_sync, _) = open(&file).await;
    let done = index_sync.refresh().await.unwrap();
    assert_eq!((done.added, index_sync.snapshot().tracks()), (3, 3));
    let skipped: Vec<_> = done.skipped.iter().map(|skipped| skipped.track).collect();
    assert_eq!(skipped, [empty.number, damaged.number]);
    assert!(done.skipped[1].reason.to_string().contains("index the song again"), "{:?}", done.skipped);

    catalog.remove(damaged.id).await.unwrap();
    catalog.remove(good[0].id).await.unwrap();
    index_sync.refresh().await.unwrap();
    assert_eq!(index_sync.snapshot().tracks(), 2);
}

#[tokio::test]
async fn two_processes_can_share_the_index_files() {
    let file = File::new();
    let catalog = file.open().await;
    let (mut one, _) = open(&file).await;
    let (mut other, _) = open(&file).await;
    songs(&*catalog, 0..3).await;
    one.refresh().await.unwrap();
    songs(&*catalog, 3..6).await;
    let done = other.refresh().await.unwrap();
    assert_eq!((other.snapshot().tracks(), other.position()), (6, 6));
    assert_eq!(done.added, 3, "the first three were done by the other process");
    one.refresh().await.unwrap();
    assert_eq!((one.snapshot().tracks(), one.position()), (6, 6));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_indexing_and_refreshing_agree() {
    let file = File::new();
    let mut tasks = Vec::new();
    for worker in 0..2 {
        let catalog = file.open().await;
        let (mut index_sync, _) = open(&file).await;
        tasks.push(tokio::spawn(async move {
            for n in worker * 20..worker * 20 + 20 {
                let track = added(&*catalog, song(&format!("song {n}"), n)).await;
                if n % 4 == 0 {
                    catalog.remove(track.id).await.unwrap();
                }
                index_sync.refresh().await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let (mut index_sync, state) = open(&file).await;
    index_sync.refresh().await.unwrap();
    assert_eq!(state, CacheState::Ready);
    assert_eq!((index_sync.snapshot().tracks(), index_sync.position()), (30, 50));
}

#[tokio::test]
async fn an_index_ahead_of_its_catalog_is_discarded() {
    let file = File::new();
    let catalog = file.open().await;
    songs(&*catalog, 0..2).await;
    catalog.close().await.unwrap();
    let copy = std::fs::read(file.path()).unwrap();

    let catalog = file.open().await;
    songs(&*catalog, 2..9).await;
    let (mut index_sync, _) = open(&file).await;
    index_sync.refresh().await.unwrap();
    assert_eq!(index_sync.snapshot().tracks(), 9);
    index_sync.catalog().close().await.unwrap();
    catalog.close().await.unwrap();
    std::fs::write(file.path(), copy).unwrap();

    let (mut index_sync, state) = open(&file).await;
    assert!(matches!(&state, CacheState::Discarded(why) if why.contains("older copy")), "{state:?}");
    assert_eq!(index_sync.refresh().await.unwrap().added, 2);
    assert_eq!((index_sync.snapshot().tracks(), index_sync.position()), (2, 2));
    index_sync.discard().await.unwrap();
    assert_eq!((index_sync.snapshot().tracks(), index_sync.position()), (0, 0));
    index_sync.refresh().await.unwrap();
    assert_eq!(index_sync.snapshot().tracks(), 2);
}

#[tokio::test]
async fn the_index_of_another_catalog_is_discarded() {
    let (file, stranger) = (File::new(), File::new());
    songs(&*file.open().await, 0..3).await;
    let (mut index_sync, _) = open(&file).await;
    index_sync.refresh().await.unwrap();
    let catalog: Arc<dyn Catalog> = stranger.open().await;
    songs(&*catalog, 0..1).await;
    let (mut index_sync, state) = IndexSync::open(catalog, &prefix(&file)).await.unwrap();
    assert!(matches!(state, CacheState::Discarded(_)));
    index_sync.refresh().await.unwrap();
    assert_eq!(index_sync.snapshot().tracks(), 1);
}
