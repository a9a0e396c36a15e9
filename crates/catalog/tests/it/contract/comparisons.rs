//! New tracks stay pending until they have been compared with earlier ones.

use refrain_catalog::{CatalogError, NearDuplicate};

use super::*;

async fn pending(catalog: &dyn Catalog) -> Vec<u32> {
    catalog.pending_comparisons(None, 99).await.unwrap().into_iter().map(|number| number.0).collect()
}

pub(crate) async fn a_new_track_is_pending_until_it_is_compared(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let catalog = &*catalog;
    let first = added(catalog, new_track("a", 1)).await;
    let added_at_once = catalog.add_all(vec![new_track("b", 2), new_track("c", 3)]).await.unwrap();
    assert!(added_at_once.iter().all(Result::is_ok));
    let all = pending(catalog).await;
    assert_eq!((all.len(), all[0]), (3, first.number.0));
    assert_eq!(catalog.pending_comparisons(Some(first.number), 1).await.unwrap(), [TrackNumber(all[1])]);
    // Another process reads the same state.
    assert_eq!(pending(&*storage.open().await).await, all);

    let link = NearDuplicate { track: TrackNumber(all[1]), of: first.number, seconds: 100.0 };
    catalog.finish_comparisons(&[TrackNumber(all[1])], std::slice::from_ref(&link)).await.unwrap();
    catalog.finish_comparisons(&[TrackNumber(all[1])], std::slice::from_ref(&link)).await.unwrap();
    assert_eq!(pending(catalog).await, [all[0], all[2]]);
    assert_eq!(catalog.near_duplicates(first.number).await.unwrap(), [link]);

    let unknown = NearDuplicate { track: TrackNumber(all[2]), of: TrackNumber(9999), seconds: 1.0 };
    let rejected = catalog.finish_comparisons(&[TrackNumber(all[2])], &[unknown]).await;
    assert!(matches!(rejected, Err(CatalogError::Invalid { .. })), "{rejected:?}");
    assert_eq!(pending(catalog).await, [all[0], all[2]], "nothing was stored");
}

pub(crate) async fn a_removed_track_is_not_pending(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let catalog = &*catalog;
    let first = added(catalog, new_track("a", 1)).await;
    let second = replaced(catalog, new_track("a", 2)).await;
    assert_eq!(pending(catalog).await, [second.number.0]);
    assert_ne!(first.number, second.number);
    assert!(catalog.remove(second.id).await.unwrap());
    assert_eq!(pending(catalog).await, Vec::<u32>::new());
    // The first of two tracks with the same source is replaced in the batch that adds it.
    let both = catalog.add_all(vec![new_track("b", 3), new_track("b", 4)]).await.unwrap();
    assert_eq!((both.len(), pending(catalog).await.len()), (2, 1));
}
