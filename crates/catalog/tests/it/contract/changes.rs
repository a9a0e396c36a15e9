//! The sequence of changes that index caches follow, and the constellations that they read.

use std::time::Duration;

use refrain_catalog::{ChangeKind, NewTrack, TrackNumber, TrackUpdate};

use super::*;

pub(crate) async fn changes_list_added_and_removed_tracks(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    assert_eq!(catalog.position().await.unwrap(), 0);
    assert_eq!(catalog.changes_after(0, 10).await.unwrap(), []);
    let a = added(&*catalog, new_track("a", 1)).await;
    let b = added(&*catalog, new_track("b", 2)).await;
    let c = replaced(&*catalog, new_track("a", 3)).await;
    catalog.remove(b.id).await.unwrap();
    let all = catalog.changes_after(0, 10).await.unwrap();
    let reported: Vec<_> = all.iter().map(|change| (change.track, change.kind)).collect();
    let (plus, minus) = (ChangeKind::Added, ChangeKind::Removed);
    assert_eq!(
        reported,
        [(a.number, plus), (b.number, plus), (a.number, minus), (c.number, plus), (b.number, minus)]
    );
    assert!(all.iter().map(|change| change.position).is_sorted_by(|a, b| a < b));
    assert_eq!(catalog.position().await.unwrap(), all[4].position);
    assert_eq!(catalog.changes_after(all[1].position, 2).await.unwrap(), all[2..4]);
    assert_eq!(catalog.changes_after(all[4].position, 10).await.unwrap(), []);
    assert_eq!(catalog.changes_after(u64::MAX, 10).await.unwrap(), []);
    catalog.settle().await.unwrap();
    assert_eq!(storage.open().await.changes_after(0, 10).await.unwrap(), all);
}

pub(crate) async fn constellations_are_deleted_with_their_track(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let a = added(&*catalog, new_track("a", 1)).await;
    let b = added(&*catalog, new_track("b", 2)).await;
    let c = replaced(&*catalog, new_track("a", 3)).await;
    let numbers = [TrackNumber(0), a.number, b.number, c.number, c.number, TrackNumber(u32::MAX)];
    let mut found = catalog.constellations(&numbers).await.unwrap();
    found.sort();
    assert_eq!(found, [(b.number, packed(2, 1000)), (c.number, packed(3, 1000))]);
    let mut sizes = catalog.constellation_sizes(&numbers).await.unwrap();
    sizes.sort();
    assert_eq!(sizes, [(b.number, 1000), (c.number, 1000)]);
    assert_eq!(catalog.constellations(&[]).await.unwrap(), []);
    assert_eq!(catalog.constellation_sizes(&[]).await.unwrap(), []);
}

pub(crate) async fn constellations_of_any_size_are_stored(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    for (n, length) in [0, 1, 255, 4096, 70_000, 5_000_000].into_iter().enumerate() {
        let bytes = packed(n as u64, length);
        let new = NewTrack { constellation: bytes.clone(), ..new_track(&format!("{n}"), n as u64) };
        let track = added(&*catalog, new).await;
        assert_eq!(
            catalog.constellation_sizes(&[track.number]).await.unwrap(),
            [(track.number, length as u64)]
        );
        assert!(constellation(&*catalog, track.number).await == Some(bytes), "{length} bytes");
    }
}

pub(crate) async fn a_metadata_update_is_a_change(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let a = added(&*catalog, new_track("a", 1)).await;
    let before = catalog.position().await.unwrap();
    let update = TrackUpdate { rule: Some(Some(rule("block"))), ..TrackUpdate::default() };
    catalog.update(a.id, update).await.unwrap().unwrap();
    let reported = catalog.changes_after(before, 10).await.unwrap();
    assert_eq!((reported.len(), reported[0].track, reported[0].kind), (1, a.number, ChangeKind::Relabeled));
}

pub(crate) async fn waiting_ends_with_a_change(storage: &dyn TestStorage) {
    let (catalog, other) = (storage.open().await, storage.open().await);
    let moment = Duration::from_millis(30);
    assert!(!catalog.wait_for_change(0, moment).await.unwrap());
    // `Duration::MAX` means "without a limit" and exceeds the range of an `Instant`.
    let waiting = tokio::spawn(async move { catalog.wait_for_change(0, Duration::MAX).await });
    tokio::time::sleep(moment).await;
    added(&*other, new_track("a", 1)).await;
    let noticed = tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap();
    assert!(noticed.unwrap().unwrap());
    assert!(other.wait_for_change(0, Duration::ZERO).await.unwrap());
    assert!(!other.wait_for_change(1, Duration::ZERO).await.unwrap());
}
