//! An index that follows its catalog in the background. The catalog has two handles: one is followed, and the other one
//! makes the changes, like another process.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use refrain_catalog::{Catalog, ChangeKind, TrackNumber, TrackUpdate};
use refrain_core::index::CacheState;
use refrain_index_sync::{FollowEvent, IndexFollower, IndexSync};

use super::{File, added, open, prefix, replaced, song, songs};
use crate::contract::{TestStorage, rule};

/// All events that a follower has reported.
#[derive(Debug, Default)]
pub(crate) struct ReportedEvents {
    pub(crate) changes: Vec<(u32, ChangeKind)>,
    pub(crate) failures: Vec<String>,
    pub(crate) recovered: usize,
}

pub(crate) type SharedEvents = Arc<Mutex<ReportedEvents>>;

pub(crate) fn follow(index_sync: IndexSync) -> (IndexFollower, SharedEvents) {
    let events = SharedEvents::default();
    let reported = Arc::clone(&events);
    let follower = IndexFollower::start(index_sync, move |event| {
        let mut reported = reported.lock().unwrap();
        match event {
            FollowEvent::Changed(done) => {
                reported.changes.extend(done.changes.iter().map(|change| (change.track.0, change.kind)));
            }
            FollowEvent::Failed { error, .. } => reported.failures.push(error.to_string()),
            FollowEvent::Recovered => reported.recovered += 1,
            _ => {}
        }
    });
    (follower, events)
}

/// Waits until a condition is true, and fails after 30 seconds.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..1500 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("timed out waiting for {what}");
}

