//! Files that are not a catalog, or not one that this program supports.

use refrain_catalog::{CatalogError, HealthLevel};
use sqlx::{ConnectOptions, Connection};

use super::File;
use crate::contract::races::consistent;
use crate::contract::{TestStorage, added, new_track};

async fn rejection(url: &str) -> CatalogError {
    match refrain_catalog::open(url).await {
        Ok(_) => panic!("{url} was opened"),
        Err(error) => error,
    }
}

/// Runs SQL of another program on a file.
async fn run(file: &File, sql: &'static str) {
    std::fs::create_dir_all(file.path().parent().unwrap()).unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file.path()).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn listing(file: &File) -> Vec<String> {
    let folder = std::fs::read_dir(file.path().parent().unwrap()).unwrap();
    let mut names: Vec<_> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn closing_leaves_one_file() {
    let file = File::new();
    let catalog = file.open().await;
    added(&*catalog, new_track("a", 1)).await;
    assert!(listing(&file).len() > 1);
    catalog.close().await.unwrap();
    assert_eq!(listing(&file), ["the catalogue?#%41.db"]);
}

#[tokio::test]
async fn a_newer_schema_is_rejected_and_not_changed() {
    let file = File::new();
    file.open().await.close().await.unwrap();
    run(&file, "INSERT INTO _sqlx_migrations VALUES (1000, 'later', '2030-01-01', true, x'00', 1)").await;
    let before = std::fs::read(file.path()).unwrap();
    let error = rejection(&file.url()).await;
    assert!(matches!(error, CatalogError::TooNew { found: 1000, .. }), "{error:?}");
    assert!(
        error.to_string().contains("update refrain") && error.to_string().contains("the catalogue?#%41.db")
    );
    assert!(std::fs::read(file.path()).unwrap() == before);
}

#[tokio::test]
async fn an_older_schema_is_upgraded() {
    let file = File::new();
    let catalog = file.open().await;
    let track = added(&*catalog, new_track("a", 1)).await;
    catalog.close().await.unwrap();
    run(
        &file,
        "DROP TABLE streams; DROP TABLE detections; DROP TABLE outbox; DROP TABLE turns; \
         DROP TABLE ended_sessions; DROP TABLE object_attempts; DROP TABLE pending_comparisons; \
         DELETE FROM _sqlx_migrations WHERE version > 2",
    )
    .await;
    let catalog = file.open().await;
    assert_eq!(catalog.find_by_source("a").await.unwrap(), Some(track));
    assert_eq!(catalog.journal().stream("a").await.unwrap(), None);
}

#[tokio::test]
async fn content_of_another_program_is_rejected_and_not_changed() {
    for bytes in [&b"not a database"[..], &[0; 5000], "word ".repeat(2000).as_bytes()] {
        let file = File::new();
        std::fs::create_dir_all(file.path().parent().unwrap()).unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let error = rejection(&file.url()).await;
        assert!(matches!(error, CatalogError::NotACatalog { .. }), "{error:?}");
        assert!(std::fs::read(file.path()).unwrap() == bytes);
    }
    let file = File::new();
    run(&file, "CREATE TABLE tracks (a); INSERT INTO tracks VALUES (1)").await;
    let before = std::fs::read(file.path()).unwrap();
    let error = rejection(&file.url()).await;
    assert!(matches!(error, CatalogError::NotACatalog { .. }), "{error:?}");
    assert!(std::fs::read(file.path()).unwrap() == before);
    assert_eq!(listing(&file).len(), 1);
}

#[tokio::test]
async fn an_empty_file_becomes_a_catalog() {
    let file = File::new();
    std::fs::create_dir_all(file.path().parent().unwrap()).unwrap();
    std::fs::write(file.path(), "").unwrap();
    added(&*file.open().await, new_track("a", 1)).await;
}

#[tokio::test]
async fn a_damaged_catalog_is_reported() {
    let file = File::new();
    let catalog = file.open().await;
    for n in 0..200 {
        added(&*catalog, new_track(&format!("{n}"), n)).await;
    }
    catalog.close().await.unwrap();
    let mut bytes = std::fs::read(file.path()).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0x55);
    std::fs::write(file.path(), bytes).unwrap();
    let catalog = file.open().await;
    let mut outcomes = Vec::new();
    for n in 0..200 {
        outcomes.push(catalog.find_by_source(&format!("{n}")).await.map(drop));
    }
    let error = outcomes.into_iter().find_map(Result::err).expect("damage is found");
    assert!(matches!(error, CatalogError::Corrupt { .. }), "{error:?}");
    assert!(!error.is_retryable());
    let facts = catalog.health(true).await.unwrap();
    let integrity = facts.iter().find(|fact| fact.name == "integrity").unwrap();
    assert_eq!(integrity.health, HealthLevel::Failing, "{facts:?}");
}

