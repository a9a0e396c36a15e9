//! Tests of conditions that can be caused only from inside the crate: a full disk, exhausted track numbers, a lock that
//! is never released.

use super::SqliteCatalog;
use crate::{
    AddOutcome, Catalog, CatalogError, ChangeFeed, ContentHash, Metadata, NewTrack, TrackReader, TrackWriter,
};

fn song(n: u8) -> NewTrack {
    NewTrack {
        id: None,
        source: format!("song {n}"),
        content: ContentHash([n; 32]),
        seconds: 200.0,
        metadata: Metadata::default(),
        rule: None,
        constellation: vec![n; 40_000],
    }
}

async fn open_catalog(folder: &tempfile::TempDir) -> SqliteCatalog {
    SqliteCatalog::open(&folder.path().join("catalogue.db")).await.unwrap()
}

#[tokio::test]
async fn a_full_disk_fails_one_addition_completely_and_keeps_the_earlier_ones() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = open_catalog(&folder).await;
    // Limits the database to 100 pages of 4,096 bytes through the only connection that writes, like a disk of 400 kB.
    sqlx::query("PRAGMA max_page_count = 100").execute(catalog.writer.as_ref().unwrap()).await.unwrap();
    let mut added_count = 0;
    let error = loop {
        match catalog.add(song(added_count)).await {
            Ok(AddOutcome::Added(_)) => added_count += 1,
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, CatalogError::DiskFull { .. }) && !error.is_retryable(), "{error:?}");
    assert!(error.to_string().contains("committed changes are kept"));
    assert!((5..20).contains(&added_count), "{added_count}");
    let counts = (catalog.count().await.unwrap(), catalog.position().await.unwrap());
    assert_eq!(counts, (added_count.into(), added_count.into()));
    // There is space again, so the same call through the same handle succeeds.
    let added = catalog.add(song(added_count)).await;
    assert!(matches!(added, Ok(AddOutcome::Added(_))), "{added:?}");
    catalog.close().await.unwrap();
}

#[tokio::test]
async fn track_numbers_beyond_32_bits_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = open_catalog(&folder).await;
    catalog.add(song(0)).await.unwrap();
    sqlx::query("UPDATE sqlite_sequence SET seq = 4294967294 WHERE name = 'tracks'")
        .execute(catalog.writer.as_ref().unwrap())
        .await
        .unwrap();
    let AddOutcome::Added(last) = catalog.add(song(1)).await.unwrap() else { panic!("not added") };
    assert_eq!(last.number.0, u32::MAX);
    let error = catalog.add(song(2)).await.unwrap_err();
    assert!(matches!(error, CatalogError::TooManyTracks { .. }), "{error:?}");
    assert_eq!((catalog.count().await.unwrap(), catalog.position().await.unwrap()), (2, 2));
}

#[tokio::test]
async fn a_lock_that_is_never_released_is_a_retryable_error() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, other) = (open_catalog(&folder).await, open_catalog(&folder).await);
    let writer = catalog.writer.as_ref().unwrap();
    sqlx::query("PRAGMA busy_timeout = 20").execute(writer).await.unwrap();
    let lock = other.writer.as_ref().unwrap().begin_with("BEGIN IMMEDIATE").await.unwrap();
    let error = catalog.add(song(1)).await.unwrap_err();
    assert!(matches!(error, CatalogError::Locked { .. }) && error.is_retryable(), "{error:?}");
    drop(lock);
    assert!(matches!(catalog.add(song(1)).await, Ok(AddOutcome::Added(_))));
}