pub(crate) async fn relabel(catalog: &dyn Catalog, track: &refrain_catalog::Track) {
    let update = TrackUpdate { rule: Some(Some(rule("block"))), ..TrackUpdate::default() };
    catalog.update(track.id, update).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_other_processes_are_applied_and_reported() {
    let file = File::new();
    let other = file.open().await;
    let tracks = songs(&*other, 0..3).await;
    let (mut index_sync, _) = open(&file).await;
    index_sync.refresh().await.unwrap();
    let (follower, events) = follow(index_sync);
    let before = follower.snapshot();
    let new = added(&*other, song("song 3", 3)).await;
    until("a new track", || follower.snapshot().tracks() == 4).await;
    assert_eq!(before.tracks(), 3, "a search keeps its snapshot");
    let again = replaced(&*other, song("song 0", 70)).await;
    other.remove(tracks[1].id).await.unwrap();
    relabel(&*other, &tracks[2]).await;
    until("four changes", || follower.position() == 8).await;
    assert_eq!(follower.snapshot().tracks(), 3);
    let expected = [
        (new.number, ChangeKind::Added),
        (tracks[0].number, ChangeKind::Removed),
        (again.number, ChangeKind::Added),
        (tracks[1].number, ChangeKind::Removed),
        (tracks[2].number, ChangeKind::Relabeled),
    ];
    let expected = expected.map(|(TrackNumber(number), kind)| (number, kind));
    until("news of all", || events.lock().unwrap().changes == expected).await;
    assert_eq!(events.lock().unwrap().failures, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_processes_that_share_the_files_report_the_changes() {
    let file = File::new();
    let other = file.open().await;
    let tracks = songs(&*other, 0..2).await;
    let followers = [follow(open(&file).await.0), follow(open(&file).await.0)];
    for track in &tracks {
        relabel(&*other, track).await;
    }
    songs(&*other, 2..4).await;
    for (follower, events) in &followers {
        until("four changes", || events.lock().unwrap().changes.len() == 4).await;
        assert_eq!((follower.snapshot().tracks(), follower.position()), (4, 6));
        let relabelled = events.lock().unwrap().changes[..2].to_vec();
        assert_eq!(relabelled, [1, 2].map(|number| (number, ChangeKind::Relabeled)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn searches_do_not_wait_for_a_build() {
    let file = File::new();
    let other = file.open().await;
    songs(&*other, 0..2).await;
    let (mut index_sync, _) = open(&file).await;
    index_sync.refresh().await.unwrap();
    let mut path = prefix(&file).into_os_string();
    path.push("-index.lock");
    // Every build waits while this lock is held.
    let lock = std::fs::File::options().write(true).open(path).unwrap();
    lock.lock().unwrap();
    let (follower, _) = follow(index_sync);
    let follower = Arc::new(follower);
    songs(&*other, 2..3).await;
    for _ in 0..20 {
        let follower = Arc::clone(&follower);
        let look = tokio::task::spawn_blocking(move || (follower.snapshot().tracks(), follower.position()));
        let seen = tokio::time::timeout(Duration::from_secs(20), look).await;
        assert_eq!(seen.expect("it waits for the build").unwrap(), (2, 2));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    lock.unlock().unwrap();
    until("the third track", || follower.snapshot().tracks() == 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuilt_index_is_shown_when_it_is_complete() {
    let file = File::new();
    let other = file.open().await;
    songs(&*other, 0..3).await;
    let (mut index_sync, _) = open(&file).await;
    index_sync.refresh().await.unwrap();
    let (follower, events) = follow(index_sync);
    let damaged = follower.snapshot();
    follower.heal(&damaged).await.unwrap();
    let healed = follower.snapshot();
    assert!(!Arc::ptr_eq(&damaged, &healed));
    assert_eq!((healed.tracks(), follower.position()), (3, 3));
    follower.heal(&damaged).await.unwrap();
    assert!(Arc::ptr_eq(&healed, &follower.snapshot()), "the second call does nothing");

    // Another process discards the files. No snapshot ever has fewer tracks than before.
    let (mut stranger, _) = open(&file).await;
    stranger.discard().await.unwrap();
    songs(&*other, 3..4).await;
    let mut fewest = usize::MAX;
    until("the fourth track", || {
        let tracks = follower.snapshot().tracks();
        fewest = fewest.min(tracks);
        tracks == 4
    })
    .await;
    assert_eq!(fewest.min(4), 3);
    assert_eq!(events.lock().unwrap().failures, Vec::<String>::new());
    assert_eq!(open(&file).await.1, CacheState::Ready);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_is_reported_and_retried() {
    let file = File::new();
    let other = file.open().await;
    songs(&*other, 0..1).await;
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    std::fs::create_dir(&cache).unwrap();
    let (mut index_sync, _) = IndexSync::open(file.open().await, &cache.join("index")).await.unwrap();
    index_sync.refresh().await.unwrap();
    let (follower, events) = follow(index_sync);
    std::fs::rename(&cache, folder.path().join("away")).unwrap();
    songs(&*other, 1..2).await;
    until("two failures", || events.lock().unwrap().failures.len() >= 2).await;
    assert!(events.lock().unwrap().failures[0].contains("index file"), "{events:?}");
    assert_eq!(follower.snapshot().tracks(), 1, "the old snapshot can be searched");
    std::fs::rename(folder.path().join("away"), &cache).unwrap();
    until("recovery", || events.lock().unwrap().recovered == 1).await;
    assert_eq!(follower.snapshot().tracks(), 2);
    let reported = events.lock().unwrap().changes.clone();
    assert_eq!(reported, [(2, ChangeKind::Added)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_a_follower_ends_its_task() {
    let file = File::new();
    let catalog = file.open().await;
    let (index_sync, _) = IndexSync::open(Arc::clone(&catalog), &prefix(&file)).await.unwrap();
    let (follower, events) = follow(index_sync);
    assert!(Arc::strong_count(&catalog) > 1 && Arc::strong_count(&events) > 1);
    drop(follower);
    until("an end", || (Arc::strong_count(&catalog), Arc::strong_count(&events)) == (1, 1)).await;
    catalog.close().await.unwrap();
}