#[tokio::test]
async fn urls_without_a_catalog_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    for url in ["sqlite:".to_owned(), "sqlite://".to_owned(), format!("sqlite:{}", folder.path().display())] {
        let error = rejection(&url).await;
        assert!(matches!(error, CatalogError::CannotOpen { .. }), "{error:?}");
    }
    std::fs::write(folder.path().join("file"), "").unwrap();
    let error = rejection(&format!("sqlite:{}/file/below", folder.path().display())).await;
    assert!(matches!(error, CatalogError::CannotOpen { .. }), "{error:?}");
    for url in ["mysql://me:secret@host/db", "secret", "/tmp/secret.db", "", "://secret"] {
        let error = rejection(url).await;
        assert!(matches!(error, CatalogError::UnsupportedScheme { .. }), "{error:?}");
        let text = format!("{error} {error:?}");
        assert!(text.contains("sqlite:PATH") && !text.contains("secret"), "{text}");
    }
    assert_eq!(refrain_catalog::default_cache_prefix("sqlite:a/b.db"), Some("a/b.db".into()));
    assert_eq!(refrain_catalog::default_cache_prefix("sqlite:///a/b.db"), Some("/a/b.db".into()));
    assert_eq!(refrain_catalog::default_cache_prefix("postgres://host/db"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_opened_concurrently_is_created_once() {
    let file = File::new();
    let mut tasks = Vec::new();
    for n in 0..8 {
        let url = file.url();
        tasks.push(tokio::spawn(async move {
            let catalog = refrain_catalog::open(&url).await.unwrap();
            added(&*catalog, new_track(&format!("{n}"), n)).await;
            catalog.identity()
        }));
    }
    let mut identities = std::collections::BTreeSet::new();
    for task in tasks {
        identities.insert(task.await.unwrap());
    }
    assert_eq!(identities.len(), 1);
    let catalog = file.open().await;
    assert_eq!(catalog.count().await.unwrap(), 8);
    consistent(&*catalog).await;
}

#[test]
fn an_address_has_no_secrets() {
    let address =
        |url: &str| refrain_catalog::address(url).map(|address| (address.url, address.names.join(" ")));
    let shown = |url: &str, names: &str| (url.to_owned(), names.to_owned());
    assert_eq!(address("sqlite:///a/b.db").unwrap(), shown("sqlite:/a/b.db", "b"));
    assert!(address("sqlite:b.db").unwrap().0.starts_with("sqlite:/"));
    for url in [
        "postgres://ann:hush@db.example:5433/music?sslmode=require&application_name=x",
        "postgresql://ann@db.example:5433/music",
    ] {
        assert_eq!(
            address(url).unwrap(),
            shown("postgres://ann@db.example:5433/music", "db.example 5433 music")
        );
    }
    for url in [
        "mysql://ann:hush@host/db",
        "postgres://ann:hush@host:99999/db",
        "postgres://ann:hu sh@ho st/db",
        "ann:hush@host",
    ] {
        let error = address(url).unwrap_err();
        assert!(
            !format!("{error} {error:?}").contains("hush") && !error.to_string().contains("sh@"),
            "{error:?}"
        );
    }
}
