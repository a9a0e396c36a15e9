//! Handles and identity.

use refrain_catalog::{CatalogError, OpenSettings, open_existing};

use super::*;

pub(crate) async fn open_existing_creates_no_catalog(storage: &dyn TestStorage) {
    let settings = OpenSettings::default();
    for _ in 0..2 {
        match open_existing(&storage.url(), &settings).await {
            Err(error @ CatalogError::NoCatalog { .. }) => {
                assert!(error.to_string().contains("check its name"), "{error}");
            }
            Err(error) => panic!("{error:?}"),
            Ok(_) => panic!("open_existing created a catalog"),
        }
    }
    let catalog = storage.open().await;
    assert_eq!(open_existing(&storage.url(), &settings).await.unwrap().identity(), catalog.identity());
}

pub(crate) async fn each_handle_returns_the_same_identity(storage: &dyn TestStorage) {
    let identity = storage.open().await.identity();
    assert_ne!(identity, 0);
    assert_eq!(storage.open().await.identity(), identity);
}

pub(crate) async fn a_second_handle_sees_all_changes(storage: &dyn TestStorage) {
    let (one, other) = (storage.open().await, storage.open().await);
    let a = added(&*one, new_track("a", 1)).await;
    let b = added(&*other, new_track("b", 2)).await;
    assert_eq!(everything(&*one).await, [a.clone(), b.clone()]);
    one.remove(b.id).await.unwrap();
    assert_eq!((other.count().await.unwrap(), other.position().await.unwrap()), (1, 3));
    one.close().await.unwrap();
    assert_eq!(unchanged(&*other, new_track("a", 1)).await, a);
}

pub(crate) async fn closing_twice_succeeds(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    added(&*catalog, new_track("a", 1)).await;
    catalog.close().await.unwrap();
    catalog.close().await.unwrap();
    assert!(catalog.count().await.is_err(), "calls fail after closing");
    assert_eq!(storage.open().await.count().await.unwrap(), 1);
}
