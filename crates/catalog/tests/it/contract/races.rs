//! Concurrent use of several handles.

use std::collections::{BTreeMap, BTreeSet};

use refrain_catalog::{AddOutcome, ChangeKind};

use super::*;

pub(crate) async fn one_source_added_concurrently_is_one_track(storage: &dyn TestStorage) {
    const SOURCES: u64 = 40;
    let mut tasks = Vec::new();
    for worker in 0..4 {
        let catalog = storage.open().await;
        tasks.push(tokio::spawn(async move {
            let mut mine = 0;
            for step in 0..SOURCES {
                let n = if worker % 2 == 0 { step } else { SOURCES - 1 - step };
                match catalog.add(new_track(&format!("song {n}"), n)).await.unwrap() {
                    AddOutcome::Added(_) => mine += 1,
                    AddOutcome::Unchanged(track) => assert_eq!(track.content, content(n)),
                    AddOutcome::Replaced(track) => panic!("replaced {track:?}"),
                }
            }
            mine
        }));
    }
    let mut added_total = 0;
    for task in tasks {
        added_total += task.await.unwrap();
    }
    assert_eq!(added_total, SOURCES);
    let catalog = storage.open().await;
    assert_eq!((catalog.count().await.unwrap(), catalog.position().await.unwrap()), (SOURCES, SOURCES));
    consistent(&*catalog).await;
}

pub(crate) async fn concurrent_replacements_and_removals_stay_consistent(storage: &dyn TestStorage) {
    let mut tasks = Vec::new();
    for worker in 0..3_u64 {
        let catalog = storage.open().await;
        tasks.push(tokio::spawn(async move {
            for step in 0..30_u64 {
                let source = format!("song {}", step % 5);
                match catalog.add(new_track(&source, step * 10 + worker)).await.unwrap() {
                    AddOutcome::Added(track) | AddOutcome::Replaced(track) | AddOutcome::Unchanged(track) => {
                        if step % 3 == worker {
                            catalog.remove(track.id).await.unwrap();
                        }
                    }
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    consistent(&*storage.open().await).await;
}

pub(crate) async fn readers_see_complete_tracks_during_writes(storage: &dyn TestStorage) {
    let (writer, reader) = (storage.open().await, storage.open().await);
    let writing = tokio::spawn(async move {
        for n in 0..60 {
            added(&*writer, new_track(&format!("{n}"), n)).await;
        }
    });
    let mut position = 0;
    while !writing.is_finished() {
        for change in reader.changes_after(position, 1000).await.unwrap() {
            assert!(change.position > position);
            position = change.position;
            let track = reader.by_numbers(&[change.track]).await.unwrap().remove(0);
            assert!(
                constellation(&*reader, track.number).await.is_some(),
                "a visible track has its constellation"
            );
        }
        tokio::task::yield_now().await;
    }
    writing.await.unwrap();
    assert_eq!(reader.position().await.unwrap(), 60);
}

pub(crate) async fn a_dropped_call_takes_effect_completely_or_not_at_all(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    for n in 0..60_u64 {
        let add = catalog.add(new_track(&format!("{n}"), n));
        let pause = std::time::Duration::from_micros(n * 20);
        let _ = tokio::time::timeout(pause, add).await;
    }
    added(&*catalog, new_track("after", 99)).await;
    consistent(&*catalog).await;
}

/// Checks invariants: no source has two live tracks, each live track has its constellation, and applying all changes
/// gives exactly the live tracks.
pub(crate) async fn consistent(catalog: &dyn Catalog) {
    let all = everything(catalog).await;
    let live: BTreeMap<_, _> =
        all.iter().filter(|track| track.removed_at.is_none()).map(|track| (track.number, track)).collect();
    let sources: BTreeSet<_> = live.values().map(|track| &track.source).collect();
    let ids: BTreeSet<_> = live.values().map(|track| track.id).collect();
    assert_eq!((sources.len(), ids.len()), (live.len(), live.len()));
    assert_eq!(catalog.count().await.unwrap(), live.len() as u64);

    let numbers: Vec<_> = all.iter().map(|track| track.number).collect();
    let held: BTreeSet<_> =
        catalog.constellations(&numbers).await.unwrap().into_iter().map(|(n, _)| n).collect();
    assert_eq!(held, live.keys().copied().collect());

    let mut applied = BTreeSet::new();
    let mut ever = BTreeSet::new();
    for change in catalog.changes_after(0, u32::MAX).await.unwrap() {
        match change.kind {
            ChangeKind::Added => assert!(applied.insert(change.track) && ever.insert(change.track)),
            ChangeKind::Removed => assert!(applied.remove(&change.track)),
            ChangeKind::Relabeled => assert!(applied.contains(&change.track)),
        }
    }
    assert_eq!(applied, held);
    assert_eq!(ever.len(), all.len());
}
